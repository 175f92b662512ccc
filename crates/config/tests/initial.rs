//! What `init` writes, by what it finds.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use config::{
    Document, Problem,
    init::{Facts, Written},
    read::read_facts,
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// A directory with these files, and what is written for it.  Whatever it is, it has no errors.
fn written(files: &[(&str, &str)]) -> (Written, Vec<Problem>) {
    let directory = tempfile::tempdir().unwrap();
    let shop = directory.path().join("My Shop");
    fs::create_dir(&shop).unwrap();
    for (name, text) in files {
        let path = shop.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let written = config::init::write(&read_facts(&shop)).unwrap();
    let (document, problems) = Document::read("cutover.yml", &written.text);
    assert!(!config::any_error(&problems), "{}\n{problems:#?}", written.text);
    let document = document.unwrap();
    let problems = document.check(&config::EnvFilesIn::new(&shop), false);
    assert!(!config::any_error(&problems), "{}\n{problems:#?}", written.text);
    let id = document.find(&["production"]).unwrap();
    assert_eq!(id.project.as_str(), "my-shop");
    (written, problems)
}

/// Names and commands of the services; nothing is warned of.
fn services(files: &[(&str, &str)]) -> Vec<String> {
    let (written, problems) = written(files);
    let warned: Vec<_> = problems.iter().filter_map(|it| it.rule).collect();
    assert!(warned.iter().all(|it| *it == "no-smoke"), "{}\n{warned:?}", written.text);
    commands(&written)
}

fn commands(written: &Written) -> Vec<String> {
    let (document, _) = Document::read("cutover.yml", &written.text);
    let document = document.unwrap();
    let files = config::EnvFilesIn::new("/nonexistent");
    let spec = document.resolve(&document.find(&["production"]).unwrap(), &files, false);
    let spec = spec.unwrap().spec;
    spec.services.iter().map(|it| format!("{}: {}", it.name, it.command.join(" "))).collect()
}

fn said(files: &[(&str, &str)]) -> String {
    written(files).0.guesses.join("\n")
}

#[test]
fn a_start_script_becomes_a_program_and_its_arguments() {
    let with = |start: &str| {
        let text = serde_json::json!({ "scripts": { "start": start, "serve": "node late.js" } });
        services(&[("package.json", &text.to_string()), ("server.js", "")]).remove(0)
    };
    for (script, command) in [
        ("node --enable-source-maps server.js", "node --enable-source-maps server.js"),
        ("NODE_ENV=production node server.js", "node server.js"),
        ("cross-env A=b PORT=3000 node server.js", "node server.js"),
        ("serve -s dist -l 3000", "node_modules/.bin/serve -s dist -l {port}"),
        ("npm run serve", "node late.js"),
        ("yarn serve", "node late.js"),
        ("nodemon server.js", "node server.js"),
        ("npx tsx src/index.ts", "node_modules/.bin/tsx src/index.ts"),
        ("bun server.ts", "bun server.ts"),
    ] {
        assert_eq!(with(script), format!("web: {command}"), "{script}");
    }
    let said = said(&[("package.json", r#"{ "scripts": { "start": "node a.js" } }"#)]);
    assert!(said.contains("web: `node a.js`, from package.json: scripts.start"), "{said}");
}

#[test]
fn a_script_that_needs_a_shell_is_left_to_npm_with_a_word_on_it() {
    let package = r#"{ "scripts": { "start": "node build.js && node server.js" } }"#;
    let (written, problems) = written(&[("package.json", package)]);
    assert_eq!(commands(&written), ["web: npm start"]);
    assert!(written.text.contains("# node build.js && node server.js"), "{}", written.text);
    assert!(problems.iter().any(|it| it.rule == Some("npm-first")));
}

#[test]
fn without_a_script_the_program_is_guessed() {
    let main = r#"{ "main": "lib.js" }"#;
    let found = services(&[("package.json", main), ("lib.js", "")]);
    assert_eq!(found, ["web: node lib.js"]);
    assert_eq!(services(&[("package.json", "{}"), ("index.js", "")]), ["web: node index.js"]);
    assert_eq!(services(&[("server.js", "")]), ["web: node server.js"]);
}

#[test]
fn next_runs_alone_or_by_its_own_server() {
    let package =
        r#"{ "scripts": { "start": "next start -p 80" }, "dependencies": { "next": "15" } }"#;
    let start = "web: node_modules/.bin/next start --hostname 127.0.0.1 --port {port}";
    assert_eq!(services(&[("package.json", package)]), [start]);
    let alone =
        [("package.json", package), ("next.config.mjs", "export default { output: 'standalone' }")];
    assert_eq!(services(&alone), ["web: node .next/standalone/server.js"]);
    assert!(said(&alone).contains("next.config.mjs: output"));
    let route =
        [("package.json", package), ("src/app/api/health/route.ts", "export function GET() {}")];
    let (written, _) = written(&route);
    assert!(written.text.contains("health: { path: /api/health }"), "{}", written.text);
    assert!(written.guesses.iter().any(|it| it.contains("src/app/api/health/route.ts")));
}

#[test]
fn python() {
    let with = |requirements: &str| {
        services(&[("requirements.txt", requirements), ("main.py", ""), (".venv/x", "")]).remove(0)
    };
    let uvicorn = "web: .venv/bin/python3 -m uvicorn main:app --host 127.0.0.1 --port {port}";
    assert_eq!(with("fastapi==1\nuvicorn\n"), uvicorn);
    let gunicorn = "web: .venv/bin/python3 -m gunicorn --bind 127.0.0.1:{port} main:app";
    assert_eq!(with("Flask\ngunicorn\n"), gunicorn);
    assert_eq!(with("requests\n"), "web: .venv/bin/python3 main.py");
    assert_eq!(services(&[("app.py", "")]), ["web: python3 app.py"]);
    let project = "[project]\nname = \"shop\"\ndependencies = [\"uvicorn\"]\n";
    let found = services(&[("pyproject.toml", project), ("app.py", "")]);
    assert_eq!(found, ["web: python3 -m uvicorn app:app --host 127.0.0.1 --port {port}"]);
    assert!(said(&[("pyproject.toml", project)]).contains("from pyproject.toml"));
    let manage = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')";
    let found = services(&[("requirements.txt", "django\n"), ("manage.py", manage)]);
    assert_eq!(found, ["web: python3 -m gunicorn --bind 127.0.0.1:{port} shop.wsgi:application"]);
}

#[test]
fn rust() {
    let text = "[package]\nname = \"shop-server\"\n\n[dependencies]\nname = \"no\"\n";
    assert_eq!(services(&[("Cargo.toml", text)]), ["web: target/release/shop-server"]);
    let text = "[package]\nname = \"a\"\n[[bin]]\npath = \"x.rs\"\nname = \"serve\"\n";
    assert_eq!(services(&[("Cargo.toml", text)]), ["web: target/release/serve"]);
}

#[test]
fn procfile() {
    let text = "# ours\nrelease: ./migrate\nweb: bin/web -p $PORT\nworker: a && b\nClock_1: tick\n";
    let files = [("Procfile", text), ("package.json", "{}")];
    let expected = ["web: bin/web -p {port}", "worker: ./bin/start-worker", "clock-1: tick"];
    assert_eq!(services(&files), expected);
    let (written, _) = written(&files);
    assert_eq!(written.detected, "a Procfile");
    assert!(written.text.contains("# a && b"), "the line is kept: {}", written.text);
    assert!(written.guesses[0].contains("from Procfile, line 3"), "{:?}", written.guesses);
}

#[test]
fn a_dockerfile_names_its_program() {
    let text = "FROM rust AS build\nCMD [\"no\"]\nFROM debian\nENV LEVEL=info A=b\nEXPOSE 3000\n\
                HEALTHCHECK CMD curl -f http://localhost:3000/live || exit 1\n\
                ENTRYPOINT [\"bin/shop\"]\nCMD [\"--port\", \\\n  \"3000\"]\n";
    assert_eq!(services(&[("Dockerfile", text)]), ["web: bin/shop --port {port}"]);
    let (written, _) = written(&[("Dockerfile", text)]);
    for part in ["health: { path: /live }", "LEVEL: \"info\"", "instead of 3000"] {
        assert!(written.text.contains(part), "{part}: {}", written.text);
    }
    assert_eq!(services(&[("Dockerfile", "FROM x\nCMD bin/shop -v\n")]), ["web: bin/shop -v"]);
    let shell = services(&[("Dockerfile", "FROM x\nCMD bin/a && bin/b\n")]);
    assert_eq!(shell, ["web: ./bin/start"]);
}

const ECOSYSTEM: &str = "// ours
module.exports = {
  apps: [
    {
      name: 'Queue', script: './worker.py', args: '--queue mail', kill_timeout: 5000,
    },
    {
      name: 'shop', script: 'server.js', node_args: ['--max-old-space-size=400'],
      instances: 3, exec_mode: 'cluster', wait_ready: true, listen_timeout: 20000,
      env: { NODE_ENV: 'development', PORT: 3000, API_TOKEN: 'hush' },
      env_production: { NODE_ENV: 'production', LEVEL: 'info' },
    },
  ],
};
";

#[test]
fn pm2_says_what_runs() {
    let files = [("ecosystem.config.js", ECOSYSTEM), ("package.json", "{}"), ("server.js", "")];
    let expected =
        ["queue: python3 worker.py --queue mail", "shop: node --max-old-space-size=400 server.js"];
    assert_eq!(services(&files), expected);
    let (written, _) = written(&files);
    for part in [
        "instances: 3",
        "grace: 5000ms",
        "start_timeout: 20000ms",
        "NODE_ENV: \"production\"",
        "LEVEL: \"info\"",
        "# required_env: [API_TOKEN]",
        "PORT=3000 is left out",
    ] {
        assert!(written.text.contains(part), "{part}: {}", written.text);
    }
    assert!(!written.text.contains("hush"), "a secret was copied: {}", written.text);
    assert_eq!(written.text.matches("routes: [/]").count(), 1);
    let (_, after) = written.text.split_once("      shop:").unwrap();
    assert!(after.contains("routes: [/]"), "{}", written.text);
}

#[test]
fn pm2_behind_npm_leads_to_the_program() {
    let ecosystem = "module.exports = { apps: [{ name: 'web', script: 'npm', args: 'start' }] }";
    let package = r#"{ "scripts": { "start": "node server.js --port 3000" } }"#;
    let found = services(&[("ecosystem.config.js", ecosystem), ("package.json", package)]);
    assert_eq!(found, ["web: node server.js --port {port}"]);
}

#[test]
fn what_must_be_run_to_be_read_is_passed_over_or_refused() {
    let computed = "module.exports = {\n  apps: [{ script: process.env.APP }],\n};\n";
    let files = [("ecosystem.config.js", computed), ("server.js", "")];
    assert_eq!(services(&files), ["web: node server.js"]);
    let said = said(&files);
    let place = "passed over: ecosystem.config.js:2:20: `process.env.APP` is no literal";
    assert!(said.contains(place), "{said}");
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ecosystem.config.js"), computed).unwrap();
    let refused = config::init::write(&read_facts(directory.path())).unwrap_err();
    assert!(refused.starts_with("ecosystem.config.js:2:20: "), "{refused}");
}

#[test]
fn pages_are_served_from_where_they_are() {
    let page = "<title>Shop</title>";
    for (file, directory) in [("index.html", "."), ("dist/index.html", "dist")] {
        let (written, _) = written(&[(file, page), ("src.txt", "")]);
        let source = format!("source: {{ directory: {directory} }}");
        assert!(written.text.contains(&source), "{}", written.text);
        assert!(written.text.contains("runtime: static"), "{}", written.text);
        assert!(!written.text.contains("command"), "{}", written.text);
    }
}

#[test]
fn nothing_known() {
    let (written, _) = written(&[("README.md", "")]);
    assert!(written.detected.contains("annotated example"), "{}", written.detected);
    assert_eq!(commands(&written).len(), 6);
}

#[test]
fn a_health_path_is_looked_for_and_pinned() {
    let with = |files: &[(&str, &str)]| {
        let (written, _) = written(&[&[("server.js", "")], files].concat());
        let line = written.guesses.iter().find(|it| it.contains("health")).unwrap().clone();
        let pinned = written.text.lines().find(|it| it.contains("health: {")).unwrap().trim();
        format!("{pinned} {line}")
    };
    let found = with(&[("src/routes.js", "\napp.get('/api/health', ok)")]);
    assert!(found.starts_with("health: { path: /api/health }"), "{found}");
    assert!(found.ends_with("named in src/routes.js:2"), "{found}");
    let found = with(&[("src/main.ts", "if (url === \"/health\")")]);
    assert!(found.starts_with("health: { path: /health }"), "{found}");
    let others = [("node_modules/x/a.js", "'/health'"), ("tests/a.js", "'/health'")];
    let found = with(&others);
    assert!(found.starts_with("health: { path: / }"), "{found}");
    assert!(found.contains("no file names a path"), "{found}");
}

#[test]
fn an_env_file_is_named_only_where_it_would_be_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(".env.production");
    fs::write(directory.path().join("server.js"), "").unwrap();
    fs::write(&file, "A=b\n").unwrap();
    let written = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        config::init::write(&read_facts(directory.path())).unwrap().text
    };
    assert!(written(0o600).contains("        env_file: .env.production\n"));
    let open = written(0o644);
    assert!(open.contains("# env_file: .env.production") && open.contains("chmod 600"), "{open}");
}

#[test]
fn odd_facts_still_make_a_configuration() {
    let package = "{ \"scripts\": { \"start\": \"node a\\u0000\\\"b: #c\\n{port}{x} {nope}\" } }";
    for name in ["", "42", "-", "ÄÖÜ", "a".repeat(80).as_str(), "../..", "x: y"] {
        let odd = Facts {
            directory_name: name.to_owned(),
            settings: vec![("package.json".to_owned(), package.to_owned())],
            ..Facts::default()
        };
        let text = config::init::write(&odd).unwrap().text;
        let (_, problems) = Document::read("cutover.yml", &text);
        assert!(!config::any_error(&problems), "{text}\n{problems:?}");
    }
}

#[test]
fn a_directory_that_is_not_there_has_nothing() {
    let facts = read_facts(Path::new("/nonexistent/shop"));
    assert!(facts.files.is_empty() && facts.settings.is_empty() && facts.sources.is_empty());
}
