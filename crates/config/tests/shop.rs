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
    let error = found(&["prodution"]).expect_err("there is none").to_string();
    assert_eq!(
        error,
        "there is no environment `prodution`; did you mean `production`?: `shop/staging`, \
         `shop/production`"
    );
}
