//! The lines of the journal: one a row, in JSON, in the order of their sequence numbers.

use crate::trouble::Trouble;
use model::{
    deployment::Traffic,
    failure::Failure,
    id::InstanceId,
    journal::{Outcome, Record},
    plan::ReleaseLabel,
};
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};

/// What a line says.  Read by later builds for years: words are added, never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The lock was taken.
    Accepted,
    /// The plan was made.
    Planned,
    /// About a step, or about the deployment.
    Record {
        /// It.
        record: Record,
    },
    /// An operator had it go on.
    Reopened,
    /// It ended.
    Ended {
        /// So.
        outcome: Outcome,
        /// The first failure.
        failure: Option<Failure>,
        /// What the proxy counted.
        traffic: Option<Traffic>,
        /// What served then.
        serving: Option<ReleaseLabel>,
        /// What was kept warm then, until when (Unix time in ms).
        warm: Vec<(InstanceId, u64)>,
    },
}

/// A line with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Rises over all deployments.
    pub sequence: u64,
    /// Unix time in ms.
    pub at_ms: u64,
    /// What it says.
    pub line: Line,
}

/// Adds a line; returns its sequence number.
pub fn add(
    transaction: &Transaction<'_>,
    deployment: i64,
    line: &Line,
    at_ms: u64,
) -> Result<u64, Trouble> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO line (deployment, epoch, at_ms, body) \
         SELECT ?1, epoch, ?2, ?3 FROM epoch RETURNING sequence",
    )?;
    let body = serde_json::to_string(line)?;
    Ok(insert.query_row(params![deployment, at_ms, body], |it| it.get(0))?)
}

/// All lines of a deployment, in order.
pub fn all(connection: &Connection, deployment: i64) -> Result<Vec<Placed>, Trouble> {
    let mut select = connection.prepare_cached(
        "SELECT sequence, at_ms, body FROM line WHERE deployment = ?1 ORDER BY sequence",
    )?;
    let rows = select
        .query_map([deployment], |it| Ok((it.get(0)?, it.get(1)?, it.get::<_, String>(2)?)))?;
    let mut lines = vec![];
    for row in rows {
        let (sequence, at_ms, body) = row?;
        lines.push(Placed { sequence, at_ms, line: serde_json::from_str(&body)? });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{failure::Blame, journal::Event};

    #[test]
    fn lines_are_written_as_earlier_builds_wrote_them() {
        let failure = Failure::new(Blame::Release, "see it healthy").hint("look").evidence("500");
        let step = |event| Line::Record { record: Record::Step(3, event) };
        let traffic = Traffic { requests: 9, failed: 1, p99_us: 1500, ..Traffic::default() };
        let ended = Line::Ended {
            outcome: Outcome::RolledBack,
            failure: Some(Failure::new(Blame::Platform, "x")),
            traffic: Some(traffic),
            serving: None,
            warm: vec![(InstanceId("i".to_owned()), 7)],
        };
        let golden = [
            (Line::Accepted, r#"{"line":"accepted"}"#),
            (Line::Planned, r#"{"line":"planned"}"#),
            (Line::Reopened, r#"{"line":"reopened"}"#),
            (
                step(Event::Began { attempt: 2 }),
                r#"{"line":"record","record":{"step":[3,{"began":{"attempt":2}}]}}"#,
            ),
            (
                step(Event::Failed(failure)),
                concat!(
                    r#"{"line":"record","record":{"step":[3,{"failed":{"blame":"release","#,
                    r#""message":"see it healthy","hints":["look"],"evidence":["500"]}}]}}"#
                ),
            ),
            (step(Event::Done), r#"{"line":"record","record":{"step":[3,"done"]}}"#),
            (
                Line::Record { record: Record::AbortAsked },
                r#"{"line":"record","record":"abort_asked"}"#,
            ),
            (
                Line::Record { record: Record::Baked { nonce: "n".to_owned(), verdict: None } },
                r#"{"line":"record","record":{"baked":{"nonce":"n"}}}"#,
            ),
            (
                Line::Record {
                    record: Record::Baked { nonce: "n".to_owned(), verdict: Some("good".into()) },
                },
                r#"{"line":"record","record":{"baked":{"nonce":"n","verdict":"good"}}}"#,
            ),
            (
                ended,
                concat!(
                    r#"{"line":"ended","outcome":"rolled_back","failure":{"blame":"platform","#,
                    r#""message":"x","hints":[],"evidence":[]},"traffic":{"requests":9,"#,
                    r#""failed":1,"held":0,"p99_us":1500},"serving":null,"warm":[["i",7]]}"#
                ),
            ),
        ];
        for (line, text) in golden {
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
            assert_eq!(serde_json::from_str::<Line>(text).unwrap(), line);
        }
    }
}
