//! What `init` writes, by what it finds.

use config::{Document, init::Facts};

fn facts(files: &[&str]) -> Facts {
    Facts {
        directory_name: "My Shop".to_owned(),
        files: files.iter().map(|it| (*it).to_owned()).collect(),
        ..Facts::default()
    }
}

/// What was detected, and the commands of the services.  What is written must have no errors.
fn written(facts: &Facts) -> (String, Vec<(String, Vec<String>)>) {
    let written = config::init::write(facts);
    let (document, problems) = Document::read("cutover.yml", &written.text);
    // A script that needs a shell is left to npm, with a word on it.
    let others: Vec<_> = problems.iter().filter(|it| it.rule != Some("npm-first")).collect();
    assert!(others.is_empty(), "{}\n{}", written.text, config::render::human(&problems));
    let document = document.expect("it has no problems");
    let id = document.find(&["production"]).expect("there is one");
    assert_eq!(id.project.as_str(), "my-shop");
    let files = config::EnvFilesIn::new("/nonexistent");
    let spec = document.resolve(&id, &files, false).expect("it resolves").spec;
    let services = spec.services.into_iter().map(|it| (it.name.to_string(), it.command));
    (written.detected, services.collect())
}

fn command(facts: &Facts) -> Vec<String> {
    let (_, mut services) = written(facts);
    assert_eq!(services.len(), 1);
    assert_eq!(services[0].0, "web");
    services.remove(0).1
}

#[test]
fn node() {
    let with = |package: &str| Facts {
        package_json: Some(package.to_owned()),
        ..facts(&["package.json", "server.js", "lib.js"])
    };
    let start = r#"{ "scripts": { "start": "node --enable-source-maps server.js" } }"#;
    assert_eq!(command(&with(start)), ["node", "--enable-source-maps", "server.js"]);
    let shell = r#"{ "scripts": { "start": "node build.js && node server.js" } }"#;
    assert_eq!(command(&with(shell)), ["npm", "start"]);
    assert_eq!(command(&with(r#"{ "main": "lib.js" }"#)), ["node", "lib.js"]);
    assert_eq!(command(&with("{}")), ["node", "server.js"]);
    let next = r#"{ "dependencies": { "next": "15" } }"#;
    assert_eq!(command(&with(next))[0], "node_modules/.bin/next");
    assert_eq!(command(&facts(&["server.js"])), ["node", "server.js"]);
    assert_eq!(written(&with("{}")).0, "a Node program");
}

#[test]
fn python() {
    let with = |requirements: &str| Facts {
        requirements: Some(requirements.to_owned()),
        ..facts(&["requirements.txt", "main.py", ".venv"])
    };
    let uvicorn = command(&with("fastapi==1\nuvicorn\n"));
    assert_eq!(uvicorn[..4], [".venv/bin/python3", "-m", "uvicorn", "main:app"]);
    assert!(uvicorn.contains(&"{port}".to_owned()));
    let gunicorn = command(&with("Flask\ngunicorn\n"));
    assert_eq!(gunicorn[2..], ["gunicorn", "--bind", "127.0.0.1:{port}", "main:app"]);
    assert_eq!(command(&with("requests\n")), [".venv/bin/python3", "main.py"]);
    assert_eq!(command(&facts(&["app.py"])), ["python3", "app.py"]);
}

#[test]
fn rust() {
    let text = "[package]\nname = \"shop-server\"\n\n[dependencies]\nname = \"no\"\n";
    let with = Facts { cargo_toml: Some(text.to_owned()), ..facts(&["Cargo.toml"]) };
    assert_eq!(command(&with), ["target/release/shop-server"]);
    let text = "[package]\nname = \"a\"\n[[bin]]\npath = \"x.rs\"\nname = \"serve\"\n";
    let with = Facts { cargo_toml: Some(text.to_owned()), ..facts(&["Cargo.toml"]) };
    assert_eq!(command(&with), ["target/release/serve"]);
}

#[test]
fn procfile() {
    let text = "# ours\nrelease: ./migrate\nweb: bin/web -p $PORT\nworker: a && b\nClock_1: tick\n";
    let with = Facts { procfile: Some(text.to_owned()), ..facts(&["Procfile", "package.json"]) };
    let (detected, services) = written(&with);
    assert_eq!(detected, "a Procfile");
    let expected = [
        ("web", vec!["bin/web", "-p", "{port}"]),
        ("worker", vec!["./bin/start-worker"]),
        ("clock-1", vec!["tick"]),
    ];
    let found: Vec<(&str, Vec<&str>)> = services
        .iter()
        .map(|(name, words)| (name.as_str(), words.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(found, expected);
    let text = config::init::write(&with).text;
    assert!(text.contains("# a && b"), "the line is kept to be moved: {text}");
}

#[test]
fn nothing_known() {
    let (detected, services) = written(&facts(&["README.md"]));
    assert!(detected.contains("annotated example"), "{detected}");
    assert_eq!(services.len(), 2);
}

#[test]
fn a_health_path_is_looked_for() {
    let with = |source: &str| {
        let found = Facts { sources: vec![source.to_owned()], ..facts(&["server.js"]) };
        config::init::write(&found).text
    };
    assert!(with("app.get('/api/health', ok)").contains("health: { path: /api/health }"));
    assert!(with("if (url === \"/health\")").contains("health: { path: /health }"));
    assert!(with("nothing").contains("health: { path: / }"));
}

#[test]
fn odd_facts_still_make_a_configuration() {
    for name in ["", "42", "-", "ÄÖÜ", "a".repeat(80).as_str(), "../..", "x: y"] {
        let odd = Facts {
            directory_name: name.to_owned(),
            package_json: Some(
                "{ \"scripts\": { \"start\": \"node a\\u0000\\\"b: #c\" } }".to_owned(),
            ),
            ..Facts::default()
        };
        let text = config::init::write(&odd).text;
        let (_, problems) = Document::read("cutover.yml", &text);
        assert!(!config::any_error(&problems), "{text}");
    }
}

#[test]
fn facts_are_read_from_a_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shop");
    std::fs::create_dir(&path).expect("it is made");
    std::fs::write(path.join("package.json"), "{}").expect("it is written");
    std::fs::write(path.join("server.js"), "get('/health')").expect("it is written");
    let found = config::read::read_facts(&path);
    assert_eq!(found.directory_name, "shop");
    assert_eq!(found.package_json.as_deref(), Some("{}"));
    assert_eq!(found.sources, ["get('/health')"]);
    assert!(found.files.contains(&"server.js".to_owned()));
    assert_eq!(found.procfile, None);
}
