//! What a browser opens: the web application, and the plain pages, reference and resume. They need nothing from outside
//! and run no inline script.

use flowmatic_web::File;
use poem::http::{Method, StatusCode, header};
use poem::web::{Json, Path};
use poem::{IntoResponse, Request, Response, ResponseBuilder, Route, get, handler};

use serde_json::json;
use uuid::Uuid;

use super::error::ApiError;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Of a page that holds nothing but a form.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// The name of what is under `/assets/` changes with its content.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

pub(super) fn routes(route: Route) -> Route {
    flowmatic_web::ADDRESSES
        .into_iter()
        .fold(route, |route, address| route.at(address, get(application)))
        .at("/docs", get(docs))
        .at("/icon.svg", get(root_file))
        .at("/favicon.ico", get(icon))
        .at("/theme.js", get(root_file))
        .at("/assets/:name", get(asset))
}

/// The same page at each of its addresses: it shows by itself what belongs there.
#[handler]
fn application(request: &Request) -> Response {
    built(flowmatic_web::application(), request)
}

#[handler]
fn root_file(request: &Request) -> Response {
    built(flowmatic_web::file(request.uri().path()), request)
}

/// Browsers ask for it where a page names none, as beside JSON.
#[handler]
fn icon(request: &Request) -> Response {
    built(flowmatic_web::file("/icon.svg"), request)
}

/// Whether somebody has typed an address that there is nothing at: a browser asks for a page, and no program for JSON.
pub(super) fn is_asked_for(request: &Request) -> bool {
    let accepts = request.header(header::ACCEPT).unwrap_or_default();
    *request.method() == Method::GET
        && accepts.contains("text/html")
        && !request.uri().path().starts_with("/api/")
}

/// The application, which says by itself that there is nothing here.
pub(super) fn nothing_here() -> Option<Response> {
    let file = flowmatic_web::application()?;
    let response = safe(file.content_type, POLICY, "no-store").status(StatusCode::NOT_FOUND);
    Some(response.body(file.bytes))
}

fn safe(content_type: &str, policy: &str, cache: &str) -> ResponseBuilder {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::CACHE_CONTROL, cache)
}

#[handler]
fn asset(request: &Request, Path(name): Path<String>) -> Response {
    match flowmatic_web::file(request.uri().path()) {
        Some(file) => built(Some(file), request),
        None => plain(&name),
    }
}

#[handler]
fn docs() -> Response {
    plain("docs.html")
}

/// A file of the application: compressed where the browser takes it so, and not at all where it has it already.
fn built(file: Option<&'static File>, request: &Request) -> Response {
    let Some(file) = file else {
        return ApiError::not_found("page", request.uri().path()).into_response();
    };
    let sent = |name| request.header(name).unwrap_or_default();
    let is_known = sent(header::IF_NONE_MATCH).contains(file.etag);
    let takes_gzip = sent(header::ACCEPT_ENCODING)
        .split(',')
        .any(|coding| coding.trim() == "gzip");
    let cache = if file.is_immutable() { FOR_GOOD } else { "no-cache" };
    let response = safe(file.content_type, POLICY, cache)
        .header(header::ETAG, file.etag)
        .header(header::VARY, "accept-encoding");
    match file.gzip {
        _ if is_known => response.status(StatusCode::NOT_MODIFIED).finish(),
        Some(gzip) if takes_gzip => response.header(header::CONTENT_ENCODING, "gzip").body(gzip),
        _ => response.body(file.bytes),
    }
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
    safe("text/html; charset=utf-8", FORM_POLICY, "no-store").body(page)
}

fn plain(name: &str) -> Response {
    let Some((content_type, text)) = flowmatic_web::page(name) else {
        return ApiError::not_found("page", name).into_response();
    };
    safe(content_type, POLICY, "no-cache").body(text)
}
