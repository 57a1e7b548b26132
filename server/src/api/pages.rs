//! The plain pages: start, set-up, reference. They need nothing from outside and run no inline script.

use poem::http::header;
use poem::web::{Json, Path};
use poem::{IntoResponse, Response, Route, get, handler};

use serde_json::json;
use uuid::Uuid;

use super::error::ApiError;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Of a page that holds nothing but a form.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

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

/// The page that asks whether an execution is to go on.
pub(crate) fn resume(node: &str, message: Option<&str>, is_approval: bool) -> Response {
    let form = match is_approval {
        true => {
            "<form method=\"post\"><label for=\"comment\">Comment</label>\
             <textarea id=\"comment\" name=\"comment\" maxlength=\"2000\" rows=\"3\"></textarea>\
             <div class=\"choices\"><button name=\"decision\" value=\"approve\">Approve</button>\
             <button class=\"second\" name=\"decision\" value=\"reject\">Reject</button></div></form>"
        }
        false => "<form method=\"post\"><button>Go on</button></form>",
    };
    let message = message.unwrap_or(match is_approval {
        true => "A workflow waits for your decision.",
        false => "A workflow waits for you to let it go on.",
    });
    filled(node, message, form)
}

pub(crate) fn resumed(node: &str) -> Response {
    filled(node, "Thank you. The workflow goes on.", "")
}

/// What a program gets that resumed an execution.
pub(crate) fn resumed_json(execution: Uuid) -> Response {
    let told = json!({"success": true, "execution_id": execution});
    Json(told).into_response()
}

/// An error, for a person to read.
pub(crate) fn resume_failed(error: ApiError) -> Response {
    let message = error.to_string();
    let mut response = error.into_response();
    let page = filled("This cannot be done", &message, "");
    for name in [header::CONTENT_TYPE, header::CONTENT_SECURITY_POLICY] {
        if let Some(value) = page.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.set_body(page.into_body());
    response
}

/// The page with these texts, which are escaped, and a form of our own.
fn filled(title: &str, message: &str, form: &str) -> Response {
    let page = flowmatic_web::page("resume.html").map_or("", |(_, text)| text);
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            // What the texts hold is no place of the page.
            .replace('{', "&#123;")
    };
    let page = page
        .replace("{{title}}", &escaped(title))
        .replace("{{message}}", &escaped(message))
        .replace("{{form}}", form);
    Response::builder()
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, FORM_POLICY)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::CACHE_CONTROL, "no-store")
        .body(page)
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
