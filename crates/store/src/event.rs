//! What the lines tell a watcher.

use crate::{
    fold,
    line::{self, Line, Placed},
    table::deployment::{self, Row},
    trouble::Trouble,
};
use model::{
    deployment::{Finding, News},
    describe,
    id::DeploymentId,
    journal::{Event, Record, Status},
    plan::Plan,
};
use rusqlite::Connection;

/// A sequence number (0: not a line of its own), Unix time in ms, and what happened.
pub type Told = (u64, u64, News);

/// All news of a deployment after this sequence number, in order.
pub fn after(
    connection: &Connection,
    id: &DeploymentId,
    sequence: u64,
) -> Result<Vec<Told>, Trouble> {
    let row = deployment::found(connection, id)?;
    // A plan that this build cannot read is told as a note in its place.
    let plan = row.plan().ok().flatten();
    let mut replay = Replay { statuses: vec![], told: vec![], row: &row, plan: plan.as_ref() };
    replay.statuses = vec![Status::Pending; plan.as_ref().map_or(0, |it| it.steps.len())];
    for placed in line::all(connection, row.place)? {
        let first = replay.told.len();
        replay.tell(&placed);
        if placed.sequence <= sequence {
            // Only its effect on the statuses was of interest.
            replay.told.truncate(first);
        }
    }
    Ok(replay.told)
}

struct Replay<'a> {
    row: &'a Row,
    plan: Option<&'a Plan>,
    statuses: Vec<Status>,
    told: Vec<Told>,
}

impl Replay<'_> {
    fn tell(&mut self, placed: &Placed) {
        let (id, environment) = (self.row.id.clone(), self.row.environment.clone());
        let news = match &placed.line {
            Line::Accepted => Some(News::Accepted { deployment: id, environment }),
            Line::Planned => {
                self.tell_overridden(placed.at_ms);
                Some(match self.plan {
                    Some(plan) => News::Planned { plan: Box::new(plan.clone()) },
                    None => note("the plan was made by another version of this program"),
                })
            }
            Line::Record { record: Record::Step(at, event) } => self.step(*at, event),
            Line::Record { record: Record::AbortAsked } => Some(note("it was asked to turn back")),
            Line::Record { record: Record::Baked { verdict, .. } } => {
                verdict.clone().map(|verdict| News::Judged { verdict })
            }
            Line::Reopened => Some(note("an operator has it go on")),
            Line::Ended { outcome, failure, traffic, serving, warm } => Some(News::Ended {
                outcome: *outcome,
                failure: failure.clone(),
                traffic: traffic.clone(),
                serving: serving.clone(),
                warm: warm.clone(),
            }),
        };
        self.told.extend(news.map(|it| (placed.sequence, placed.at_ms, it)));
    }

    fn tell_overridden(&mut self, at_ms: u64) {
        for finding in self.row.overridden() {
            let finding: Finding = finding.clone();
            self.told.push((0, at_ms, News::Found { finding, overridden: true }));
        }
    }

    fn step(&mut self, index: usize, event: &Event) -> Option<News> {
        let step = self.plan?.steps.get(index)?;
        let status = self.statuses.get_mut(index)?;
        *status = status.after(event)?;
        Some(News::Step {
            index,
            word: step.word().to_owned(),
            subject: describe::subject(step),
            status: *status,
            failure: fold::failure(event).cloned(),
        })
    }
}

fn note(text: &str) -> News {
    News::Note { text: text.to_owned() }
}
