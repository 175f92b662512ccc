//! Literals of JavaScript: objects, lists, texts and numbers as they stand in a settings file.
//!
//! Nothing is run.  What is no literal (a call, a variable, a template that fills something in) is
//! refused at its place, because only running the file could say what it comes to.

use serde_json::{Map, Number, Value};
use std::{iter::Peekable, str::Chars};

/// Objects and lists within each other.
const DEPTH_MAX: usize = 32;

/// Where and why a file is more than literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotLiteral {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) why: String,
}

/// The value that the file exports: `module.exports = …`, `export default …`, or the value alone.
pub(crate) fn exported(text: &str) -> Result<Value, NotLiteral> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text.chars().peekable(), line: 1, column: 1 };
    reader.skip()?;
    reader.beginning()?;
    let value = reader.value(0)?;
    reader.skip()?;
    if reader.rest.peek() == Some(&';') {
        reader.next();
        reader.skip()?;
    }
    match reader.rest.peek() {
        None => Ok(value),
        Some(_) => Err(reader.refused("something follows the value that is exported")),
    }
}

struct Reader<'t> {
    rest: Peekable<Chars<'t>>,
    line: usize,
    column: usize,
}

impl Reader<'_> {
    /// All that may stand before the value.
    fn beginning(&mut self) -> Result<(), NotLiteral> {
        loop {
            match self.rest.peek() {
                Some('\'' | '"') => {
                    let directive = self.text()?;
                    if directive != "use strict" {
                        return Err(self.refused("a text stands alone"));
                    }
                    self.skip()?;
                    self.take(';');
                }
                Some(it) if it.is_ascii_alphabetic() => {
                    let word = self.word();
                    self.skip()?;
                    match word.as_str() {
                        "export" => {}
                        "default" => return self.skip(),
                        "module.exports" | "exports" => {
                            if !self.take('=') {
                                return Err(self.refused("only `module.exports = …` is read"));
                            }
                        }
                        _ => return Err(self.refused(&format!("`{word}` is no literal"))),
                    }
                }
                _ => return Ok(()),
            }
            self.skip()?;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, NotLiteral> {
        if depth > DEPTH_MAX {
            return Err(self.refused("it is nested too deep"));
        }
        self.skip()?;
        match self.rest.peek().copied() {
            Some('{') => self.object(depth),
            Some('[') => self.list(depth),
            Some('\'' | '"' | '`') => {
                let text = self.text()?;
                self.not_continued()?;
                Ok(Value::String(text))
            }
            Some(it) if it.is_ascii_digit() || it == '-' || it == '.' => self.number(),
            Some(it) if is_word(it) => self.named(),
            _ => Err(self.refused("a value is missing")),
        }
    }

    fn named(&mut self) -> Result<Value, NotLiteral> {
        let refused = |word: &str| format!("`{word}` is no literal: only running the file says");
        let (line, column) = (self.line, self.column);
        let word = self.word();
        let value = match word.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" | "undefined" => Value::Null,
            // Its own directory is where paths begin anyway.
            "__dirname" => Value::from("."),
            _ => return Err(NotLiteral { line, column, why: refused(&word) }),
        };
        self.not_continued()?;
        Ok(value)
    }

    /// `'a' + b`, `x || y` and the like are computed.
    fn not_continued(&mut self) -> Result<(), NotLiteral> {
        self.skip()?;
        match self.rest.peek() {
            None | Some(',' | ']' | '}' | ';' | ':') => Ok(()),
            Some(_) => Err(self.refused("this value is computed: only running the file says")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, NotLiteral> {
        self.next();
        let mut entries = Map::new();
        loop {
            self.skip()?;
            if self.take('}') {
                self.not_continued()?;
                return Ok(Value::Object(entries));
            }
            let key = match self.rest.peek().copied() {
                Some('\'' | '"') => self.text()?,
                Some(it) if is_word(it) => self.word(),
                _ => return Err(self.refused("a key is missing, or computed")),
            };
            self.skip()?;
            if !self.take(':') {
                return Err(self.refused(&format!("`{key}` has no value of its own")));
            }
            entries.insert(key, self.value(depth + 1)?);
            self.skip()?;
            if !self.take(',') && self.rest.peek() != Some(&'}') {
                return Err(self.refused("a `,` or `}` is missing"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, NotLiteral> {
        self.next();
        let mut items = Vec::new();
        loop {
            self.skip()?;
            if self.take(']') {
                self.not_continued()?;
                return Ok(Value::Array(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip()?;
            if !self.take(',') && self.rest.peek() != Some(&']') {
                return Err(self.refused("a `,` or `]` is missing"));
            }
        }
    }

    fn number(&mut self) -> Result<Value, NotLiteral> {
        let (line, column) = (self.line, self.column);
        let mut text = String::new();
        while let Some(it) = self
            .rest
            .peek()
            .copied()
            .filter(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '+' | '_'))
        {
            self.next();
            text.push(it);
        }
        self.not_continued()?;
        let text = text.replace('_', "");
        let whole = text.parse::<i64>().ok().map(Number::from);
        let read = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
        let why = format!("`{text}` is not read as a number");
        read.map(Value::Number).ok_or(NotLiteral { line, column, why })
    }

    /// Between quotation marks of whatever kind.
    fn text(&mut self) -> Result<String, NotLiteral> {
        let mark = self.next().unwrap_or('"');
        let mut out = String::new();
        loop {
            let Some(it) = self.next() else {
                return Err(self.refused("a text does not end"));
            };
            match it {
                _ if it == mark => return Ok(out),
                '\n' if mark != '`' => return Err(self.refused("a text does not end")),
                '$' if mark == '`' && self.rest.peek() == Some(&'{') => {
                    return Err(self.refused("a template fills something in"));
                }
                '\\' => out.extend(self.escape()?),
                _ => out.push(it),
            }
        }
    }

    fn escape(&mut self) -> Result<Option<char>, NotLiteral> {
        Ok(Some(match self.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('u' | 'x') => return Err(self.refused("escapes by number are not read")),
            // The line goes on.
            Some('\n') => return Ok(None),
            Some(it) => it,
            None => return Err(self.refused("a text does not end")),
        }))
    }

    fn word(&mut self) -> String {
        let mut out = String::new();
        while let Some(it) = self.rest.peek().copied().filter(|it| is_word(*it) || *it == '.') {
            self.next();
            out.push(it);
        }
        out
    }

    /// Blanks and comments.
    fn skip(&mut self) -> Result<(), NotLiteral> {
        loop {
            match self.rest.peek() {
                Some(it) if it.is_whitespace() => {
                    self.next();
                }
                Some('/') => {
                    self.next();
                    match self.next() {
                        Some('/') => while self.next().is_some_and(|it| it != '\n') {},
                        Some('*') => self.skip_block()?,
                        _ => return Err(self.refused("a `/` stands alone")),
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn skip_block(&mut self) -> Result<(), NotLiteral> {
        let mut last = ' ';
        loop {
            match self.next() {
                Some('/') if last == '*' => return Ok(()),
                Some(it) => last = it,
                None => return Err(self.refused("a comment does not end")),
            }
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest.peek() == Some(&wanted);
        if found {
            self.next();
        }
        found
    }

    fn next(&mut self) -> Option<char> {
        let it = self.rest.next()?;
        if it == '\n' {
            (self.line, self.column) = (self.line + 1, 1);
        } else {
            self.column += 1;
        }
        Some(it)
    }

    fn refused(&self, why: &str) -> NotLiteral {
        NotLiteral { line: self.line, column: self.column, why: why.to_owned() }
    }
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_' || it == '$'
}

#[cfg(test)]
mod tests {
    use super::exported;
    use serde_json::json;

    #[test]
    fn literals_are_read() {
        let text = "'use strict';\n// ours\nmodule.exports = {\n  apps: [{ name: 'web', 'x-y': \
                    \"a\\'b\", n: 1_000, f: -1.5, t: true, /* no */ u: undefined, d: __dirname, \
                    s: `plain`, }, ],\n};\n";
        let expected = json!({ "apps": [{
            "name": "web", "x-y": "a'b", "n": 1000, "f": -1.5, "t": true, "u": null, "d": ".",
            "s": "plain",
        }] });
        assert_eq!(exported(text).unwrap(), expected);
        assert_eq!(exported("export default [1]").unwrap(), json!([1]));
        assert_eq!(exported("{\"a\": [\"b\"]}").unwrap(), json!({ "a": ["b"] }));
    }

    #[test]
    fn what_must_be_run_is_refused_at_its_place() {
        for (text, line, column, part) in [
            ("module.exports = {\n  a: process.env.X,\n}", 2, 6, "`process.env.X`"),
            ("module.exports = { a: 'x' + y }", 1, 27, "computed"),
            ("module.exports = { a: `${x}` }", 1, 25, "template"),
            ("const a = 1;\nmodule.exports = {}", 1, 7, "`const`"),
            ("module.exports = { ...base }", 1, 20, "key"),
            ("module.exports = { a }", 1, 22, "no value"),
            ("module.exports = { a: [1 2] }", 1, 26, "computed"),
            ("module.exports = {} + 1", 1, 21, "computed"),
            ("module.exports = { a: 'b", 1, 25, "end"),
            ("/* ", 1, 4, "end"),
            ("", 1, 1, "missing"),
        ] {
            let found = exported(text).unwrap_err();
            assert_eq!((found.line, found.column), (line, column), "{text}: {}", found.why);
            assert!(found.why.contains(part), "{text}: {}", found.why);
        }
        assert!(exported(&"[".repeat(100_000)).is_err());
    }
}
