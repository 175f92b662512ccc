//! Each kind of problem, at its exact place.

use config::Document;

/// One service in one environment; the service's keys are written over the `@`.
const SERVICE: &str = "\
projects:
  shop:
    services:
      web:
        command: [web]
        @
    environments:
      production: { domains: [shop.example] }
";

/// Line, column, path and a part of the message.
type Expected = (u32, u32, &'static str, &'static str);

fn found(text: &str) -> Vec<(u32, u32, String, String)> {
    let (_, problems) = Document::read("cutover.yml", text);
    let errors = problems.into_iter().filter(config::Problem::is_error);
    errors.map(|it| (it.line, it.column, it.path, it.message)).collect()
}

fn assert_only(text: &str, expected: Expected) {
    let found = found(text);
    let [(line, column, path, message)] = &found[..] else {
        panic!("not one problem but {found:?} in:\n{text}");
    };
    let (at_line, at_column, at_path, part) = expected;
    assert_eq!((*line, *column, path.as_str()), (at_line, at_column, at_path), "{message}\n{text}");
    assert!(message.contains(part), "{message:?} does not say {part:?}");
}

#[test]
fn of_one_key_of_a_service() {
    let cases = [
        ("drian: 5", 9, "drian", "unknown key `drian`"),
        ("command: [other]", 9, "command", "given twice: first at 5:9"),
        ("instances: -1", 20, "instances", "from 0 to 256, not `-1`"),
        ("instances: 2.0", 20, "instances", "whole number"),
        ("instances:", 9, "instances", "has no value"),
        ("routes: [shop]", 18, "routes[0]", "must begin with `/`"),
        ("routes: [/a, /b, /a]", 26, "routes[2]", "given twice: first at 6:18"),
        ("port: 65536", 15, "port", "from 1 to 65535"),
        ("health: { path: health }", 25, "health.path", "must begin with `/`"),
        ("health: { path: /, tries: 0 }", 35, "health.tries", "from 1 to 1000"),
        ("drain: 2h", 16, "drain", "from 0 to 1h"),
        ("grace: 10 parsecs", 16, "grace", "such as `30s`"),
        ("start_timeout: 0", 24, "start_timeout", "from 100ms to 1h"),
        ("keep_warm: 2d", 20, "keep_warm", "from 0 to 24h"),
        ("stop_signal: SIGKILL", 22, "stop_signal", "one of `SIGTERM`"),
        ("strategy: green-blue", 19, "strategy", "one of `blue-green`"),
        ("limits: { memory: 12X }", 27, "limits.memory", "from 1M to 1024T"),
        ("user: a b", 15, "user", "not the name of a user"),
        ("env: { A-B: x }", 16, "env.A-B", "not the name of a variable"),
        ("env: { A: \"{verion}\" }", 19, "env.A", "unknown placeholder `{verion}`"),
        ("smoke: [{ get: x }]", 24, "smoke[0].get", "must begin with `/`"),
        ("smoke: [{ poke: /x }]", 19, "smoke[0].poke", "unknown key"),
        ("required_env: [a b]", 24, "required_env[0]", "not the name of a variable"),
    ];
    for (key, column, path, part) in cases {
        let path = format!("projects.shop.services.web.{path}");
        let text = SERVICE.replace('@', key);
        assert_only(&text, (6, column, Box::leak(path.into_boxed_str()), part));
    }
}

#[test]
fn one_value_stands_for_a_list_of_one() {
    for key in ["routes: /shop\n        health: none", "env_file: .env", "required_env: A"] {
        assert_eq!(found(&SERVICE.replace('@', key)), []);
    }
}

#[test]
fn of_what_environments_share() {
    let text = "\
projects:
  shop:
    services: { web: { command: [web], routes: [/], health: none } }
    environments:
      staging: { domains: [a.example] }
      production: { domains: [b.example, A.example] }
  blog:
    services: { web: { command: [web] } }
    environments: { production: { domains: [b.example] } }
";
    let found = found(text);
    let places: Vec<(u32, u32)> = found.iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(places, [(6, 31), (6, 42), (9, 45)], "{found:?}");
    assert!(found[0].3.contains("claimed by `blog/production` too, at 9:45"), "{found:?}");
    assert!(found[1].3.contains("`shop/staging` already, at 5:28"), "{found:?}");
    assert!(found[2].3.contains("`shop/production` already, at 6:31"), "{found:?}");
}

#[test]
fn of_services_that_claim_one_route() {
    let text = SERVICE.replace(
        "        @\n",
        "        routes: [/]\n        health: none\n      \
         api: { command: [api], routes: [/], health: none }\n",
    );
    let expected =
        (8, 39, "projects.shop.services.api.routes[0]", "leads to `web` already, at 6:18");
    assert_only(&text, expected);
}

#[test]
fn of_an_override() {
    let over = "{ domains: [shop.example], services: { web: { instances: many } } }";
    let text = SERVICE.replace("        @\n", "").replace("{ domains: [shop.example] }", over);
    let path = "projects.shop.environments.production.services.web.instances";
    assert_only(&text, (7, 76, path, "whole number"));
}

#[test]
fn of_names() {
    for (name, column) in [("Shop", 3), ("shop_1", 3), ("1shop", 3), ("shop-", 3), ("\"\"", 3)] {
        let text = format!("projects:\n  {name}: {{}}\n");
        let found = found(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].1), (2, column));
        assert!(found[0].3.contains("is not a name"), "{found:?}");
    }
}

#[test]
fn of_the_whole_file() {
    let huge = format!("x-a: {}\n", "a".repeat(config::read::CONFIG_BYTES_MAX));
    assert_only(&huge, (1, 1, "", "larger than 8 MiB"));
    assert_only("", (1, 1, "", "empty"));
    assert_only("projects:\n\tshop: 1\n", (2, 2, "projects", "a tab is used to indent"));
    assert_only("projects: [\n", (1, 11, "projects[0]", "unclosed"));
}

#[test]
fn columns_are_counted_in_characters() {
    let text = SERVICE.replace('@', "env: { GREETING: \"grüß dich, 世界\", B-C: x }");
    let path = "projects.shop.services.web.env.B-C";
    assert_only(&text, (6, 43, path, "not the name of a variable"));
}

#[test]
fn a_byte_order_mark_and_carriage_returns_move_nothing() {
    let text = SERVICE.replace('@', "drian: 5");
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(found(&windows), found(&text));
}

#[test]
fn of_more_than_is_bearable() {
    let services: String =
        (0..300).map(|it| format!("      web-{it}: {{ command: [web] }}\n")).collect();
    let text = format!(
        "projects:\n  shop:\n    services:\n{services}    environments: {{ production: }}\n"
    );
    assert_only(&text, (3, 5, "projects.shop.services", "has 300 entries, and 256 at most"));
    let hosts = vec!["a"; 1001].join(", ");
    let text = SERVICE.replace("        @\n", "").replace("shop.example", &hosts);
    let path = "projects.shop.environments.production.domains[1000]";
    assert_only(&text, (7, 3031, path, "more than 1000 items"));
    let keys: String = (0..200_000).map(|it| format!("k{it}: 1\n")).collect();
    assert_eq!(found(&keys).len(), 1000, "the rest is not kept");
}
