//! SIGTERM: who was told that something was accepted finds it completed.

use std::time::{Duration, Instant};

use flowmatic_tests::{Answer, Database, Receiver, TestApp, client, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::workflow::{
    Answered, LOOPBACK, call, create, hook, id, on_both_databases, reply, row, webhook_path,
};

on_both_databases! {
    keeps_its_word_to_every_caller
    takes_nothing_new_while_it_ends
    leaves_to_the_next_start_what_it_could_not_finish
}

/// Callers of each kind.
const CALLERS: usize = 12;
/// What a process is given to end.
const GRACE: Duration = Duration::from_secs(30);

async fn start(database: Database) -> TestApp {
    TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await
}

/// What became of a call.
enum Told {
    /// 2xx, with the order that was sent.
    Accepted(String),
    /// 503, or no connection, with the order: nothing was accepted.
    Refused(String),
}

/// Calls one after the other until it is refused.
async fn calls(url: String, caller: usize, answers: bool) -> Vec<Told> {
    let client = client();
    let mut told = Vec::new();
    for number in 0.. {
        let order = format!("{answers}-{caller}-{number}");
        // A connection of its own: of one that was kept it could not be told whether it ended before the call was sent.
        let request = client.post(&url).header("connection", "close");
        let response = match request.json(&json!({"order": order})).send().await {
            Ok(response) => response,
            // Nothing was sent: there is nothing to lose.
            Err(error) if error.is_connect() => {
                told.push(Told::Refused(order));
                return told;
            }
            Err(error) => panic!("order {order} was sent and got no answer: {error:?}"),
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().contains_key("retry-after");
        let text = response.text().await.expect("an answer is whole");
        match status {
            200 | 202 => told.push(Told::Accepted(order)),
            503 => {
                assert!(retry_after && text.contains("UNAVAILABLE"), "{text}");
                told.push(Told::Refused(order));
                return told;
            }
            other => panic!("{other}: {text}"),
        }
    }
    told
}

async fn keeps_its_word_to_every_caller(database: Database) {
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(200).after(Duration::from_millis(300)));
    let mut app = start(database).await;
    let ask = call("ask", receiver.url());
    let waited = create(
        &app,
        row(&[hook(json!({})), ask.clone(), reply(json!({"body": "{{order}}"}))]),
    )
    .await;
    let unwaited = create(&app, row(&[hook(json!({})), ask])).await;
    let callers = |workflow: &Value, answers: bool| {
        let url = format!("{}{}", app.url(), webhook_path(workflow));
        (0..CALLERS)
            .map(move |caller| tokio::spawn(calls(url.clone(), caller, answers)))
            .collect::<Vec<_>>()
    };
    let callers: Vec<_> = callers(&waited, true)
        .into_iter()
        .chain(callers(&unwaited, false))
        .collect();
    receiver.wait_for(3 * CALLERS).await;
    let told_to_end = Instant::now();
    let status = app.terminate().await;
    assert!(status.success(), "it ended with {status}: {}", app.output());
    assert!(
        told_to_end.elapsed() < GRACE,
        "it took {:?}",
        told_to_end.elapsed()
    );
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for told in join_all(callers).await {
        for told in told.expect("every call that was sent is answered") {
            match told {
                Told::Accepted(order) => accepted.push(order),
                Told::Refused(order) => refused.push(order),
            }
        }
    }
    assert!(
        accepted.len() >= CALLERS,
        "only {} calls were accepted",
        accepted.len()
    );

    app.restart().await;
    eventually("all executions to end", async || {
        let open = "/api/v1/executions?status=QUEUED,RUNNING,WAITING&limit=1";
        let (status, list) = app.api("GET", open, Value::Null).await;
        assert_eq!(status, 200, "{list}");
        list["data"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
    let mut completed = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/executions?limit=100{cursor}");
        let (_, page) = app.api("GET", &path, Value::Null).await;
        for execution in page["data"].as_array().expect("a list") {
            assert_eq!(execution["status"], "COMPLETED", "{execution}");
            let path = format!("/api/v1/executions/{}", id(execution));
            let (_, execution) = app.api("GET", &path, Value::Null).await;
            completed.push(execution["input"]["order"].as_str().expect("an order").to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for order in accepted {
        assert!(
            completed.contains(&order),
            "order {order} was accepted and is lost"
        );
    }
    for order in refused {
        assert!(
            !completed.contains(&order),
            "order {order} was refused and ran all the same"
        );
    }
}

async fn takes_nothing_new_while_it_ends(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let mut app = start(database).await;
    let nodes = [
        hook(json!({})),
        call("ask", receiver.url()),
        reply(json!({"body": "answered"})),
    ];
    let workflow = create(&app, row(&nodes)).await;
    let path = webhook_path(&workflow);
    let key = app.key().await.to_owned();
    let caller = tokio::spawn(app.request("POST", &path).json(&json!({})).send());
    receiver.wait_for(1).await;
    let url = app.url().to_owned();
    let (status, ()) = tokio::join!(app.terminate(), async {
        let client = client();
        let draining = async || {
            let answered = Answered::of(client.get(format!("{url}/readyz"))).await;
            (answered.status == 503).then_some(answered)
        };
        let ready = eventually("the server to say that it ends", draining).await;
        assert_eq!(
            (ready.error().as_str(), ready.header("connection")),
            ("UNAVAILABLE", "close")
        );
        assert!(ready.header("retry-after").parse::<u32>().is_ok());
        let execute = format!("{url}/api/v1/workflows/{}/execute", id(&workflow));
        for request in [
            client.post(format!("{url}{path}")).json(&json!({})),
            client.post(execute).bearer_auth(&key),
        ] {
            let refused = Answered::of(request).await;
            assert_eq!((refused.status, refused.error().as_str()), (503, "UNAVAILABLE"));
            assert!(refused.header("retry-after").parse::<u32>().is_ok());
        }
        assert_eq!(
            Answered::of(client.get(format!("{url}/healthz"))).await.status,
            200,
            "it is alive"
        );
        receiver.release();
    });
    assert!(status.success(), "{status}");
    let answer = caller
        .await
        .expect("no panic")
        .expect("who came before is answered");
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.text().await.expect("a text").as_str()
        ),
        (200, "answered")
    );
    app.restart().await;
    let (_, list) = app.api("GET", "/api/v1/executions", Value::Null).await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["data"][0]["status"], "COMPLETED", "{list}");
}

async fn leaves_to_the_next_start_what_it_could_not_finish(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let mut app = start(database).await;
    let nodes = [
        hook(json!({})),
        call("ask", receiver.url()),
        reply(json!({"body": "late"})),
    ];
    let workflow = create(&app, row(&nodes)).await;
    let caller = tokio::spawn(
        app.request("POST", &webhook_path(&workflow))
            .json(&json!({}))
            .send(),
    );
    receiver.wait_for(1).await;
    let told_to_end = Instant::now();
    let status = app.terminate().await;
    assert!(status.success(), "it ended with {status}");
    assert!(
        told_to_end.elapsed() < GRACE,
        "it took {:?}",
        told_to_end.elapsed()
    );
    let response = caller.await.expect("no panic").expect("a caller gets an answer");
    assert_eq!(response.status(), 202);
    let answer: Value = response.json().await.expect("JSON");
    assert_eq!(answer["executionStatus"], "RUNNING", "{answer}");
    receiver.release();
    app.restart().await;
    let execution = answer["executionId"].as_str().expect("an id");
    let execution = app.wait_for(execution, &["COMPLETED", "FAILED"]).await;
    assert_eq!(
        (&execution["status"], &execution["recoveries"]),
        (&json!("COMPLETED"), &json!(0)),
        "{execution}"
    );
    let requests = receiver.received();
    assert_eq!(
        requests[0].header("idempotency-key"),
        requests[1].header("idempotency-key")
    );
}
