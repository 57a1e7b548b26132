//! The pages embedded in the binary.

/// A page or what it loads, by its file name, with its content type.
pub fn page(name: &str) -> Option<(&'static str, &'static str)> {
    const HTML: &str = "text/html; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const STYLE: &str = "text/css; charset=utf-8";
    Some(match name {
        "index.html" => (HTML, include_str!("pages/index.html")),
        "setup.html" => (HTML, include_str!("pages/setup.html")),
        "setup.js" => (SCRIPT, include_str!("pages/setup.js")),
        "docs.html" => (HTML, include_str!("pages/docs.html")),
        "docs.js" => (SCRIPT, include_str!("pages/docs.js")),
        "docs.css" => (STYLE, include_str!("pages/docs.css")),
        "resume.html" => (HTML, include_str!("pages/resume.html")),
        "style.css" => (STYLE, include_str!("pages/style.css")),
        _ => return None,
    })
}
