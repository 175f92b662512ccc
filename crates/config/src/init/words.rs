//! Lines that start a program, made into program and arguments.

use crate::argv::needs_shell;

/// Options whose value is a port.
const PORT_OPTIONS: [&str; 5] = ["--port", "-p", "--http-port", "-P", "--PORT"];

/// Options whose value is an address with a port.
const ADDRESS_OPTIONS: [&str; 6] = ["--bind", "-b", "--listen", "-l", "--addr", "--address"];

/// A line as a program would be started without a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// `NAME=value` before the program.
    pub(super) env: Vec<(String, String)>,
    pub(super) words: Vec<String>,
    /// A port that was fixed, and is `{port}` now.
    pub(super) port: Option<String>,
}

/// None: the line needs a shell.
pub(super) fn line(text: &str) -> Option<Line> {
    let text = text.trim();
    let filled = text.replace("${PORT}", "{port}").replace("$PORT", "{port}");
    if filled.is_empty() || needs_shell(without_assignments(&filled)).is_some() {
        return None;
    }
    let mut words = shlex::split(&filled)?;
    let mut env = Vec::new();
    while let Some(word) = words.first() {
        if matches!(word.as_str(), "cross-env" | "env" | "exec") {
            words.remove(0);
            continue;
        }
        let Some((name, value)) = word.split_once('=') else { break };
        if !crate::variables::is_variable_name(name) {
            break;
        }
        env.push((name.to_owned(), value.to_owned()));
        words.remove(0);
    }
    let assigned = env.iter().find(|(name, _)| name == "PORT").map(|(_, value)| value.clone());
    env.retain(|(name, _)| name != "PORT");
    let fixed = free_port(&mut words);
    let program = !words.is_empty();
    program.then_some(Line { env, words, port: fixed.or(assigned) })
}

/// The rest after `NAME=value`, which a shell would take away too.
fn without_assignments(text: &str) -> &str {
    let mut rest = text;
    loop {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = word.split_once('=').map(|it| it.0);
        let plain = !word.contains(['\'', '"', '$', '`', '\\', ';', '|', '&', '<', '>', '(']);
        if !plain || !name.is_some_and(crate::variables::is_variable_name) {
            return rest;
        }
        rest = after.trim_start();
    }
}

/// Puts `{port}` where a port is fixed; gives the one that was.
pub(super) fn free_port(words: &mut [String]) -> Option<String> {
    let mut found = None;
    for index in 1..words.len() {
        let (name, joined) = match words[index].split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (words[index].clone(), None),
        };
        let is_address = ADDRESS_OPTIONS.contains(&name.as_str());
        if !is_address && !PORT_OPTIONS.contains(&name.as_str()) {
            continue;
        }
        let at = if joined.is_some() { index } else { index + 1 };
        let Some(value) = joined.clone().or_else(|| words.get(at).cloned()) else { continue };
        let (host, port) = value.rsplit_once(':').unwrap_or(("", &value));
        let digits = !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
        // `-p 4` is rather a number of processes.
        if !digits || !(name.starts_with("--") || port.len() >= 2) {
            continue;
        }
        let freed = match value.contains(':') {
            // From outside it is reached by the proxy only.
            true if matches!(host, "" | "0.0.0.0" | "[::]" | "*") => "127.0.0.1:{port}".to_owned(),
            true => format!("{host}:{{port}}"),
            false => "{port}".to_owned(),
        };
        words[at] = if joined.is_some() { format!("{name}={freed}") } else { freed };
        found = Some(port.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::line;

    fn read(text: &str) -> Option<(String, Option<String>)> {
        line(text).map(|it| (it.words.join(" "), it.port))
    }

    #[test]
    fn lines_become_programs() {
        for (text, words, port) in [
            ("node server.js", "node server.js", None),
            ("NODE_ENV=production PORT=80 node a.js", "node a.js", Some("80")),
            ("cross-env A=b next start -p 3000", "next start -p {port}", Some("3000")),
            ("bin/web --port=$PORT", "bin/web --port={port}", None),
            ("bin/web --port=8080", "bin/web --port={port}", Some("8080")),
            (
                "gunicorn -b 0.0.0.0:8000 app:app",
                "gunicorn -b 127.0.0.1:{port} app:app",
                Some("8000"),
            ),
            ("exec puma -p 4", "puma -p 4", None),
        ] {
            let found = read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(found, (words.to_owned(), port.map(str::to_owned)), "{text}");
        }
        for text in ["a && b", "a | b", "", "A=b", "a > b", "echo `x`", "a $HOME"] {
            assert_eq!(read(text), None, "{text}");
        }
        let env = line("NODE_ENV=production node x").map(|it| it.env);
        assert_eq!(env, Some(vec![("NODE_ENV".to_owned(), "production".to_owned())]));
    }
}
