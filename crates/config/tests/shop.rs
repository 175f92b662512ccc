//! The shop: one configuration from its text to what its environments come to.

use config::{Document, EnvFiles, EnvReadError, EnvText, SourceConfig, TargetError};
use model::service::{Millis, Probe, Readiness, StopSignal, Strategy, VersionScheme};
use std::collections::HashMap;

const SHOP: &str = include_str!("corpus/good/shop.yml");

#[derive(Default)]
struct Files(HashMap<&'static str, (&'static str, u32)>);

impl Files {
    fn with(mut self, path: &'static str, text: &'static str, mode: u32) -> Files {
        self.0.insert(path, (text, mode));
        self
    }
}

impl EnvFiles for Files {
    fn read(&self, path: &str) -> Result<EnvText, EnvReadError> {
        let (text, mode) = self.0.get(path).ok_or(EnvReadError::Missing)?;
        Ok(EnvText { text: (*text).to_owned(), mode: *mode })
    }
}

fn shop() -> Document {
    let (document, problems) = Document::read("cutover.yml", SHOP);
    assert!(problems.is_empty(), "{}", config::render::human(&problems));
    document.expect("it has no problems")
}

#[test]
fn the_shop_comes_to_its_environments() {
    let document = shop();
    let names: Vec<String> = document.environments().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["shop/staging", "shop/production"]);
    let files = Files::default().with(".env.production", "DATABASE_URL=postgres://db\n", 0o100600);

    let id = "shop/production".parse().expect("an id");
    let production = document.resolve(&id, &files, false).expect("it resolves");
    let spec = &production.spec;
    assert_eq!(spec.domains, ["shop.example"]);
    assert_eq!(spec.version, VersionScheme::Semver);
    assert_eq!(spec.keep_releases, 5);
    assert_eq!(spec.listen, ["127.0.0.1:8080"]);
    assert_eq!(production.source, SourceConfig::Directory(".".to_owned()));
    assert_eq!(production.env_files, [".env.production"]);
    assert_eq!(production.required_env, ["DATABASE_URL"]);
    let web = &spec.services[0];
    assert_eq!(web.command, ["node", "server.js"]);
    assert_eq!(web.instances, 2);
    assert_eq!(web.routes, ["/"]);
    assert_eq!(web.readiness, Readiness::Port);
    assert_eq!(web.strategy, Strategy::BlueGreen);
    assert_eq!(web.stop_signal, StopSignal::SigTerm);
    assert_eq!(web.env["DATABASE_URL"], "postgres://db");
    assert_eq!(web.secret_env, ["DATABASE_URL"]);
    let health = web.health.as_ref().expect("it has one");
    assert_eq!(health.probe, Probe::Http { path: "/api/health".to_owned(), status: 200 });
    assert_eq!((health.tries, health.interval, health.successes), (5, Millis::seconds(3), 1));
    assert_eq!(web.smoke[0].path, "/api/version");
    assert_eq!(web.smoke[0].json["version"], "{version}");
    let times = [web.drain, web.grace, web.start_timeout, web.bake, web.keep_warm];
    assert_eq!(times, [30, 10, 60, 10, 600].map(Millis::seconds));

    let id = "shop/staging".parse().expect("an id");
    let staging = document.resolve(&id, &files, false).expect("it resolves");
    assert_eq!(staging.spec.services[0].env["NODE_ENV"], "staging");
    assert!(staging.spec.services[0].secret_env.is_empty());
}

#[test]
fn targets_are_found_by_declared_names() {
    let document = shop();
    let found = |words: &[&str]| document.find(words).map(|it| it.to_string());
    assert_eq!(found(&["production"]).as_deref(), Ok("shop/production"));
    assert_eq!(found(&["shop/staging"]).as_deref(), Ok("shop/staging"));
    assert_eq!(found(&["shop", "staging"]).as_deref(), Ok("shop/staging"));
    assert!(matches!(found(&[]), Err(TargetError::LeftOut { .. })));
    assert!(matches!(found(&["shop"]), Err(TargetError::Ambiguous { .. })));
    let error = found(&["prodution"]).expect_err("there is none");
    let said = "there is no environment `prodution`; there are `shop/staging`, `shop/production`";
    assert_eq!(error.to_string(), said);
    assert_eq!(error.hint().as_deref(), Some("did you mean `production`?"));
}

#[test]
fn words_after_the_target_are_left_to_the_verb() {
    let shop = shop();
    let first = |document: &Document, words: &[&str]| {
        document.find_first(words).map(|(id, count)| (id.to_string(), count))
    };
    let production = || "shop/production".to_owned();
    assert_eq!(first(&shop, &["production", "1.2.0"]), Ok((production(), 1)));
    assert_eq!(first(&shop, &["shop/production", "1.2.0"]), Ok((production(), 1)));
    assert_eq!(first(&shop, &["shop", "production", "1.2.0"]), Ok((production(), 2)));
    assert!(matches!(first(&shop, &["1.2.0"]), Err(TargetError::Unknown { .. })));
    assert!(matches!(first(&shop, &[]), Err(TargetError::LeftOut { .. })));

    let text = SHOP.replace("      staging: ", "      x-staging: ");
    let (document, problems) = Document::read("cutover.yml", &text);
    assert_eq!(problems, []);
    let alone = document.expect("it has no problems");
    assert_eq!(first(&alone, &[]), Ok((production(), 0)));
    assert_eq!(first(&alone, &["1.2.0"]), Ok((production(), 0)));
    assert_eq!(first(&alone, &["shop", "1.2.0"]), Ok((production(), 1)));
    assert!(matches!(first(&alone, &["prodution"]), Err(TargetError::Unknown { .. })));
    let (none, _) = Document::read("cutover.yml", "projects: {}\n");
    let none = none.expect("it is YAML");
    assert_eq!(none.find::<&str>(&[]), Err(TargetError::NoneDeclared));
}

#[test]
fn a_check_says_everything_and_accepts_what_is_not_built() {
    let open = Files::default().with(".env.production", "DATABASE_URL=changeme\n", 0o644);
    let problems = shop().check(&open, false);
    let said: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
    let expected = [
        "the env file `.env.production` is open to other users (mode 0644)",
        "`DATABASE_URL` is required and holds only a stand-in",
    ];
    assert_eq!(said, expected);
    let (document, _) = Document::read("u.yml", include_str!("corpus/good/unbuilt.yml"));
    let document = document.expect("it has no errors");
    assert!(!config::any_error(&document.check(&Files::default(), false)));
    let id = document.find::<&str>(&[]).expect("there is one");
    assert_eq!(document.resolve(&id, &Files::default(), false).map_err(|it| it.len()), Err(6));
}

#[test]
fn nothing_comes_of_a_configuration_with_one_error() {
    let text = SHOP.replace("staging.shop.example", "staging shop");
    let (document, problems) = Document::read("cutover.yml", &text);
    assert_eq!(problems.len(), 1);
    let document = document.expect("it is YAML");
    let files = Files::default().with(".env.production", "DATABASE_URL=x\n", 0o600);
    for id in document.environments() {
        assert_eq!(document.resolve(&id, &files, false), Err(problems.clone()));
    }
}

#[test]
fn the_proxy_listens_where_it_may() {
    let text = SHOP.replace("proxy: { listen: [\"127.0.0.1:8080\"] }\n", "");
    let (document, problems) = Document::read("cutover.yml", &text);
    assert_eq!(problems, []);
    let document = document.expect("it has no problems");
    assert_eq!(document.listen(true), ["0.0.0.0:80"]);
    assert_eq!(document.listen(false), ["127.0.0.1:8080"]);
}
