//! Places where a test makes the process die, as if it had been killed there. A release
//! build has none.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Fault {
    name: String,
    /// Passes that are left until it dies.
    left: AtomicU32,
}

static FAULT: OnceLock<Option<Fault>> = OnceLock::new();

/// Aborts when `FLOWMATIC_FAULT` is `<name>`, or `<name>:<n>` at the n-th pass.
pub fn point(name: &str) {
    if cfg!(not(debug_assertions)) {
        return;
    }
    let fault = FAULT.get_or_init(|| parse(&std::env::var("FLOWMATIC_FAULT").ok()?));
    if let Some(fault) = fault
        && fault.name == name
        && fault.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}

fn parse(text: &str) -> Option<Fault> {
    let (name, left) = match text.split_once(':') {
        Some((name, count)) => (name, count.parse().ok().filter(|count| *count > 0)?),
        None => (text, 1),
    };
    Some(Fault {
        name: name.to_owned(),
        left: AtomicU32::new(left),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_passes() {
        for (text, name, left) in [
            ("recovery", "recovery", 1),
            ("after_accept_commit:3", "after_accept_commit", 3),
        ] {
            let fault = parse(text).expect(text);
            assert_eq!((fault.name.as_str(), fault.left.into_inner()), (name, left));
        }
        assert!(parse("recovery:0").is_none());
        assert!(parse("recovery:often").is_none());
    }
}
