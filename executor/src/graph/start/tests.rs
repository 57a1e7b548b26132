//! What start control asks of calls, and what publishing refuses.

use std::sync::Arc;
use std::time::Duration;

use flowmatic_openapi::{StartControl, WhenFull};
use poem_openapi::types::ParseFromJSON;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ConcurrencyTerms, DebounceTerms, IdempotencyKey, IdempotencyTerms, RateTerms, Terms, TermsError, compile,
};
use crate::context::Payload;
use crate::graph::{Plan, Version};

fn control(start: Value) -> StartControl {
    StartControl::parse_from_json(Some(start)).expect("it is within the bounds of its type")
}

fn terms(start: Value, body: Value) -> Result<Terms, TermsError> {
    let plan = compile(&control(start))
        .expect("it compiles")
        .expect("it asks for something");
    let version = Version {
        workspace_id: 1,
        workflow_id: Uuid::nil(),
        number: 1,
        plan: Arc::new(Plan {
            vars: json!({"region": "eu"}),
            ..Plan::default()
        }),
        secrets: Arc::default(),
    };
    let engine = json!({"_webhook": {"headers": {"x-tenant": "acme"}}});
    let payload = Payload {
        body,
        engine: engine.as_object().cloned().expect("an object"),
    };
    plan.terms(&version, 0, crate::testing::identity(Uuid::nil()), &payload)
}

#[track_caller]
fn problems(start: Value, expected: &[(&str, &str)]) {
    let problems = compile(&control(start)).expect_err("it has mistakes");
    for (place, part) in expected {
        let pointer = format!("/graph/settings/start/{place}");
        let found = problems
            .iter()
            .any(|problem| problem.pointer == pointer && problem.message.contains(part));
        assert!(found, "nothing at {pointer} says `{part}`: {problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn evaluates_each_key_over_what_the_call_brings() {
    let start = json!({
        "idempotency": {"key": "{{order.id}}", "ttl": "1h"},
        "rate_limit": {"limit": 3, "period": "1m", "key": "{{_webhook.headers.x-tenant}}"},
        "debounce": {"period": "5s", "key": "{{_vars.region}}-{{order.id}}", "max_wait": "1m"},
        "concurrency": {"limit": 2, "key": "{{vip}}", "when_full": "drop"},
        "priority": "{{order.urgency}}"
    });
    let body = json!({"order": {"id": 7, "urgency": 5}, "vip": true});
    let expected = Terms {
        idempotency: Some(IdempotencyTerms {
            key: IdempotencyKey::OfWorkflow(Some("7".to_owned())),
            ttl: Duration::from_secs(3_600),
        }),
        rate_limit: Some(RateTerms {
            key: "acme".to_owned(),
            limit: 3,
            period: Duration::from_secs(60),
        }),
        debounce: Some(DebounceTerms {
            key: "eu-7".to_owned(),
            period: Duration::from_secs(5),
            max_wait: Some(Duration::from_secs(60)),
        }),
        concurrency: Some(ConcurrencyTerms {
            key: "true".to_owned(),
            limit: 2,
            when_full: WhenFull::Drop,
        }),
        priority: 5,
    };
    assert_eq!(terms(start, body), Ok(expected));
}

#[test]
fn has_one_key_for_all_where_none_is_set() {
    let start = json!({
        "idempotency": {}, "rate_limit": {"limit": 1, "period": "1s"}, "concurrency": {"limit": 1}
    });
    let terms = terms(start, json!({})).expect("it has no expressions");
    assert_eq!(
        terms.idempotency.map(|it| (it.key, it.ttl)),
        Some((IdempotencyKey::OfCaller, Duration::from_secs(86_400)))
    );
    assert_eq!(terms.rate_limit.map(|it| it.key).as_deref(), Some(""));
    assert_eq!(
        terms.concurrency.map(|it| (it.key, it.when_full)),
        Some((String::new(), WhenFull::Queue))
    );
    assert_eq!(terms.priority, 0);
}

#[test]
fn null_and_nothing_are_no_idempotency_key() {
    for id in [json!(null), json!("")] {
        let terms = terms(json!({"idempotency": {"key": "{{id}}"}}), json!({"id": id}));
        let key = terms.expect("there is such a field").idempotency.map(|it| it.key);
        assert_eq!(key, Some(IdempotencyKey::OfWorkflow(None)));
    }
}

#[test]
fn says_which_key_a_call_lacks() {
    let start = json!({"rate_limit": {"limit": 1, "period": "1s", "key": "{{customer}}"}});
    for (body, part) in [
        (json!({}), "`start.rate_limit.key`"),
        (json!({}), "customer"),
        (json!({"customer": {"id": 1}}), "not a list or an object"),
        (
            json!({"customer": "x".repeat(257)}),
            "at most 256 bytes, and this one has 257",
        ),
        (json!({"customer": "a\u{0}b"}), "no NUL characters"),
    ] {
        let error = terms(start.clone(), body).expect_err("it is no key").to_string();
        assert!(error.contains(part), "{error}");
    }
    for priority in [
        json!("high"),
        json!(1001),
        json!(0.5),
        json!([1]),
        json!("x".repeat(500)),
    ] {
        let terms = terms(json!({"priority": "{{p}}"}), json!({"p": priority}));
        let error = terms.expect_err("it is no priority").to_string();
        assert!(error.contains("`start.priority`") && error.len() < 200, "{error}");
    }
}

#[test]
fn asks_for_nothing_where_nothing_is_set() {
    for start in [json!({}), json!({"priority": 0}), json!({"priority": "0"})] {
        assert!(compile(&control(start)).expect("it compiles").is_none());
    }
}

#[test]
fn finds_all_mistakes_with_their_places() {
    let start = json!({
        "idempotency": {"key": "{{_nodes.fetch.id}}", "ttl": "31d"},
        "rate_limit": {"limit": 1, "period": "999ms", "key": "{{upper"},
        "debounce": {"period": "50ms", "max_wait": "10ms", "key": "{{nosuch 1}}"},
        "concurrency": {"limit": 1, "key": "{{secret \"00000000-0000-7000-8000-000000000000\"}}"},
        "priority": "soon"
    });
    problems(
        start,
        &[
            ("idempotency/key", "names the node `fetch`"),
            ("idempotency/ttl", "`31d` is out of bounds: it takes 1s to 30d"),
            ("rate_limit/period", "takes 1s to 30d"),
            ("rate_limit/key", "does not end"),
            ("debounce/period", "takes 100ms to 7d"),
            ("debounce/max_wait", "takes 50ms to 30d"),
            ("debounce/key", "nosuch"),
            ("concurrency/key", "names a secret"),
            ("priority", "no whole number"),
        ],
    );
    for key in ["order_id", ""] {
        problems(
            json!({"idempotency": {"key": key}}),
            &[("idempotency/key", "the same for all calls")],
        );
    }
    problems(
        json!({"concurrency": {"limit": 1, "key": "x".repeat(300)}}),
        &[("concurrency/key", "at most 256 bytes")],
    );
}
