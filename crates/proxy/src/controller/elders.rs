//! Proxies that accept no more: what they still serve counts, and has to follow.

use super::Controller;
use super::lead::Standing;
use crate::client::{self, AskError};
use crate::control::{Answer, Ask, LeavingStatus, Status};
use crate::limits::{DRAIN_DEADLINE_MAX, DRAIN_GRACE, DRAIN_JITTER_MAX, ELDER_PATIENCE};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_local};

/// Has them serve by what is on disk now.
pub(super) async fn follow(controller: &Controller) {
    for (pid, answer) in ask_all(controller, &Ask::Follow, ELDER_PATIENCE).await {
        match answer {
            Ok(Answer::Follows) | Err(AskError::Absent { .. }) => {}
            other => tracing::warn!(pid, ?other, "a proxy that leaves does not follow"),
        }
    }
}

/// Has them drain these instances; requests that were cut.
pub(super) async fn drain(controller: &Controller, ask: &Ask, deadline: Duration) -> u64 {
    let patience = deadline.min(DRAIN_DEADLINE_MAX) + DRAIN_JITTER_MAX + DRAIN_GRACE;
    let answers = ask_all(controller, ask, patience + ELDER_PATIENCE).await;
    let cut = |(pid, answer)| match answer {
        Ok(Answer::Drained { cut, .. }) => cut,
        // One that has just ended has nothing in flight.
        Err(AskError::Absent { .. }) => 0,
        other => {
            tracing::warn!(pid, ?other, "a proxy that leaves does not drain");
            0
        }
    };
    answers.into_iter().map(cut).sum()
}

/// Adds what is in flight in them.
pub(super) async fn count(controller: &Controller, status: &mut Status) {
    for (pid, answer) in ask_all(controller, &Ask::Status, ELDER_PATIENCE).await {
        let Ok(Answer::Status(theirs)) = answer else { continue };
        status.leaving.push(LeavingStatus { pid, connections: theirs.connections });
        for (name, of) in theirs.environments {
            let Some(known) = status.environments.get_mut(&name) else { continue };
            for (instance, in_flight) in of.in_flight {
                *known.in_flight.entry(instance).or_default() += in_flight;
            }
        }
    }
}

/// Only whoever leads asks the others.
async fn ask_all(
    controller: &Controller,
    ask: &Ask,
    patience: Duration,
) -> Vec<(u32, Result<Answer, AskError>)> {
    if controller.standing.get() != Standing::Leads {
        return Vec::new();
    }
    let asked: Vec<(u32, JoinHandle<_>)> = others(&controller.root)
        .into_iter()
        .map(|pid| {
            let (root, ask) = (controller.root.clone(), ask.clone());
            let task = async move { client::ask_one(&root, pid, &ask, patience).await };
            (pid, spawn_local(task))
        })
        .collect();
    let mut answers = Vec::new();
    for (pid, task) in asked {
        let Ok(answer) = task.await else { continue };
        if let Err(AskError::Absent { source, .. }) = &answer
            && source.kind() == io::ErrorKind::ConnectionRefused
        {
            // A dead one has left it; it is gone already if somebody else has seen that.
            let _gone = fs::remove_file(controller.root.join("proxy").join(client::own_name(pid)));
        }
        answers.push((pid, answer));
    }
    answers
}

/// Processes that have a control socket beside ours.
fn others(root: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(root.join("proxy")) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| {
        name.strip_prefix("control.")?.strip_suffix(".sock")?.parse::<u32>().ok()
    });
    pids.filter(|pid| *pid != std::process::id()).collect()
}
