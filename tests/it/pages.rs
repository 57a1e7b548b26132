//! The pages that the server serves: they need nothing from elsewhere. What is on them is tried by `web/*.spec.ts`.

use std::collections::BTreeSet;

use flowmatic_tests::TestApp;

use crate::workflow::Answered;

/// What stands in the attributes `src` and `href`.
fn links(html: &str) -> Vec<&str> {
    let after = |name: &'static str| html.split(name).skip(1);
    let values = after("src=\"").chain(after("href=\""));
    values.filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test]
async fn loads_nothing_from_other_hosts() {
    let app = TestApp::start().await;
    let pages = ["/", "/docs", "/setup", "/workflows", "/executions/some-id"];
    let mut todo: Vec<String> = pages.map(str::to_owned).to_vec();
    let mut seen = BTreeSet::new();
    while let Some(path) = todo.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answered = Answered::of(app.request("GET", &path)).await;
        assert_eq!(answered.status, 200, "{path}");
        if path.starts_with("/api/") {
            continue;
        }
        let policy = answered.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains("http"),
            "{path}: {policy}"
        );
        assert_eq!(answered.header("x-content-type-options"), "nosniff", "{path}");
        // The libraries in a script name addresses where their errors are explained, an image that of its format; the
        // policy lets them load none.
        let is_built = answered.header("cache-control").contains("immutable");
        if is_built || answered.header("content-type").starts_with("image/") {
            continue;
        }
        let text = String::from_utf8(answered.body.to_vec()).expect("a text");
        for address in text.match_indices("://").map(|(at, _)| &text[..at]) {
            assert!(
                !address.ends_with("http") && !address.ends_with("https"),
                "{path} names another host"
            );
        }
        assert!(
            !text.contains("\"//") && !text.contains("'//") && !text.contains("url("),
            "{path}"
        );
        if answered.header("content-type").starts_with("text/html") {
            for link in links(&text).into_iter().filter(|link| !link.starts_with('#')) {
                assert!(link.starts_with('/'), "{path} loads `{link}`");
                todo.push(link.split('#').next().unwrap_or_default().to_owned());
            }
        }
    }
    assert!(
        seen.iter().any(|path| path.ends_with(".js")),
        "no script was looked at: {seen:?}"
    );
}

#[tokio::test]
async fn says_that_it_is_well() {
    let app = TestApp::start().await;
    for path in ["/healthz", "/readyz"] {
        let answered = Answered::of(app.request("GET", path)).await;
        assert_eq!(
            (answered.status, answered.json()["status"].as_str()),
            (200, Some("ok")),
            "{path}"
        );
    }
    let metrics = Answered::of(app.request("GET", "/metrics")).await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("flowmatic_http_requests_total"));
    assert_eq!(
        Answered::of(app.request("GET", "/assets/nothing.js"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn shows_the_application_where_there_is_nothing_and_a_page_is_asked_for() {
    let app = TestApp::start().await;
    let get = async |path: &str, accept: &str| {
        Answered::of(app.request("GET", path).header("accept", accept)).await
    };
    let page = get("/nowhere/at/all", "text/html,*/*;q=0.8").await;
    assert_eq!((page.status, page.header("cache-control")), (404, "no-store"));
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    assert_eq!(page.body, get("/", "text/html").await.body);
    for (path, accept) in [
        ("/nowhere", "application/json"),
        ("/nowhere", "*/*"),
        ("/api/v1/nowhere", "text/html"),
    ] {
        let answered = get(path, accept).await;
        assert_eq!(
            (answered.status, answered.error()),
            (404, "NOT_FOUND".to_owned()),
            "{path} {accept}"
        );
    }
    assert_eq!(
        get("/favicon.ico", "image/*").await.header("content-type"),
        "image/svg+xml"
    );
}

#[tokio::test]
async fn sends_what_the_browser_has_not_yet_and_small() {
    let app = TestApp::start().await;
    let page = Answered::of(app.request("GET", "/workflows")).await;
    let etag = page.header("etag").to_owned();
    assert_eq!(page.header("cache-control"), "no-cache");
    let again = app.request("GET", "/executions").header("if-none-match", &etag);
    assert_eq!(Answered::of(again).await.status, 304);
    let text = String::from_utf8_lossy(&page.body);
    let style = links(&text).into_iter().find(|link| link.ends_with(".css"));
    let style = style.expect("the application is built: FLOWMATIC_WEB is not `skip`");
    let small = Answered::of(app.request("GET", style).header("accept-encoding", "br, gzip")).await;
    assert_eq!((small.status, small.header("content-encoding")), (200, "gzip"));
    assert!(small.header("cache-control").contains("immutable"));
    let plain = Answered::of(app.request("GET", style)).await;
    assert!(plain.body.len() > small.body.len());
}
