use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use flowmatic_openapi::{Role, User};
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::super::NewSession;
use super::super::testing::{TestStore, older_stores, stores};
use super::{Changed, NewInvitation, NewUser, UserChange};
use crate::auth::TokenHash;

fn token(name: &str) -> TokenHash {
    TokenHash::of(name)
}

async fn owner(test: &TestStore) -> User {
    let made = test.store.create_owner("Ana@acme.example", "hash", Utc::now());
    made.await.expect(test.name).expect("there was none")
}

async fn invite(test: &TestStore, email: &str, role: Role) -> Option<User> {
    let new = NewUser {
        workspace_id: 1,
        email: email.to_owned(),
        name: Some(" Bob ".to_owned()),
        role,
    };
    let link = NewInvitation {
        token: token(email),
        expires_at: Utc::now() + TimeDelta::days(7),
    };
    test.store
        .invite_user(new, link, Utc::now())
        .await
        .expect(test.name)
}

async fn join(test: &TestStore, email: &str) -> Option<User> {
    let joined = test.store.join(token(email), "hash", None, Utc::now());
    joined.await.expect(test.name)
}

async fn change(test: &TestStore, id: i64, change: UserChange) -> Changed {
    test.store.update_user(1, id, change).await.expect(test.name)
}

async fn log_in(test: &TestStore, user_id: i64, name: &str) {
    let new = NewSession {
        user_id,
        token: token(name),
        expires_at: Utc::now() + TimeDelta::days(14),
        ip: None,
        user_agent: None,
    };
    let made = test.store.create_session(new, Utc::now());
    made.await.expect(test.name);
}

async fn is_logged_in(test: &TestStore, name: &str) -> bool {
    let found = test.store.session_by_hash(token(name), Utc::now());
    found.await.expect(test.name).is_some()
}

fn role(role: Role) -> UserChange {
    UserChange {
        role: Some(role),
        ..UserChange::default()
    }
}

fn disabled(disabled: bool) -> UserChange {
    UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    }
}

#[tokio::test]
async fn a_link_makes_one_person_and_works_once() {
    for test in stores().await {
        let bob = invite(&test, "bob@acme.example", Role::Editor)
            .await
            .expect("new");
        assert!(bob.invited && bob.name.as_deref() == Some("Bob"), "{bob:?}");
        assert_eq!(
            invite(&test, "BOB@acme.example", Role::Viewer).await,
            None,
            "{}",
            test.name
        );
        let known = test
            .store
            .user_by_email("bob@acme.example")
            .await
            .expect(test.name);
        assert_eq!(known.expect("he is there").password_hash, None);
        assert_eq!(join(&test, "nobody").await, None);
        let late = Utc::now() + TimeDelta::days(8);
        let hash = token("bob@acme.example");
        assert_eq!(test.store.invited(hash, late).await.expect(test.name), None);
        assert_eq!(
            test.store.join(hash, "hash", None, late).await.expect(test.name),
            None
        );
        let joined = join(&test, "bob@acme.example").await.expect("in time");
        assert!(!joined.invited && joined.id == bob.id, "{joined:?}");
        assert_eq!(join(&test, "bob@acme.example").await, None, "{}", test.name);
    }
}

#[tokio::test]
async fn of_two_at_once_one_uses_a_link() {
    for test in stores().await {
        invite(&test, "bob@acme.example", Role::Editor)
            .await
            .expect("new");
        let (first, second) = tokio::join!(join(&test, "bob@acme.example"), join(&test, "bob@acme.example"));
        assert_ne!(first.is_some(), second.is_some(), "{}", test.name);
    }
}

#[tokio::test]
async fn keeps_an_owner_who_can_log_in() {
    for test in stores().await {
        let ana = owner(&test).await;
        // An owner who never joined, and one who is kept out, are no help.
        let bob = invite(&test, "bob@acme.example", Role::Owner).await.expect("new");
        for change_to in [role(Role::Editor), disabled(true)] {
            assert_eq!(
                change(&test, ana.id, change_to).await,
                Changed::LastOwner,
                "{}",
                test.name
            );
        }
        assert_eq!(test.store.delete_user(1, ana.id).await, Ok(Changed::LastOwner));
        join(&test, "bob@acme.example").await.expect("bob joins");
        assert!(matches!(
            change(&test, bob.id, disabled(true)).await,
            Changed::Done(_)
        ));
        assert_eq!(test.store.delete_user(1, ana.id).await, Ok(Changed::LastOwner));
        assert!(matches!(
            change(&test, bob.id, disabled(false)).await,
            Changed::Done(_)
        ));
        // Of two who leave at once one stays.
        let (first, second) = tokio::join!(
            change(&test, ana.id, role(Role::Viewer)),
            test.store.delete_user(1, bob.id)
        );
        let refused = [first, second.expect(test.name)];
        let refused = refused.iter().filter(|changed| **changed == Changed::LastOwner);
        assert_eq!(refused.count(), 1, "{}", test.name);
        assert!(test.store.has_owner().await.expect(test.name));
    }
}

#[tokio::test]
async fn ends_the_sessions_of_those_who_are_kept_out_or_gone() {
    for test in stores().await {
        owner(&test).await;
        let bob = invite(&test, "bob@acme.example", Role::Viewer)
            .await
            .expect("new");
        join(&test, "bob@acme.example").await.expect("bob joins");
        log_in(&test, bob.id, "one").await;
        assert!(is_logged_in(&test, "one").await);
        assert!(matches!(
            change(&test, bob.id, disabled(true)).await,
            Changed::Done(_)
        ));
        change(&test, bob.id, disabled(false)).await;
        assert!(!is_logged_in(&test, "one").await, "{}", test.name);
        log_in(&test, bob.id, "two").await;
        log_in(&test, bob.id, "three").await;
        let set = test.store.set_password(bob.id, "other", token("three"));
        set.await.expect(test.name);
        assert!(!is_logged_in(&test, "two").await && is_logged_in(&test, "three").await);
        assert!(matches!(
            test.store.delete_user(1, bob.id).await,
            Ok(Changed::Done(_))
        ));
        assert!(!is_logged_in(&test, "three").await, "{}", test.name);
        assert_eq!(test.store.delete_user(1, bob.id).await, Ok(Changed::Unknown));
    }
}

#[tokio::test]
async fn keeps_a_hundred_sessions_of_a_person() {
    for test in stores().await {
        let ana = owner(&test).await;
        log_in(&test, ana.id, "kept").await;
        for number in 0..99 {
            log_in(&test, ana.id, &number.to_string()).await;
        }
        let later = Utc::now() + TimeDelta::seconds(5);
        let used = HashMap::from([(token("kept"), (ana.id, later))]);
        test.store.touch_sessions(used).await.expect(test.name);
        log_in(&test, ana.id, "new").await;
        let sessions = test.store.sessions(ana.id, token("new"), Utc::now());
        let sessions = sessions.await.expect(test.name);
        assert_eq!(sessions.len(), 100, "{}", test.name);
        assert!(is_logged_in(&test, "kept").await && is_logged_in(&test, "new").await);
        assert_eq!(sessions.iter().filter(|session| session.current).count(), 1);
        let seen = test
            .store
            .user(1, ana.id)
            .await
            .expect(test.name)
            .expect("she is there");
        assert!(seen.last_seen_at.is_some());
    }
}

#[tokio::test]
async fn lists_people_by_pages_and_keeps_workspaces_apart() {
    for test in stores().await {
        let mut made = vec![owner(&test).await.id];
        for number in 0..4 {
            let user = invite(&test, &format!("{number}@acme.example"), Role::Viewer).await;
            made.insert(0, user.expect("new").id);
        }
        let first = test.store.users(1, None, 3).await.expect(test.name);
        let next = first.next_cursor.as_deref();
        let second = test.store.users(1, next, 3).await.expect(test.name);
        let listed: Vec<i64> = first
            .data
            .iter()
            .chain(&second.data)
            .map(|user| user.id)
            .collect();
        assert_eq!(
            (listed, second.next_cursor),
            (made.clone(), None),
            "{}",
            test.name
        );
        let other = test.store.create_workspace("Other").await.expect(test.name);
        assert!(
            test.store
                .users(other, None, 3)
                .await
                .expect(test.name)
                .data
                .is_empty()
        );
        assert_eq!(test.store.user(other, made[0]).await.expect(test.name), None);
        let changed = test.store.update_user(other, made[0], role(Role::Owner)).await;
        assert_eq!(changed, Ok(Changed::Unknown));
        assert_eq!(test.store.delete_user(other, made[0]).await, Ok(Changed::Unknown));
    }
}

#[tokio::test]
async fn brings_people_sessions_and_keys_of_older_databases_along() {
    for test in older_stores(6).await {
        let writer = test.store.writer();
        let (session, key, id) = (token("session"), token("key"), Uuid::now_v7());
        let end = (Utc::now() + TimeDelta::days(1)).timestamp_millis();
        for (sql, values) in [
            (
                "INSERT INTO users (workspace_id, email, password_hash, role, created_at) \
                 VALUES (1, 'ana@acme.example', 'hash', 'owner', 7)",
                vec![],
            ),
            (
                "INSERT INTO sessions (token_hash, user_id, created_at, expires_at) VALUES ($1, 1, 7000, $2)",
                vec![session.0.to_vec().into(), end.into()],
            ),
            (
                "INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes, created_at) \
                 VALUES ($1, 1, 'old', 'fm_old', $2, '[]', 7)",
                vec![id.into(), key.0.to_vec().into()],
            ),
        ] {
            let statement = Statement::from_sql_and_values(writer.get_database_backend(), sql, values);
            writer.execute_raw(statement).await.expect(sql);
        }
        test.store.migrate().await.expect(test.name);
        let ana = test
            .store
            .user(1, 1)
            .await
            .expect(test.name)
            .expect("she is there");
        assert!(!ana.invited && !ana.disabled && ana.name.is_none(), "{ana:?}");
        assert!(is_logged_in(&test, "session").await, "{}", test.name);
        let sessions = test
            .store
            .sessions(1, session, Utc::now())
            .await
            .expect(test.name);
        assert_eq!(sessions[0].last_used_at.timestamp(), 7);
        let found = test.store.key_by_hash(key).await.expect(test.name);
        assert_eq!(found.expect("it is good").expires_at, None);
        let key = test
            .store
            .key(1, id)
            .await
            .expect(test.name)
            .expect("it is there");
        assert_eq!((key.expires_at, key.created_by), (None, None));
    }
}
