//! Env files: `NAME=value` lines with quotes, comments and `export`.
//!
//! Nothing is expanded: `$NAME` and backquotes in a value are text.  No message repeats a value.

pub mod edit;

use crate::{
    problem::{Problem, Severity},
    variables::{Reserved, is_variable_name, reserved},
};
use std::{collections::HashMap, iter::Peekable, str::Chars};

/// Variables of one file; more is no env file.
const ENTRIES_MAX: usize = 10_000;

/// Problems of one file that are kept.
const PROBLEMS_MAX: usize = 100;

/// One variable.  It has no `Debug`, because its value is secret.
#[derive(Clone)]
pub struct EnvEntry {
    /// Letters, digits and `_`.
    pub name: String,
    /// Quotes and escapes taken away.
    pub value: String,
    /// Of the name, counted from 1.
    pub line: u32,
    /// Of the name, in characters, counted from 1.
    pub column: u32,
}

/// Reads the whole text.  Of a name that is set twice the last value counts, and that is reported
/// as a warning; all else is an error.
pub fn parse(file: &str, text: &str) -> (Vec<EnvEntry>, Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser {
        file,
        rest: text.chars().peekable(),
        line: 1,
        column: 1,
        entries: Vec::new(),
        lines: HashMap::new(),
        problems: Vec::new(),
    };
    while parser.rest.peek().is_some() {
        if parser.entries.len() >= ENTRIES_MAX || parser.problems.len() >= PROBLEMS_MAX {
            let (line, column) = (parser.line, parser.column);
            let message = "the file is not read any further: too many variables or problems";
            parser.report(Severity::Error, line, column, message, "is it an env file?");
            break;
        }
        if parser.statement().is_none() {
            parser.skip_line();
        }
    }
    (parser.entries, parser.problems)
}

struct Parser<'t> {
    file: &'t str,
    rest: Peekable<Chars<'t>>,
    line: u32,
    column: u32,
    entries: Vec<EnvEntry>,
    lines: HashMap<String, u32>,
    problems: Vec<Problem>,
}

impl Parser<'_> {
    /// One line, or more if a double-quoted value goes on.  None: the rest of the line is skipped.
    fn statement(&mut self) -> Option<()> {
        self.skip_blanks();
        match self.rest.peek() {
            None | Some('\n' | '#') => {
                self.skip_line();
                return Some(());
            }
            _ => {}
        }
        let (mut line, mut column) = (self.line, self.column);
        let mut name = self.word();
        if name == "export" && matches!(self.rest.peek(), Some(' ' | '\t')) {
            self.skip_blanks();
            (line, column) = (self.line, self.column);
            name = self.word();
        }
        self.skip_blanks();
        if self.rest.peek() != Some(&'=') {
            // The word may be the rest of a value that was broken over lines: it is not shown.
            let hint = "write `NAME=value`; a value of several lines stands in double quotes";
            self.report(Severity::Error, line, column, "this is not `NAME=value`", hint);
            return None;
        }
        self.next();
        self.skip_blanks();
        let value = match self.rest.peek() {
            Some(&quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.bare(),
        };
        self.accept(name, value, line, column);
        Some(())
    }

    fn accept(&mut self, name: String, value: String, line: u32, column: u32) {
        let refused = if !is_variable_name(&name) {
            Some((
                "the name of a variable is letters, digits and `_`, not led by a digit".into(),
                "",
            ))
        } else if reserved(&name) == Some(Reserved::Identity) {
            let message = format!("`{name}` is set for each instance and cannot be given");
            Some((message, "remove the line"))
        } else if value.contains('\0') {
            Some((format!("the value of `{name}` contains a NUL character"), "remove it"))
        } else {
            None
        };
        if let Some((message, hint)) = refused {
            self.report(Severity::Error, line, column, message, hint);
            return;
        }
        if let Some(first) = self.lines.insert(name.clone(), line) {
            let message = format!("`{name}` is set twice: line {first} is overridden here");
            self.report(Severity::Warning, line, column, message, "keep one of the two");
            self.entries.retain(|it| it.name != name);
        }
        self.entries.push(EnvEntry { name, value, line, column });
    }

    /// Everything up to `=`, a blank or the end of the line.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(&character) = self.rest.peek() {
            if matches!(character, '=' | ' ' | '\t' | '\n' | '\r') {
                break;
            }
            word.push(character);
            self.next();
        }
        word
    }

    /// To the end of the line, or to a `#` after a blank.
    fn bare(&mut self) -> String {
        let mut value = String::new();
        while let Some(&character) = self.rest.peek() {
            let comment = character == '#' && (value.is_empty() || value.ends_with([' ', '\t']));
            if character == '\n' || comment {
                break;
            }
            value.push(character);
            self.next();
        }
        self.skip_line();
        value.truncate(value.trim_end().len());
        value
    }

    /// What stands between quotation marks; only the double ones know escapes and go over lines.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let (line, column) = (self.line, self.column);
        self.next();
        let mut value = String::new();
        loop {
            match self.next() {
                Some(character) if character == quote => break,
                Some('\\') if quote == '"' => value.push_str(&self.escape()),
                Some('\r') if self.rest.peek() == Some(&'\n') => {}
                Some('\n') if quote == '\'' => {
                    let hint = "close it on this line; only `\"` goes over several lines";
                    self.report(Severity::Error, line, column, "this `'` is left open", hint);
                    return Some(String::new());
                }
                Some(character) => value.push(character),
                None => {
                    let hint = "close it where the value ends";
                    let message = "this quotation mark is left open";
                    self.report(Severity::Error, line, column, message, hint);
                    return None;
                }
            }
        }
        self.skip_blanks();
        let (line, column) = (self.line, self.column);
        if !matches!(self.rest.peek(), None | Some('\n' | '#')) {
            let hint =
                "put quotation marks around the whole value, and write those within as `\\\"`";
            let message = "something follows the closing quotation mark";
            self.report(Severity::Error, line, column, message, hint);
        }
        self.skip_line();
        Some(value)
    }

    /// What follows a `\`; an escape that is none stays as it is.
    fn escape(&mut self) -> String {
        match self.next() {
            Some('n') => "\n".to_owned(),
            Some('r') => "\r".to_owned(),
            Some('t') => "\t".to_owned(),
            Some(plain @ ('\\' | '"' | '$' | '\'' | '`')) => plain.to_string(),
            Some('\n') => String::new(),
            Some(other) => format!("\\{other}"),
            None => "\\".to_owned(),
        }
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        if character == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(character)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.rest.peek(), Some(' ' | '\t' | '\r')) {
            self.next();
        }
    }

    fn skip_line(&mut self) {
        while let Some(character) = self.next() {
            if character == '\n' {
                break;
            }
        }
    }

    fn report(
        &mut self,
        severity: Severity,
        line: u32,
        column: u32,
        message: impl Into<String>,
        hint: &str,
    ) {
        self.problems.push(Problem {
            rule: None,
            file: self.file.to_owned(),
            line,
            column,
            length: 1,
            path: String::new(),
            severity,
            message: message.into(),
            suggestion: (!hint.is_empty()).then(|| hint.to_owned()),
            excerpt: None,
        });
    }
}
