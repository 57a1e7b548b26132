//! What callers send: bodies of every kind, and what is none.

use flowmatic_tests::{Database, TestApp};
use futures_util::stream;
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{answering, post, start};
use crate::workflow::{Answered, create, hook, on_both_databases, row, webhook_id, webhook_path};

on_both_databases! {
    reads_bodies_of_every_kind
    keeps_fields_that_begin_with_an_underscore_out_of_the_top_level
    takes_bodies_up_to_the_limit
    refuses_json_that_is_none
}

async fn reads_bodies_of_every_kind(database: Database) {
    let app = start(database).await;
    let body = json!({
        "a": "{{default a \"-\"}}",
        "body": "{{default body \"-\"}}",
        "whole": "{{_webhook.body}}",
        "type": "{{_webhook.contentType}}",
        "files": "{{_webhook.files}}"
    });
    let workflow = create(&app, answering(body)).await;
    let check = async |content_type: &str, body: &[u8], a: Value, body_field: Value, whole: Value| {
        let answered = post(&app, &workflow, content_type, body.to_vec()).await;
        let expected = json!({"a": a, "body": body_field, "whole": whole, "type": content_type, "files": []});
        assert_eq!(
            (answered.status, answered.json()),
            (200, expected),
            "{content_type}"
        );
    };
    let none = || json!("-");
    check(
        "application/json",
        br#"{"a": 1}"#,
        json!(1),
        none(),
        json!({"a": 1}),
    )
    .await;
    check(
        "application/json",
        b"[1, 2]",
        none(),
        json!([1, 2]),
        json!([1, 2]),
    )
    .await;
    check(
        "application/json",
        b"\"text\"",
        none(),
        json!("text"),
        json!("text"),
    )
    .await;
    check(
        "application/cloudevents+json; charset=utf-8",
        b"7",
        none(),
        json!(7),
        json!(7),
    )
    .await;
    let form = "application/x-www-form-urlencoded";
    check(
        form,
        b"a=1&b=x+%C3%A9&b=y",
        json!("1"),
        none(),
        json!({"a": "1", "b": ["x é", "y"]}),
    )
    .await;
    check(
        "text/plain; charset=utf-8",
        "a=é".as_bytes(),
        none(),
        json!("a=é"),
        json!("a=é"),
    )
    .await;
    check("application/xml", b"<a/>", none(), json!("<a/>"), json!("<a/>")).await;
    check(
        "image/png",
        b"\x89PNG\x00\xff",
        none(),
        json!("iVBORwD/"),
        json!("iVBORwD/"),
    )
    .await;

    // No body of whatever type: the query's fields.
    let query = format!("{}?a=1&a=2", webhook_path(&workflow));
    let request = app
        .request("POST", &query)
        .header("content-type", "application/json");
    let answer = Answered::of(request).await.json();
    assert_eq!(
        (&answer["a"], &answer["body"]),
        (&json!(["1", "2"]), &none()),
        "{answer}"
    );

    let file = Part::bytes(b"\x00\xff".to_vec())
        .file_name("o.bin")
        .mime_str("application/x-order");
    let form = Form::new()
        .text("a", "1")
        .part("order", file.expect("a media type"));
    let answer = Answered::of(app.request("POST", &webhook_path(&workflow)).multipart(form))
        .await
        .json();
    let file = json!({
        "field": "order", "name": "o.bin", "contentType": "application/x-order", "size": 2, "content": "AP8="
    });
    assert_eq!(
        (&answer["a"], &answer["files"]),
        (&json!("1"), &json!([file])),
        "{answer}"
    );
    assert_eq!(answer["whole"], json!({"a": "1"}));
}

async fn keeps_fields_that_begin_with_an_underscore_out_of_the_top_level(database: Database) {
    let app = start(database).await;
    let body = json!({
        "hidden": "{{default _hidden \"-\"}}",
        "id": "{{_webhook.webhookId}}",
        "sent": "{{_webhook.body}}",
        "execution": "{{_execution.id}}"
    });
    let workflow = create(&app, answering(body)).await;
    let sent = json!({"_hidden": 1, "_webhook": {"webhookId": "forged"}, "_execution": {"id": "forged"}});
    let (status, answer) = app.webhook(&webhook_id(&workflow), &sent).await;
    assert_eq!(
        (status, &answer["hidden"], &answer["sent"]),
        (200, &json!("-"), &sent)
    );
    assert_eq!(answer["id"], webhook_id(&workflow));
    assert_ne!(answer["execution"], "forged");
}

async fn takes_bodies_up_to_the_limit(database: Database) {
    let app = TestApp::builder()
        .database(database)
        .flags(&["--max-body", "1KiB"])
        .start()
        .await;
    let workflow = create(&app, answering(json!("{{length body}}"))).await;
    let of = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let chunked = |length: usize| {
        let bytes = of(length).into_bytes();
        let chunks: Vec<_> = bytes
            .chunks(100)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect();
        Body::wrap_stream(stream::iter(chunks))
    };
    for (length, status) in [(1024, 200), (1025, 413), (100_000, 413)] {
        let whole = post(&app, &workflow, "application/json", of(length)).await;
        assert_eq!(whole.status, status, "{length} bytes, announced");
        let streamed = post(&app, &workflow, "application/json", chunked(length)).await;
        assert_eq!(streamed.status, status, "{length} bytes in chunks");
        if status == 413 {
            assert_eq!(
                (whole.error(), streamed.error()),
                ("TOO_LARGE".into(), "TOO_LARGE".into())
            );
        } else {
            assert_eq!((whole.json(), streamed.json()), (json!(1022), json!(1022)));
        }
    }
}

async fn refuses_json_that_is_none(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, answering(json!({"body": "{{_webhook.body}}"}))).await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let bad = [
        "{",
        "{\"a\": 1,}",
        "nonsense",
        "{} {}",
        "'a'",
        "{\"a\": NaN}",
        "[01]",
        "\"\u{1}\"",
        "\"\\ud800\"",
        "{\"a\": 18446744073709551616}",
        "[-9223372036854775809]",
        "\u{feff}",
        " ",
    ];
    let deep = nested(129);
    for body in bad.into_iter().chain([deep.as_str()]) {
        let answered = post(&app, &workflow, "application/json", body.to_owned()).await;
        assert_eq!(answered.status, 400, "{body}");
        assert_eq!(answered.error(), "BAD_REQUEST", "{body}");
    }
    let not_utf8 = post(&app, &workflow, "application/json", b"\"\xff\"".to_vec()).await;
    assert_eq!((not_utf8.status, not_utf8.error().as_str()), (400, "BAD_REQUEST"));
    let (_, executions) = app.api("GET", "/api/v1/executions", Value::Null).await;
    assert_eq!(executions["data"], json!([]), "what was refused was started");
    let plain = create(&app, row(&[hook(json!({}))])).await;
    let answered = post(&app, &plain, "application/json", nested(128)).await;
    assert_eq!(answered.status, 200, "{}", answered.json());
    let good = [
        "[18446744073709551615,-9223372036854775808]".to_owned(),
        "{\"z\":1,\"a\":\"\\u0000\"}".to_owned(),
        "[0.1,1e300]".to_owned(),
    ];
    for body in good {
        let answered = post(&app, &workflow, "application/json", body.clone()).await;
        assert_eq!(answered.status, 200, "{body}");
        // Written as it came, in the same order.
        let text = String::from_utf8_lossy(&answered.body).replace("1e+300", "1e300");
        assert_eq!(text, format!("{{\"body\":{body}}}"));
    }
}
