//! Python: `requirements.txt` or `pyproject.toml`, and the server it names.

use super::{Detected, Facts, Found, known_name};

const PROGRAMS: [&str; 4] = ["app.py", "main.py", "server.py", "wsgi.py"];

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let declared: Vec<&str> =
        [&facts.requirements, &facts.pyproject].into_iter().flatten().map(String::as_str).collect();
    let program = facts.first_of(&PROGRAMS);
    if declared.is_empty() && program.is_none() {
        return None;
    }
    let names = |package: &str| declared.iter().any(|it| it.to_lowercase().contains(package));
    let module = program.unwrap_or("app.py").trim_end_matches(".py");
    let application = format!("{module}:app");
    let words: Vec<&str> = if names("uvicorn") || names("fastapi") {
        vec!["-m", "uvicorn", &application, "--host", "127.0.0.1", "--port", "{port}"]
    } else if names("gunicorn") {
        vec!["-m", "gunicorn", "--bind", "127.0.0.1:{port}", &application]
    } else {
        // Without a known server only a program of its own can be started.
        vec![program?]
    };
    let interpreter = match facts.first_of(&[".venv", "venv"]) {
        Some(environment) => format!("{environment}/bin/python3"),
        None => "python3".to_owned(),
    };
    let command =
        [interpreter].into_iter().chain(words.iter().map(|it| (*it).to_owned())).collect();
    let notes = vec!["It must listen on 127.0.0.1 at the port in PORT, or at {port}.".to_owned()];
    let services = vec![Found { name: known_name("web"), command, routed: true, notes }];
    Some(Detected { what: "a Python program", services, env: vec![("PYTHONUNBUFFERED", "\"1\"")] })
}
