use sea_orm::ConnectionTrait;

use super::*;
use crate::store::testing::{TestStore, postgres, sqlite};

/// Fills the file with rows of a page each, and takes all but the last hundred away again.
async fn leave_room(test: &TestStore, rows: u64) {
    let writer = test.store.writer();
    let fill = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
         INSERT INTO filling SELECT i, hex(zeroblob(1900)) FROM n"
    );
    let empty = format!("DELETE FROM filling WHERE id <= {}", rows - 100);
    let table = "CREATE TABLE filling (id INTEGER PRIMARY KEY, text TEXT)".to_owned();
    for sql in [table, fill, empty] {
        writer.execute_unprepared(&sql).await.expect("it can be written");
    }
}

fn file(test: &TestStore) -> &std::path::Path {
    let Database::Sqlite { file, .. } = test.store.database() else {
        unreachable!("it was asked for");
    };
    file
}

async fn spare_pages(test: &TestStore, at_rest: bool) -> u64 {
    match test.store.spare_space(at_rest).await {
        Ok(Spare::Pages(pages)) => pages,
        other => panic!("{other:?}"),
    }
}

async fn pages(test: &TestStore) -> u64 {
    let Database::Sqlite { readers, .. } = test.store.database() else {
        unreachable!("it was asked for");
    };
    pragma(readers, "PRAGMA page_count")
        .await
        .expect("it can be read")
}

#[tokio::test]
async fn gives_free_pages_back_in_steps() {
    let test = sqlite().await;
    assert_eq!(
        test.store.spare_space(true).await,
        Ok(Spare::Nothing),
        "a new file has none"
    );
    leave_room(&test, 8_000).await;
    let before = pages(&test).await;
    let spare = spare_pages(&test, false).await;
    assert!(spare > before / 2, "{spare} of {before}");
    test.store
        .give_back_pages(128)
        .await
        .expect("it can be given back");
    // Beside them go those that say where each of them belonged.
    let after = pages(&test).await;
    assert!(
        (before - 160..=before - 128).contains(&after),
        "{before}, then {after}"
    );
    let spare = spare_pages(&test, true).await;
    test.store
        .give_back_pages(spare)
        .await
        .expect("it can be given back");
    assert_eq!(
        test.store.spare_space(true).await,
        Ok(Spare::Nothing),
        "the rest is kept for what comes"
    );

    // The log is short, and is written back all the same.
    let bytes = || std::fs::metadata(file(&test)).expect("there is a file").len();
    let length = pages(&test).await * 4096;
    while bytes() != length {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keeps_more_room_while_much_comes_and_goes() {
    let test = sqlite().await;
    leave_room(&test, 8_000).await;
    let spare = spare_pages(&test, true).await;
    test.store
        .give_back_pages(spare - 1_500)
        .await
        .expect("it can be given back");
    assert_eq!(test.store.spare_space(false).await, Ok(Spare::Nothing));
    let spare = spare_pages(&test, true).await;
    assert!((1_400..=1_500).contains(&spare), "{spare}");
}

#[tokio::test]
async fn writes_the_little_anew_that_is_left_of_much() {
    let test = sqlite().await;
    leave_room(&test, 10_000).await;
    assert_eq!(test.store.spare_space(false).await, Ok(Spare::Most));
    test.store.rewrite().await.expect("it can be written anew");
    assert_eq!(test.store.spare_space(true).await, Ok(Spare::Nothing));
    let left = pages(&test).await;
    assert!(left < 300, "{left}");
    let writer = test.store.writer();
    let sql = "SELECT COUNT(*) AS count FROM filling".to_owned();
    let statement = sea_orm::Statement::from_string(writer.get_database_backend(), sql);
    let row = writer
        .query_one_raw(statement)
        .await
        .expect("it can be read")
        .expect("a row");
    assert_eq!(row.try_get("", "count"), Ok(100));
}

#[tokio::test]
async fn writes_a_file_anew_that_another_program_has_made() {
    let test = sqlite().await;
    assert_eq!(test.store.unshrinkable().await, Ok(None));
    leave_room(&test, 8_000).await;
    let Database::Sqlite { writer, .. } = test.store.database() else {
        unreachable!("it was asked for");
    };
    // As a dump that is read back in leaves it.
    for sql in ["PRAGMA auto_vacuum = NONE", "VACUUM"] {
        sqlx::raw_sql(sql)
            .execute(writer)
            .await
            .expect("it can be written");
    }
    let store = Store::open(test.options.clone()).await.expect("it opens");
    let size = store
        .unshrinkable()
        .await
        .expect("it can be read")
        .expect("it cannot shrink");
    assert_eq!(size, pages(&test).await * 4096);
    store.rewrite().await.expect("it can be written anew");
    assert_eq!(store.unshrinkable().await, Ok(None));
}

#[tokio::test]
async fn vacuums_a_table_of_which_much_is_gone() {
    let test = postgres().await;
    assert_eq!(test.store.is_vacuum_due(VACUUM_ROWS - 1, false).await, Ok(false));
    assert_eq!(test.store.is_vacuum_due(VACUUM_ROWS, false).await, Ok(true));
    let at_rest = |removed| test.store.is_vacuum_due(removed, true);
    assert_eq!(at_rest(VACUUM_ROWS_AT_REST - 1).await, Ok(false));
    assert_eq!(at_rest(VACUUM_ROWS_AT_REST).await, Ok(true));
    test.store.vacuum().await.expect("it can be done");
    let writer = test.store.writer();
    let many = "UPDATE pg_class SET reltuples = 10000000 WHERE oid = 'executions'::regclass";
    writer.execute_unprepared(many).await.expect("a superuser may");
    assert_eq!(test.store.is_vacuum_due(VACUUM_ROWS, false).await, Ok(false));
    assert_eq!(test.store.is_vacuum_due(1_000_000, false).await, Ok(true));
    assert_eq!(test.store.spare_space(true).await, Ok(Spare::Nothing));
    assert_eq!(test.store.unshrinkable().await, Ok(None));
}
