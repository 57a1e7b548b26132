//! The helpers that an expression may call.
//!
//! Each is a line of a table: its name, its arguments, how many, what it gives, and the function. A helper
//! asks for its arguments one by one, so one that it does not ask for is not evaluated.

mod date;
mod encode;
mod list;
mod logic;
mod number;
mod object;
mod text;

pub use logic::is_equal;

use super::CompileError;
use super::arguments::Arguments;
use super::evaluate::Outcome;

/// A function for expressions.
#[derive(Debug)]
pub struct Helper {
    pub name: &'static str,
    /// The names of its arguments; `?` marks one that may be left out, `...` the last that may repeat.
    pub arguments: &'static str,
    /// How many arguments it takes, at least and at most.
    pub(super) least: usize,
    most: usize,
    /// What it gives, in one line.
    pub about: &'static str,
    pub(super) run: for<'f, 's> fn(Arguments<'f, 's>) -> Outcome<'s>,
}

/// As many arguments as one likes.
const MANY: usize = usize::MAX;

const TABLES: [&[Helper]; 7] = [
    logic::HELPERS,
    number::HELPERS,
    text::HELPERS,
    list::HELPERS,
    object::HELPERS,
    date::HELPERS,
    encode::HELPERS,
];

/// All helpers, by group.
pub fn all() -> impl Iterator<Item = &'static Helper> {
    TABLES.into_iter().flatten()
}

pub(super) fn find(name: &str) -> Option<&'static Helper> {
    all().find(|helper| helper.name == name)
}

impl Helper {
    pub(super) fn check_count(&self, count: usize, named: usize) -> Result<(), CompileError> {
        let Self {
            name,
            arguments,
            least,
            most,
            ..
        } = *self;
        if named > 0 && name != "object" {
            return Err(CompileError(format!("`{name}` takes no named arguments")));
        }
        if (least..=most).contains(&count) {
            return Ok(());
        }
        Err(CompileError(format!(
            "`{name}` takes other arguments: `{name} {arguments}`"
        )))
    }
}

pub(super) fn unknown(name: &str) -> CompileError {
    let near: Vec<String> = all()
        .filter(|helper| distance(helper.name, name) <= 2)
        .map(|helper| format!("`{}`", helper.name))
        .collect();
    let hint = if near.is_empty() {
        String::new()
    } else {
        format!("; there is {}", near.join(", "))
    };
    CompileError(format!(
        "there is no helper `{}`{hint}",
        super::arguments::excerpt(name)
    ))
}

/// How many letters differ, by Levenshtein.
fn distance(one: &str, other: &str) -> usize {
    if one.len().abs_diff(other.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let least = (before + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            before = std::mem::replace(&mut row[j + 1], least);
        }
    }
    row[other.len()]
}

/// One line of a table.
const fn helper(
    name: &'static str,
    arguments: &'static str,
    (least, most): (usize, usize),
    about: &'static str,
    run: for<'f, 's> fn(Arguments<'f, 's>) -> Outcome<'s>,
) -> Helper {
    Helper {
        name,
        arguments,
        least,
        most,
        about,
        run,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    const BEGIN: &str = "<!-- helpers: written by UPDATE=1 cargo test -p flowmatic-executor -->\n";
    const END: &str = "<!-- end -->";

    #[test]
    fn the_readme_lists_every_helper() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = fs::read_to_string(file).expect("the README is there");
        let (before, rest) = readme
            .split_once(BEGIN)
            .expect("it marks where the helpers begin");
        let (_, after) = rest.split_once(END).expect("it marks where the helpers end");
        let rows = super::all().map(|helper| {
            let call = format!("{} {}", helper.name, helper.arguments);
            format!("| `{}` | {} |\n", call.trim(), helper.about.replace('|', "\\|"))
        });
        let table = format!(
            "\n| helper | what it gives |\n|---|---|\n{}\n",
            rows.collect::<String>()
        );
        let fresh = format!("{before}{BEGIN}{table}{END}{after}");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(file, &fresh).expect("the README can be written");
        }
        assert!(
            readme == fresh || std::env::var_os("UPDATE").is_some(),
            "the README's table is stale: run UPDATE=1 cargo test -p flowmatic-executor"
        );
    }
}
