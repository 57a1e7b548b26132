//! The plain pages: start, set-up, reference. They need nothing from outside and run no inline script.

use poem::http::header;
use poem::web::Path;
use poem::{IntoResponse, Response, Route, get, handler};

use super::error::ApiError;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes(route: Route) -> Route {
    route
        .at("/", get(start))
        .at("/docs", get(docs))
        .at("/setup", get(setup))
        .at("/assets/:name", get(asset))
}

#[handler]
fn start() -> Response {
    file("index.html")
}

#[handler]
fn docs() -> Response {
    file("docs.html")
}

#[handler]
fn setup() -> Response {
    file("setup.html")
}

#[handler]
fn asset(Path(name): Path<String>) -> Response {
    file(&name)
}

fn file(name: &str) -> Response {
    let Some((content_type, text)) = flowmatic_web::page(name) else {
        return ApiError::not_found("page", name).into_response();
    };
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::CACHE_CONTROL, "no-cache")
        .body(text)
}
