//! From what was seen of something that failed to what is likely the cause, in words that say what
//! to do.
//!
//! One table for each place where a cause shows itself: in how a process ended, in what it wrote,
//! in where it listens, and in what it answered.

/// How an instance ended, and what it wrote last.
#[derive(Clone, Copy, Debug, Default)]
pub struct End<'a> {
    /// `exit code 1`, `signal 9 (out of memory)`.
    pub how: &'a str,
    /// Oldest first.
    pub lines: &'a [String],
}

/// An answer that was not the wanted one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// What was asked for.
    pub path: &'a str,
    /// `http://HOST` of the request, with its port.
    pub origin: &'a str,
    /// Its HTTP status.
    pub status: u16,
    /// Where it sends us.
    pub location: Option<&'a str>,
}

/// Where an instance listens, though not where it was told to.
#[derive(Clone, Copy, Debug)]
pub struct Listening<'a> {
    /// What it was told in HOST.
    pub host: &'a str,
    /// What it was told in PORT.
    pub port: u16,
    /// Where it does.
    pub found: &'a [u16],
}

/// Texts in a line, in lower case, and what they are a sign of.
const SAID: [(&[&str], &str); 8] = [
    (
        &["eaddrinuse", "address already in use", "address in use"],
        "it wants a port that is taken: make it listen on the variable PORT only",
    ),
    (
        &["cannot find module", "modulenotfounderror", "err_module_not_found", "no module named"],
        "a module is missing: install its dependencies into the release",
    ),
    (
        &["error while loading shared libraries", "glibc_"],
        "a system library is missing or too old: build it for this machine, or link it statically",
    ),
    (&["exec format error"], "it is built for another processor: build it for this machine"),
    (
        &["no such file or directory", "enoent"],
        "a file is missing: see whether all it needs is sent",
    ),
    (
        &["permission denied", "eacces", "eperm", "operation not permitted"],
        "it may not do what it wants: see its files' modes and `user`",
    ),
    (
        &["econnrefused", "connection refused"],
        "something it needs refuses connections: see that its database and the like run and can be \
         reached from here",
    ),
    (
        &["out of memory", "cannot allocate memory", "enomem"],
        "it needs more memory: raise `limits.memory`, or make it need less",
    ),
];

/// Words of a line that complains of a variable.
const COMPLAINS: [&str; 10] = [
    "environment variable",
    "env var",
    "keyerror",
    "not set",
    "not defined",
    "is required",
    "must be set",
    "missing",
    "undefined",
    "notpresent",
];
/// Statuses, and what they are a sign of.
const ANSWERED: [(&[u16], &str); 5] = [
    (&[401, 403], "let it answer this path without a login"),
    (&[400, 421], "let it accept 127.0.0.1 as a host name"),
    (&[405], "it does not take this method here: use the one that it takes, or another path"),
    (&[429], "it refuses who asks often: let it answer requests from 127.0.0.1 without a limit"),
    (
        &[502, 503, 504],
        "something behind it does not answer, or it is still warming up: see its database and \
         the like",
    ),
];

/// Why a process ended as it did.
pub fn of_end(end: End<'_>) -> Option<String> {
    if end.how.contains("out of memory") {
        return Some(SAID[SAID.len() - 1].1.to_owned());
    }
    if end.how.contains("could not be executed") {
        return Some("check `command`: its program must be in the release or in PATH".to_owned());
    }
    of_lines(end.lines).or_else(|| {
        (end.how == "exit code 0").then(|| {
            "a service must keep running: see that it does not put itself in the background"
                .to_owned()
        })
    })
}

/// Why an instance that wrote this is in trouble.
pub fn of_lines(lines: &[String]) -> Option<String> {
    if let Some(name) = lines.iter().rev().find_map(|it| missing_variable(it)) {
        return Some(format!("it misses the variable {name}: set it in `env` or in an env file"));
    }
    let said = lines.join("\n").to_lowercase();
    let known = SAID.iter().find(|(texts, _)| texts.iter().any(|it| said.contains(it)));
    known.map(|(_, cause)| (*cause).to_owned())
}

/// The variable that a line says is missing.
fn missing_variable(line: &str) -> Option<&str> {
    let lower = line.to_lowercase();
    if !COMPLAINS.iter().any(|it| lower.contains(it)) {
        return None;
    }
    let of_variables = ["environment variable", "env var", "keyerror"];
    let certain = of_variables.iter().any(|it| lower.contains(it));
    let is_name = |it: &&str| {
        let first = it.bytes().next().is_some_and(|it| it.is_ascii_uppercase());
        let name = |it: u8| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_';
        // An underscore tells `DATABASE_URL` from `ERROR`; codes such as `ERR_X` are no variables.
        let telling = it.contains('_') || (certain && !["ERROR", "FATAL", "WARN"].contains(it));
        first && it.len() > 2 && it.bytes().all(name) && telling && !it.starts_with("ERR_")
    };
    line.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_')).find(is_name)
}

/// Why nobody is reached where an instance was told to listen.
pub fn of_listening(seen: Listening<'_>) -> String {
    let Listening { host, port, found } = seen;
    if found.contains(&port) {
        return format!(
            "it listens on port {port}, but not where {host} is answered: make it listen on the \
             variable HOST, or on 0.0.0.0"
        );
    }
    if found.is_empty() {
        return format!(
            "it listens on no port: make it listen on the variable PORT ({port}), or give it more \
             time by `start_timeout`"
        );
    }
    let others: Vec<String> = found.iter().map(u16::to_string).collect();
    format!(
        "it listens on {}, not on PORT {port}: make it read the variable PORT, or put `{{port}}` \
         into its command",
        others.join(", ")
    )
}

/// Why a connection to a port of a process that lives was refused or closed.
pub fn of_refusal(lives: bool) -> &'static str {
    if lives {
        "its process lives, and does not listen any more: see its last lines for what closed its \
         listener"
    } else {
        "its process has ended: see its last lines"
    }
}

/// Why an answer is not the wanted one.
pub fn of_answer(answer: Answer<'_>) -> Vec<String> {
    let mut causes: Vec<String> =
        answer.location.map(|it| of_redirect(answer, it)).into_iter().collect();
    if answer.status == 404 {
        causes.push(format!("see that it serves {}, or set another path", answer.path));
    }
    let known = ANSWERED.iter().find(|(statuses, _)| statuses.contains(&answer.status));
    causes.extend(known.map(|(_, cause)| (*cause).to_owned()));
    causes
}

fn of_redirect(answer: Answer<'_>, target: &str) -> String {
    let path = answer.path;
    let local = target.strip_prefix(answer.origin).unwrap_or(target);
    let bare = local.split('?').next().unwrap_or_default();
    if local == path {
        return format!("it sends {path} to itself: an endless redirect");
    }
    if bare.strip_suffix('/') == Some(path) {
        return format!("it wants a slash at the end: ask {local}");
    }
    if path.strip_suffix('/') == Some(bare) {
        return format!("it wants no slash at the end: ask {local}");
    }
    if target.starts_with("https:") {
        return "it insists on https: let it answer this path over plain http from 127.0.0.1"
            .to_owned();
    }
    if ["login", "signin", "sign-in", "auth"].iter().any(|it| bare.contains(it)) {
        return format!("it wants a login ({local}): let it answer this path without one");
    }
    format!("ask {target} itself: redirects are not followed")
}

/// Why an instance says that it is another version or commit than it was made of.
pub fn of_identity(what: &str, said: &str) -> String {
    format!(
        "the release holds content of {said}: build it before it is sent, see the file it reads \
         its {what} from, or let it read CUTOVER_{}",
        what.to_uppercase()
    )
}
