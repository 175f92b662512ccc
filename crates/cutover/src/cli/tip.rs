//! What to try instead, where the arguments are not understood.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Options that stand before the verb.
const GLOBAL: [&str; 8] =
    ["--json", "--root", "--no-color", "--file", "-q", "--quiet", "-v", "--verbose"];

/// A sentence; none where the error says it all.
pub fn of(error: &clap::Error, args: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let name = argument.split(['=', ' ']).next().unwrap_or_default();
    let global = GLOBAL.contains(&name);
    let after_verb = args.iter().skip(1).any(|it| !it.to_string_lossy().starts_with('-'));
    (global && after_verb).then(|| format!("`{name}` stands before the verb: `cutover {name} …`"))
}
