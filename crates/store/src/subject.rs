//! What a step is about, in a word or few.

use model::{
    id::{Generation, InstanceId},
    plan::Step,
};

/// An instance, a version, a generation; empty where the step's own word says it all.
pub fn of(step: &Step) -> String {
    match step {
        Step::Stage { version, .. } => version.clone(),
        Step::Start { instance }
        | Step::Await { instance, .. }
        | Step::Smoke { instance, .. }
        | Step::Stop { instance, .. }
        | Step::Retire { instance, .. } => instance.id.to_string(),
        Step::Hold { held, .. } => generation(*held),
        Step::Switch { to, .. } => generation(*to),
        Step::Bake { generation: trial, .. } => generation(*trial),
        Step::Confirm { by, .. } => generation(by.generation),
        Step::Keep { instances } | Step::Drain { instances, .. } => names(instances),
        Step::Link { current, .. } => current.clone().unwrap_or_default(),
        Step::Prune { releases, .. } => releases.join(", "),
        _ => String::new(),
    }
}

fn generation(number: Generation) -> String {
    format!("generation {number}")
}

fn names(instances: &[InstanceId]) -> String {
    instances.iter().map(|it| it.0.as_str()).collect::<Vec<_>>().join(", ")
}
