//! What a command says of the program that it starts.

use super::{Around, beside, routed};
use crate::{draft::service::ServiceDraft, problem::Severity, report::Report};

/// Programs that run another as their child, and do not reliably hand signals on.
const RUNNERS: [&str; 7] = ["npm", "npx", "yarn", "pnpm", "pnpx", "bunx", "corepack"];

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "ksh"];

/// Options whose value is a port, or ends with one.
const PORT_OPTIONS: [&str; 11] = [
    "--port",
    "-p",
    "-P",
    "--http-port",
    "--listen",
    "-l",
    "--bind",
    "-b",
    "--addr",
    "--address",
    "-S",
];

/// Below it `-p 4` is rather a number of processes.
const PORT_LIKELY_MIN: u16 = 80;

/// Programs, and the word by which they serve for development; `""`: they always do.
const DEVELOPMENT: [(&str, &str); 24] = [
    ("nodemon", ""),
    ("ts-node-dev", ""),
    ("webpack-dev-server", ""),
    ("air", ""),
    ("next", "dev"),
    ("nuxt", "dev"),
    ("astro", "dev"),
    ("remix", "dev"),
    ("gatsby", "develop"),
    ("webpack", "serve"),
    ("react-scripts", "start"),
    ("vue-cli-service", "serve"),
    ("ng", "serve"),
    ("nest", "--watch"),
    ("node", "--watch"),
    ("tsx", "watch"),
    ("flask", "run"),
    ("fastapi", "dev"),
    ("manage.py", "runserver"),
    ("uvicorn", "--reload"),
    ("gunicorn", "--reload"),
    ("cargo", "run"),
    ("cargo", "watch"),
    ("artisan", "serve"),
];

pub(super) fn lint(service: &ServiceDraft, around: &Around<'_>, report: &mut Report) {
    let Some(command) = &service.command else { return };
    let script = script(&command.value);
    let inner = script.as_deref().and_then(shlex::split);
    let words = inner.as_ref().unwrap_or(&command.value);
    let started = Started::of(words);
    let mut warn = |rule, message: String, hint: &str| {
        report.lint(rule, Severity::Warning, command.place, &command.path, message).hint(hint);
    };
    if let Some(runner) = RUNNERS.iter().find(|it| **it == started.runner) {
        warn(
            "npm-first",
            format!("`{runner}` stands between the program and its stop signal"),
            "start the program itself, such as `[node, server.js]`",
        );
    }
    if let Some(script) = &script
        && !script.trim_start().starts_with("exec ")
    {
        warn(
            "shell-first",
            "the shell keeps the stop signal from the program that it starts".to_owned(),
            "give program and arguments, or begin the script with `exec `",
        );
    }
    if let Some(word) = background(&started, script.as_deref()) {
        warn(
            "background",
            format!("`{word}` goes to the background: the end of the program is not seen"),
            "run it in the foreground: it is restarted, and its output kept, from outside",
        );
    }
    if let Some((program, word)) = development(&started) {
        warn(
            "dev-server",
            format!("`{}` serves for development", [program, word].join(" ").trim_end()),
            "start what is made for production, such as `next start` or `gunicorn`",
        );
    }
    if let Some(port) = started.port()
        && collides(service, around)
    {
        warn(
            "command-port",
            format!("the command names port {port}, and each instance is given its own in PORT"),
            &format!("write `{{port}}` for `{port}`"),
        );
    }
}

/// Whether a port within the command is one too many.
fn collides(service: &ServiceDraft, around: &Around<'_>) -> bool {
    if service.port.is_some() {
        // It is said of that key where it does not fit.
        return false;
    }
    beside(service) || around.copies > 1 || routed(service)
}

/// What a shell is given to run.
fn script(words: &[String]) -> Option<String> {
    let (program, rest) = words.split_first()?;
    if !SHELLS.contains(&base(program)) {
        return None;
    }
    let at = rest.iter().position(|it| it.starts_with('-') && it.ends_with('c'))?;
    rest.get(at + 1).cloned()
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// A command, once what only leads to its program is taken away.
struct Started<'w> {
    /// Of the words as they are given, the first that is a program.
    runner: &'w str,
    /// `NAME=value` before the program.
    assignments: Vec<&'w str>,
    program: &'w str,
    arguments: Vec<&'w str>,
}

impl<'w> Started<'w> {
    fn of(words: &'w [String]) -> Started<'w> {
        let mut rest: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut assignments = Vec::new();
        let mut runner = "";
        while let Some(first) = rest.first().copied() {
            let name = base(first);
            let skipped = match (name, rest.get(1).copied().unwrap_or_default()) {
                ("env" | "exec" | "nice" | "cross-env" | "dotenv", _) => 1,
                ("poetry" | "uv" | "pipenv", "run") | ("bundle" | "npm", "exec") => 2,
                ("npx" | "bunx" | "pnpx", _) => 1,
                ("python" | "python3", "-m") => 2,
                ("python" | "python3" | "php", script)
                    if script.ends_with(".py") || script.ends_with("artisan") =>
                {
                    1
                }
                _ if is_assignment(first) => {
                    assignments.push(first);
                    rest.remove(0);
                    continue;
                }
                _ => 0,
            };
            if runner.is_empty() && !matches!(name, "env" | "exec") {
                runner = name;
            }
            if skipped == 0 {
                break;
            }
            rest.drain(..skipped.min(rest.len()));
        }
        let program = rest.first().map_or("", |it| base(it));
        let arguments = rest.get(1..).unwrap_or_default().to_vec();
        Started { runner, assignments, program, arguments }
    }

    fn has(&self, word: &str) -> bool {
        self.arguments.iter().any(|it| *it == word || it.starts_with(&format!("{word}=")))
    }

    /// The port that is named, whatever the way.
    fn port(&self) -> Option<u16> {
        let assigned = self.assignments.iter().find_map(|it| port(it.strip_prefix("PORT=")?));
        assigned.or_else(|| self.option_port()).or_else(|| self.positional_port())
    }

    fn option_port(&self) -> Option<u16> {
        let mut words = self.arguments.iter().peekable();
        while let Some(word) = words.next() {
            let (name, joined) = word.split_once('=').map_or((*word, None), |(a, b)| (a, Some(b)));
            if !PORT_OPTIONS.contains(&name) {
                continue;
            }
            let value = joined.or_else(|| words.peek().map(|it| **it));
            let likely = |it: &u16| name.starts_with("--") || *it >= PORT_LIKELY_MIN;
            if let Some(found) = value.and_then(port).filter(likely) {
                return Some(found);
            }
        }
        None
    }

    /// Some take it as a bare word.
    fn positional_port(&self) -> Option<u16> {
        let bare = ["http.server", "runserver"];
        let at = self.arguments.iter().position(|it| bare.contains(it));
        let after = match at {
            Some(at) => &self.arguments[at + 1..],
            None if bare.contains(&self.program) => &self.arguments,
            None => return None,
        };
        after.iter().find_map(|it| port(it))
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| crate::variables::is_variable_name(name))
}

/// `3000`, `:3000`, `127.0.0.1:3000`, `tcp://0.0.0.0:3000`.
fn port(text: &str) -> Option<u16> {
    let last = text.rsplit(':').next()?;
    let digits = !last.is_empty() && last.bytes().all(|it| it.is_ascii_digit());
    last.parse().ok().filter(|it| digits && *it > 0)
}

fn development(started: &Started<'_>) -> Option<(&'static str, &'static str)> {
    if RUNNERS.contains(&started.program) && (started.has("dev") || started.has("run:dev")) {
        return Some(("npm run", "dev"));
    }
    // Alone, or told to serve: `vite build` ends by itself.
    if started.program == "vite" && !started.has("build") {
        return Some(("vite", ""));
    }
    if started.program == "php" && started.has("-S") {
        return Some(("php", "-S"));
    }
    let fits = |(program, word): &&(&str, &str)| {
        *program == started.program && (word.is_empty() || started.has(word))
    };
    DEVELOPMENT.iter().find(fits).copied()
}

fn background<'w>(started: &Started<'w>, script: Option<&str>) -> Option<&'w str> {
    if script.is_some_and(|it| it.trim_end().ends_with('&')) {
        return Some("&");
    }
    let options: &[&str] = match started.program {
        "nohup" | "start-stop-daemon" | "systemctl" | "setsid" => return Some(started.program),
        "gunicorn" | "uwsgi" => &["--daemon", "-D", "--daemonize"],
        "celery" => &["--detach", "-D"],
        "docker" | "podman" => &["-d", "--detach"],
        "pm2" | "forever" => &["start"],
        _ => &["--daemon", "--daemonize"],
    };
    let foreground = started.has("--no-daemon");
    started.arguments.iter().find(|it| options.contains(it) && !foreground).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        shlex::split(text).expect("it is quoted well")
    }

    #[test]
    fn ports_are_found_in_whatever_way_they_are_named() {
        for (text, expected) in [
            ("node server.js --port 3000", Some(3000)),
            ("next start -p 3000", Some(3000)),
            ("next start --port=3000", Some(3000)),
            ("PORT=3000 node server.js", Some(3000)),
            ("env A=b PORT=3000 node server.js", Some(3000)),
            ("python3 -m gunicorn --bind 0.0.0.0:8000 app:app", Some(8000)),
            ("gunicorn -b :8000 app:app", Some(8000)),
            ("python3 -m http.server 8000", Some(8000)),
            ("python manage.py runserver 0.0.0.0:8000", Some(8000)),
            ("php -S localhost:9000 -t public", Some(9000)),
            ("node server.js --port {port}", None),
            ("node server.js", None),
            ("worker -p 4", None),
            ("gunicorn --workers 4 -b 127.0.0.1:{port} app:app", None),
            ("uvicorn app:app --bind unix:/run/x.sock", None),
        ] {
            assert_eq!(Started::of(&words(text)).port(), expected, "{text}");
        }
    }

    #[test]
    fn servers_for_development_are_known() {
        for text in [
            "nodemon server.js",
            "node_modules/.bin/next dev",
            "npx vite --host",
            "vite",
            "npm run dev",
            "yarn dev",
            "flask run --port 1",
            "python3 -m flask --app shop run",
            "python3 manage.py runserver",
            "poetry run uvicorn app:app --reload",
            "node --watch server.js",
            "php -S 0.0.0.0:80",
            "php artisan serve",
            "cargo run --release",
        ] {
            assert!(development(&Started::of(&words(text))).is_some(), "{text}");
        }
        for text in [
            "node server.js dev",
            "next start",
            "vite build",
            "gunicorn flask:run",
            "npm start",
            "uvicorn app:app",
            "bin/air-traffic",
        ] {
            assert!(development(&Started::of(&words(text))).is_none(), "{text}");
        }
    }

    #[test]
    fn what_goes_to_the_background_is_known() {
        for (text, script) in [
            ("gunicorn --daemon app:app", None),
            ("nohup node server.js", None),
            ("pm2 start server.js", None),
            ("docker run -d shop", None),
            ("node server.js", Some("node server.js &")),
        ] {
            assert!(background(&Started::of(&words(text)), script).is_some(), "{text}");
        }
        for text in ["pm2-runtime server.js", "node start", "redis-server --no-daemon --daemon"] {
            assert!(background(&Started::of(&words(text)), None).is_none(), "{text}");
        }
    }
}
