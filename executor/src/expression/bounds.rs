//! What is refused before the parser sees it: the parser, and dropping what it made, recurse as deep as a
//! template nests.
//!
//! One walk that cuts the text into tags where the library's grammar does. Where it could not know where the
//! grammar cuts, it refuses.

use handlebars::template::Parameter;

use super::CompileError;

/// How long a template may be, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// How deep blocks may nest, each `else if` being one; and how deep parentheses and literals may within a tag.
pub const MAX_DEPTH: usize = 32;

/// How many tags and brackets a template may have: the time to parse grows with their number times the length.
pub const MAX_TAGS: usize = 2_000;

pub fn check(text: &str) -> Result<(), CompileError> {
    check_within(text, MAX_DEPTH)
}

pub fn check_within(text: &str, most: usize) -> Result<(), CompileError> {
    if text.len() > MAX_LENGTH {
        return refuse(format!(
            "the template has {} bytes, more than {MAX_LENGTH}",
            text.len()
        ));
    }
    // The grammar looks for the end of such a run from each of its places.
    if text.contains(&"\\".repeat(33)) {
        return refuse("the template has more than 32 backslashes in a row");
    }
    let mut scanner = Scanner {
        text,
        at: 0,
        blocks: Vec::new(),
        depth: 0,
        most,
        tags: 0,
    };
    while scanner.find_tag() {
        scanner.tag()?;
    }
    Ok(())
}

fn refuse<T>(message: impl Into<String>) -> Result<T, CompileError> {
    Err(CompileError(message.into()))
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// How many levels each open block adds: one, and one for each of its `else if`.
    blocks: Vec<usize>,
    /// Their sum.
    depth: usize,
    /// How deep anything may get.
    most: usize,
    tags: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes past text to the next `{{` that is not escaped.
    fn find_tag(&mut self) -> bool {
        while let Some(found) = self.rest().find("{{") {
            let text = &self.rest()[..found];
            let backslashes = text.len() - text.trim_end_matches('\\').len();
            self.at += found;
            // One backslash escapes the braces; of several, each is text.
            if backslashes != 1 {
                return true;
            }
            self.at += if self.rest().starts_with("{{{{") { 4 } else { 2 };
        }
        false
    }

    fn count(&mut self) -> Result<(), CompileError> {
        self.tags += 1;
        if self.tags > MAX_TAGS {
            return refuse(format!("the template has more than {MAX_TAGS} tags and brackets"));
        }
        Ok(())
    }

    fn tag(&mut self) -> Result<(), CompileError> {
        self.count()?;
        if self.rest().starts_with("{{!") {
            return self.comment();
        }
        if self.rest().starts_with("{{{{") {
            return refuse("raw blocks `{{{{` are not supported; a backslash before `{{` makes it text");
        }
        self.at += 2;
        self.skip_space();
        if self.peek() == Some(b'~') {
            self.at += 1;
            self.skip_space();
        }
        match self.peek() {
            Some(b'#') => {
                self.at += 1;
                self.skip_space();
                if matches!(self.peek(), Some(b'>' | b'*')) {
                    return refuse("partials and decorators are not supported");
                }
                self.blocks.push(0);
                self.deepen()?;
            }
            Some(b'>' | b'*') => return refuse("partials and decorators are not supported"),
            Some(b'/') => {
                self.depth -= self.blocks.pop().unwrap_or_default();
            }
            Some(b'^') => self.inverse(1)?,
            // The third brace of `{{{`, or its other spelling.
            Some(b'{' | b'&') => self.at += 1,
            _ if self.rest().starts_with("else") => self.inverse(4)?,
            _ => {}
        }
        self.inside()
    }

    fn comment(&mut self) -> Result<(), CompileError> {
        self.at += 3;
        let inner = self.rest().trim_start_matches([' ', '\t', '\r', '\n']);
        let long = inner.strip_prefix("--").and_then(|inner| inner.find("--}}"));
        let end = match (long, self.rest().find("}}")) {
            (Some(end), _) => (self.rest().len() - inner.len()) + 2 + end + 4,
            (None, Some(end)) => end + 2,
            (None, None) => return refuse("a comment `{{!` does not end"),
        };
        self.at += end;
        Ok(())
    }

    /// `else` or `^`; where more follows, the library nests what comes next one level deeper.
    fn inverse(&mut self, length: usize) -> Result<(), CompileError> {
        self.at += length;
        let bare = self
            .rest()
            .trim_start_matches([' ', '\t', '\r', '\n', '~'])
            .starts_with("}}");
        if bare { Ok(()) } else { self.deepen() }
    }

    fn deepen(&mut self) -> Result<(), CompileError> {
        self.depth += 1;
        if let Some(block) = self.blocks.last_mut() {
            *block += 1;
        }
        if self.depth > self.most {
            return refuse(format!(
                "blocks nest deeper than {MAX_DEPTH} levels (each `else if` is one)"
            ));
        }
        Ok(())
    }

    /// Goes past the tag's end.
    fn inside(&mut self) -> Result<(), CompileError> {
        let mut depth = 0usize;
        // Where the word before the place of the walk begins, and whether it names what is called.
        let mut word = self.at;
        let mut names = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'}' if self.rest().starts_with("}}") => {
                    self.at += 2;
                    return Ok(());
                }
                b'(' => {
                    depth += 1;
                    if depth > self.most {
                        return refuse(format!("parentheses nest deeper than {MAX_DEPTH} levels"));
                    }
                    self.at += 1;
                    names = true;
                    word = self.at;
                    continue;
                }
                b' ' | b'\t' | b'\r' | b'\n' | b'~' => {
                    names &= self.at == word;
                    self.at += 1;
                    word = self.at;
                    continue;
                }
                b')' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b'"' | b'\'' => self.at = string_end(self.text, self.at)?,
                b'{' => self.at = literal_end(self.text, self.at)?.ok_or_else(unclosed)?,
                b'[' => self.bracket(word, names)?,
                b'=' | b'|' | b'}' | b',' => self.at += 1,
                // A character of a word: the word goes on.
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            names = false;
            word = self.at;
        }
        refuse("a tag `{{` does not end")
    }

    /// Past `[...]`: a key of a path, which ends at the first `]`, or a literal, which may hold some.
    fn bracket(&mut self, word: usize, names: bool) -> Result<(), CompileError> {
        self.count()?;
        let start = self.at;
        let before = &self.text[word..start];
        let in_path = before.ends_with(['.', '/', '@']);
        let number = before.strip_suffix('.').unwrap_or_default();
        if number.parse::<f64>().is_ok() {
            // `5.[`: the grammar takes `5.` for a number where a value may stand.
            return refuse("a path that begins with a number and a bracket needs `this.` before it");
        }
        // What is called is a path. Of a value, the grammar tries the literal first, and so must this.
        let in_path = in_path || (names && before.is_empty());
        if !in_path
            && let Some(end) = literal_end(self.text, start)?
            && matches!(
                Parameter::parse(&self.text[start..end]),
                Ok(Parameter::Literal(_))
            )
        {
            self.at = end;
            return Ok(());
        }
        self.at += self.rest().find(']').ok_or_else(unclosed)? + 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }
}

fn unclosed() -> CompileError {
    CompileError("a bracket does not end".into())
}

/// The place after the string that begins at `start`.
fn string_end(text: &str, start: usize) -> Result<usize, CompileError> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            byte if byte == bytes[start] => return Ok(at + 1),
            _ => {}
        }
        at += 1;
    }
    refuse("a string does not end")
}

/// The place after the array or object that begins at `start`, if it ends.
fn literal_end(text: &str, start: usize) -> Result<Option<usize>, CompileError> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => match string_end(text, at) {
                Ok(end) => {
                    at = end;
                    continue;
                }
                Err(_) => return Ok(None),
            },
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return refuse(format!("literals nest deeper than {MAX_DEPTH} levels"));
                }
            }
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(None)
}
