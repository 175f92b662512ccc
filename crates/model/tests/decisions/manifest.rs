//! `manifest.json`.

use crate::{
    build::{
        after, deploy, desired, nothing, planned, production, release, service, serving, spec,
    },
    standing_orders::record,
};
use model::{deployment::Stage, journal::Outcome, manifest::manifest, planner::Wanted};

#[test]
fn it_says_what_serves_and_every_outcome() {
    let spec = spec(vec![service("web")]);
    let first = planned(&nothing(), &deploy(1, &spec));
    let second = planned(&serving(&spec), &deploy(2, &spec));
    let history = [
        record(2, second, Stage::Ended(Outcome::RolledBack), 0),
        record(1, first, Stage::Ended(Outcome::Deployed), 99),
    ];
    let value = manifest(&production(), &history, &[release(1, &spec), release(2, &spec)]);
    assert_eq!(value["project"], "shop");
    assert_eq!(value["environment"], "production");
    let current = &value["current_deployment"];
    assert_eq!(current["version"], "v1");
    assert_eq!(current["deployed_at"], "2023-11-14T22:14:20Z");
    assert_eq!(current["deployed_by"], "ada");
    assert!(current["git_sha"].as_str().unwrap().starts_with("0123"));
    for key in ["backup", "images"] {
        assert!(current.as_object().unwrap().contains_key(key), "{key}");
    }
    let outcomes: Vec<_> =
        value["deployment_history"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
    assert_eq!(outcomes, ["rolled_back", "deployed"]);
}

#[test]
fn a_stopped_environment_serves_nothing() {
    let spec = spec(vec![service("web")]);
    let observed = after(&nothing(), &deploy(1, &spec));
    let stop = planned(&observed, &desired(2, Wanted::Stop));
    let commit = stop.commit;
    let value = manifest(&production(), &[record(2, stop, Stage::Running, commit)], &[]);
    assert_eq!(value["current_deployment"], serde_json::Value::Null);
    assert_eq!(value["deployment_history"][0]["outcome"], "deployed");
}
