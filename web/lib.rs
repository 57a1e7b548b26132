//! What the binary shows in a browser: the web application as `build.rs` has built it, and the plain pages beside it.
//!
//! It knows nothing of HTTP: `server/src/api/pages.rs` serves what is here.

/// A file of the built application.
#[derive(Debug)]
pub struct File {
    /// As it is asked for, such as `/assets/index-C0ffee.js`.
    pub path: &'static str,
    pub content_type: &'static str,
    /// As it stands in the header: weak, since it is that of both variants.
    pub etag: &'static str,
    pub bytes: &'static [u8],
    /// The same, compressed; missing where that saves nothing.
    pub gzip: Option<&'static [u8]>,
}

impl File {
    /// Whether its name changes with its content, so that it may be kept for good.
    pub fn is_immutable(&self) -> bool {
        self.path.starts_with("/assets/")
    }
}

/// In the order of their paths.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/application.rs"));

/// The addresses at which the application opens, as the server's routes have them. The application itself shows what
/// belongs there; `src/routes.tsx` has the same first parts.
pub const ADDRESSES: [&str; 13] = [
    "/",
    "/setup",
    "/login",
    "/join",
    "/workflows",
    "/workflows/*path",
    "/executions",
    "/executions/*path",
    "/schedules",
    "/connectors",
    "/connectors/*path",
    "/settings",
    "/workspace/*path",
];

/// The page at each of [`ADDRESSES`].
pub fn application() -> Option<&'static File> {
    file("/index.html")
}

pub fn file(path: &str) -> Option<&'static File> {
    let at = FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
    FILES.get(at)
}

/// A plain page or what it loads, by its file name, with its content type.
pub fn page(name: &str) -> Option<(&'static str, &'static str)> {
    const HTML: &str = "text/html; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const STYLE: &str = "text/css; charset=utf-8";
    Some(match name {
        "docs.html" => (HTML, include_str!("pages/docs.html")),
        "docs.js" => (SCRIPT, include_str!("pages/docs.js")),
        "docs.css" => (STYLE, include_str!("pages/docs.css")),
        "resume.html" => (HTML, include_str!("pages/resume.html")),
        "style.css" => (STYLE, include_str!("pages/style.css")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{FILES, application, file};

    #[test]
    fn holds_the_application() {
        let page = application().expect("it is built");
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert!(!page.is_immutable());
    }

    #[test]
    fn finds_each_file_by_its_path() {
        for one in FILES {
            let found = file(one.path).expect("it is there");
            assert_eq!(found.path, one.path);
            assert!(
                found.gzip.is_none_or(|gzip| gzip.len() < found.bytes.len()),
                "{}",
                one.path
            );
        }
        assert!(file("/assets/nothing.js").is_none());
    }
}
