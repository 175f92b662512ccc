//! Some services are deployed, and the others go on as they are.

use crate::{
    build::{api, deploy, deploy_only, request, spec, web, worker},
    drive::world,
    state::World,
};
use model::{
    deployment::{Change, Request},
    journal::Outcome,
    service::EnvironmentSpec,
};
use std::collections::BTreeMap;

fn both() -> EnvironmentSpec {
    spec(vec![web(), api(), worker()])
}

/// Which version each service runs.
fn runs(world: &World) -> BTreeMap<String, Vec<String>> {
    let state = world.state();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for it in state.running.values().filter(|it| state.kept.contains(&it.id)) {
        all.entry(it.service.to_string()).or_default().push(it.version.clone());
    }
    all
}

fn set(api: &str, mail: &str, web: &str) -> BTreeMap<String, Vec<String>> {
    let one = |(name, version): (&str, &str)| (name.to_owned(), vec![version.to_owned()]);
    [("api", api), ("mail", mail), ("web", web)].map(one).into()
}

fn manifest(world: &World) -> serde_json::Value {
    let manifest = world.state().manifest.clone().unwrap();
    manifest["current_deployment"]["services"].clone()
}

#[test]
fn only_what_is_named_is_started_and_the_set_is_what_is_gone_back_to() {
    let back = |number| request(number, Change::Rollback { to: None, with_data: false });
    let world = World::of(world(&[deploy(1, &both())]));
    let before: Vec<_> = world.state().running.keys().cloned().collect();
    assert_eq!(world.ask(&deploy_only(2, &both(), "api")), Outcome::Deployed);
    assert_eq!(runs(&world), set("v2", "v1", "v1"));
    let stayed = before.iter().filter(|it| !it.0.contains(".api."));
    assert!(stayed.clone().all(|it| world.state().running.contains_key(it)), "they were replaced");
    assert_eq!(world.state().links.0.as_deref(), Some("v2"));
    let said = manifest(&world);
    let said = |name: &str| said[name]["version"].as_str().map(str::to_owned);
    assert_eq!((said("api"), said("web")), (Some("v2".into()), Some("v1".into())));

    assert_eq!(world.ask(&deploy_only(3, &both(), "web")), Outcome::Deployed);
    assert_eq!(runs(&world), set("v2", "v1", "v3"));
    assert_eq!(world.ask(&back(4)), Outcome::Deployed);
    assert_eq!(runs(&world), set("v2", "v1", "v1"), "the set before, not one release for all");
    assert_eq!(world.ask(&back(5)), Outcome::Deployed);
    assert_eq!(runs(&world), set("v1", "v1", "v1"));
}

#[test]
fn a_worker_alone_moves_no_request_and_is_what_serves_newest() {
    let world = World::of(world(&[deploy(1, &both())]));
    assert_eq!(world.ask(&deploy_only(2, &both(), "mail")), Outcome::Deployed);
    assert_eq!(runs(&world), set("v1", "v2", "v1"));
    let news = world.state().news.clone();
    let serving = news.iter().rev().find_map(|it| match it {
        model::deployment::News::Ended { serving, .. } => serving.clone(),
        _ => None,
    });
    assert_eq!(serving.map(|it| it.version).as_deref(), Some("v2"));
    assert_eq!(world.ask(&request(3, Change::Restart)), Outcome::Deployed);
    assert_eq!(runs(&world), set("v1", "v2", "v1"), "each of its own release");
}

#[test]
fn a_release_that_others_lean_on_is_kept() {
    let world = World::of(world(&[deploy(1, &both())]));
    for number in 2..=6 {
        assert_eq!(world.ask(&deploy_only(number, &both(), "api")), Outcome::Deployed);
    }
    assert!(world.state().placed.contains("v1"), "web and mail run of it");
    let mut scale: Request = request(7, Change::Stop);
    assert_eq!(world.ask(&scale), Outcome::Deployed);
    scale = request(8, Change::Start);
    assert_eq!(world.ask(&scale), Outcome::Deployed);
    assert_eq!(runs(&world), set("v6", "v1", "v1"));
}

#[test]
fn a_service_that_is_not_configured_is_refused() {
    let world = World::of(world(&[deploy(1, &both())]));
    assert_eq!(world.ask(&deploy_only(2, &both(), "ap")), Outcome::Refused);
    let failure = world.state().deployments.last().unwrap().failure.clone().unwrap();
    assert!(failure.hints.iter().any(|it| it.contains("web, api, mail")), "{failure:?}");
}
