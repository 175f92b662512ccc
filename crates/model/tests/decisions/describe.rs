//! A plan in sentences.

use crate::build::{after, deploy, desired, nothing, planned, service, serving, spec, worker};
use model::{
    describe::{downtime, sentence, subject, summary},
    planner::Wanted,
    service::{ServiceSpec, Strategy},
};

#[test]
fn every_step_has_a_sentence_and_a_subject() {
    let blue_green = spec(vec![service("web"), worker("mail")]);
    let recreate =
        spec(vec![ServiceSpec { strategy: Strategy::Recreate, instances: 1, ..service("web") }]);
    let rolling =
        spec(vec![ServiceSpec { strategy: Strategy::Rolling, instances: 2, ..service("web") }]);
    for plan in [
        planned(&serving(&rolling), &deploy(2, &rolling)),
        planned(&nothing(), &deploy(1, &blue_green)),
        planned(&serving(&recreate), &deploy(2, &recreate)),
    ] {
        for step in &plan.steps {
            let said = sentence(step);
            assert!(said.ends_with('.') && said.len() > 10, "{said}");
            assert!(!said.contains("hunter2"));
            assert!(!subject(step).is_empty() || matches!(step.word(), "clean up"), "{said}");
        }
    }
}

#[test]
fn the_plan_says_what_users_notice() {
    let blue_green = spec(vec![service("web")]);
    let recreate = spec(vec![ServiceSpec { strategy: Strategy::Recreate, ..service("web") }]);
    let update = planned(&serving(&blue_green), &deploy(2, &blue_green));
    assert_eq!(summary(&update), "Update shop/production from v1 to v2");
    assert!(downtime(&update).contains("0 s"));
    let replaced = planned(&serving(&recreate), &deploy(2, &recreate));
    let said = downtime(&replaced);
    assert!(said.contains("requests are held") && said.contains("cold way back"), "{said}");
    let rolling =
        spec(vec![ServiceSpec { strategy: Strategy::Rolling, instances: 2, ..service("web") }]);
    let rolled = planned(&serving(&rolling), &deploy(2, &rolling));
    let said: Vec<String> = rolled.steps.iter().map(sentence).collect();
    let said = said.join("\n");
    assert!(said.contains("Batch 1 of 2: send requests to 1 new of 2 instances"), "{said}");
    assert!(said.contains("Batch 2 of 2: send requests to 2 new of 2 instances"), "{said}");
    let stop = planned(&after(&nothing(), &deploy(1, &blue_green)), &desired(2, Wanted::Stop));
    assert!(downtime(&stop).contains("503"));
}
