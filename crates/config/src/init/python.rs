//! Python: `requirements.txt` or `pyproject.toml`, and the server it names.

use super::{Detected, Facts, Found};

const PROGRAMS: [&str; 4] = ["app.py", "main.py", "server.py", "wsgi.py"];
const DECLARED: [&str; 2] = ["requirements.txt", "pyproject.toml"];

pub(super) fn detect(facts: &Facts) -> Option<Detected> {
    let declared: Vec<(&str, String)> =
        DECLARED.iter().filter_map(|it| Some((*it, facts.setting(it)?.to_lowercase()))).collect();
    let program = facts.first_of(&PROGRAMS);
    if declared.is_empty() && program.is_none() {
        return None;
    }
    let named = |package: &str| declared.iter().find(|it| it.1.contains(package)).map(|it| it.0);
    let django = facts.setting("manage.py").and_then(settings_package);
    let module = program.unwrap_or("app.py").trim_end_matches(".py");
    let application = match &django {
        Some(package) => format!("{package}.wsgi:application"),
        None => format!("{module}:app"),
    };
    let uvicorn = named("uvicorn").or_else(|| named("fastapi")).filter(|_| django.is_none());
    let gunicorn = named("gunicorn").or_else(|| django.as_ref().and(Some("manage.py")));
    let (words, from) = if let Some(from) = uvicorn {
        (vec!["-m", "uvicorn", &application, "--host", "127.0.0.1", "--port", "{port}"], from)
    } else if let Some(from) = gunicorn {
        (vec!["-m", "gunicorn", "--bind", "127.0.0.1:{port}", &application], from)
    } else {
        // Without a known server only a program of its own can be started.
        (vec![program?], program?)
    };
    let interpreter = match facts.first_of(&[".venv", "venv"]) {
        Some(environment) => format!("{environment}/bin/python3"),
        None => "python3".to_owned(),
    };
    let command =
        [interpreter].into_iter().chain(words.iter().map(|it| (*it).to_owned())).collect();
    let notes = vec!["It must listen on 127.0.0.1 at the port in PORT, or at {port}.".to_owned()];
    let from = from.to_owned();
    let service = Found { command, routed: true, from, notes, ..Found::default() };
    let env = vec![("PYTHONUNBUFFERED", "\"1\"")];
    let what = "a Python program";
    Some(Detected { what, services: vec![service], env, ..Detected::default() })
}

/// `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")`
fn settings_package(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("DJANGO_SETTINGS_MODULE")?;
    let module = rest.split(['"', '\'']).nth(2)?;
    let package = module.strip_suffix(".settings").or_else(|| module.split('.').next())?;
    let plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '.';
    (!package.is_empty() && package.chars().all(plain)).then(|| package.to_owned())
}
