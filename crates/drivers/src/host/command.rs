//! A program, its arguments, and the bounds it runs in.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf, time::Duration};

/// Bytes of each of stdout and stderr that are kept, unless it is said otherwise.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// One argument.
#[derive(Clone, PartialEq, Eq)]
pub enum Arg {
    /// Shown as it is.
    Plain(OsString),
    /// Never shown.
    Secret(OsString),
}

impl fmt::Debug for Arg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Plain(value) => value.fmt(formatter),
            Arg::Secret(_) => formatter.write_str("[secret]"),
        }
    }
}

impl<T: Into<OsString>> From<T> for Arg {
    fn from(value: T) -> Arg {
        Arg::Plain(value.into())
    }
}

/// A program to run.  It inherits no variable: its environment is what is said here, and a search
/// path, `LANG` and `HOME` where they are not.
#[derive(Clone)]
pub struct Command {
    /// A path, or a name that is looked for in `PATH`.
    pub program: OsString,
    /// In this order.
    pub arguments: Vec<Arg>,
    /// Values are never shown: they may be secret.
    pub environment: BTreeMap<String, String>,
    /// None: `/`.
    pub directory: Option<PathBuf>,
    /// User and group, where it shall not run as we do.
    pub user: Option<(u32, u32)>,
    /// Then it is killed, with its group.
    pub time_limit: Duration,
    /// Of each of stdout and stderr; the rest is dropped.
    pub output_bytes_max: usize,
}

impl Command {
    /// The program with these arguments, within `time_limit`.
    pub fn new(program: impl Into<OsString>, time_limit: Duration) -> Command {
        Command {
            program: program.into(),
            arguments: vec![],
            environment: BTreeMap::new(),
            directory: None,
            user: None,
            time_limit,
            output_bytes_max: OUTPUT_BYTES_MAX,
        }
    }

    /// The same, with one more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<Arg>) -> Command {
        self.arguments.push(argument.into());
        self
    }

    /// The same, with more arguments.
    #[must_use]
    pub fn arguments<T: Into<Arg>>(mut self, arguments: impl IntoIterator<Item = T>) -> Command {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The same, with one more variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Command {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// As it is shown in errors: without secrets, and cut.
    pub fn shown(&self) -> String {
        const SHOWN_CHARACTERS_MAX: usize = 400;
        let mut text = self.program.to_string_lossy().into_owned();
        for argument in &self.arguments {
            text.push(' ');
            match argument {
                Arg::Plain(value) => text.push_str(&value.to_string_lossy()),
                Arg::Secret(_) => text.push_str("[secret]"),
            }
        }
        if text.chars().count() > SHOWN_CHARACTERS_MAX {
            text = text.chars().take(SHOWN_CHARACTERS_MAX).chain("…".chars()).collect();
        }
        text
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Command").field(&self.shown()).finish()
    }
}
