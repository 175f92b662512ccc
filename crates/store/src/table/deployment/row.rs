//! One row of the table, and the record it is a part of.

use crate::{
    fold, line,
    trouble::{Trouble, ours},
    word::{from_json, from_word},
};
use model::{
    deployment::{DeploymentRecord, Finding, Overrides, Stage, Traffic},
    failure::{Blame, Failure},
    id::DeploymentId,
    journal::Outcome,
    name::EnvironmentId,
    plan::{Kind, Plan, ReleaseLabel},
};
use rusqlite::{Connection, OptionalExtension, Params};

const COLUMNS: &str = "place, id, environment, kind, stage, outcome, superseded_by, from_release, \
                       to_release, asked_by, reason, overrides, started_at_ms, ended_at_ms, \
                       failure, overridden, plan, traffic";

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Rises with each deployment.
    pub place: i64,
    /// Its id.
    pub id: DeploymentId,
    /// Its environment.
    pub environment: EnvironmentId,
    /// Where it stands.
    pub stage: Stage,
    /// The deployment that took over from one that needs attention.
    pub superseded_by: Option<DeploymentId>,
    /// What served before, once there is a plan.
    pub from: Option<ReleaseLabel>,
    /// What shall serve after, once there is a plan.
    pub to: Option<ReleaseLabel>,
    kind: Kind,
    by: String,
    reason: Option<String>,
    overrides: Overrides,
    started_at_ms: u64,
    ended_at_ms: Option<u64>,
    failure: Option<Failure>,
    overridden: Vec<Finding>,
    /// As it was written, maybe by a build with other steps.
    plan: Option<String>,
    traffic: Option<Traffic>,
}

impl Row {
    /// The row of the deployment.
    pub fn by_id(connection: &Connection, id: &DeploymentId) -> Result<Option<Row>, Trouble> {
        let sql = format!("SELECT {COLUMNS} FROM deployment WHERE id = ?1");
        let mut select = connection.prepare_cached(&sql)?;
        let found = select.query_row([&id.0], |it| Ok(read(it))).optional()?;
        found.transpose()
    }

    /// All rows for which the condition holds, in the order it says.
    pub fn all(
        connection: &Connection,
        condition: &str,
        values: impl Params,
    ) -> Result<Vec<Row>, Trouble> {
        let sql = format!("SELECT {COLUMNS} FROM deployment WHERE {condition}");
        let mut select = connection.prepare_cached(&sql)?;
        let rows = select.query_map(values, |it| Ok(read(it)))?;
        rows.map(|it| it?).collect()
    }

    /// Whether there is a plan.
    pub fn has_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// Findings that were overridden.
    pub fn overridden(&self) -> &[Finding] {
        &self.overridden
    }

    /// The plan, if there is one that this build can read.
    pub fn plan(&self) -> Result<Option<Plan>, Failure> {
        let parse = |it: &String| serde_json::from_str(it);
        self.plan.as_ref().map(parse).transpose().map_err(|error| {
            let text = format!("read the plan of deployment {}: {error}", self.id);
            Failure::new(Blame::Us, text).hint("another version of this program wrote it")
        })
    }

    /// The record, with what its lines sum up to.
    pub fn record(self, connection: &Connection) -> Result<DeploymentRecord, Trouble> {
        let lines = line::all(connection, self.place)?;
        let (plan, unread) = match self.plan() {
            Ok(plan) => (plan, None),
            Err(failure) => (None, Some(failure)),
        };
        let steps = plan.as_ref().map(|it| fold::steps(it, &lines)).unwrap_or_default();
        let first = || steps.iter().find_map(|it| it.failure.clone());
        let failure = match self.stage {
            Stage::Ended(_) => self.failure,
            Stage::Planning | Stage::Running => first(),
        };
        Ok(DeploymentRecord {
            id: self.id,
            environment: self.environment,
            kind: self.kind,
            stage: self.stage,
            from: self.from,
            to: self.to,
            by: self.by,
            reason: self.reason,
            overrides: self.overrides,
            started_at_ms: self.started_at_ms,
            ended_at_ms: self.ended_at_ms,
            failure: failure.or(unread),
            overridden: self.overridden,
            plan,
            steps,
            traffic: self.traffic,
        })
    }
}

/// `PROJECT/ENVIRONMENT` as the columns hold it.
pub fn environment(text: &str) -> Result<EnvironmentId, Trouble> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(error) => ours(format!("make sense of a row of the journal: {error}")),
    }
}

fn read(row: &rusqlite::Row<'_>) -> Result<Row, Trouble> {
    let stage: String = row.get("stage")?;
    let outcome: Option<String> = row.get("outcome")?;
    let stage = match (stage.as_str(), outcome) {
        ("planning", None) => Stage::Planning,
        ("running", None) => Stage::Running,
        (_, Some(outcome)) => Stage::Ended(from_word::<Outcome>(outcome)?),
        (other, None) => return ours(format!("make sense of stage `{other}` in the journal")),
    };
    Ok(Row {
        place: row.get("place")?,
        id: DeploymentId(row.get("id")?),
        environment: environment(&row.get::<_, String>("environment")?)?,
        stage,
        superseded_by: row.get::<_, Option<String>>("superseded_by")?.map(DeploymentId),
        from: from_json(row.get("from_release")?)?,
        to: from_json(row.get("to_release")?)?,
        kind: from_word(row.get("kind")?)?,
        by: row.get("asked_by")?,
        reason: row.get("reason")?,
        overrides: from_json(row.get("overrides")?)?.unwrap_or_default(),
        started_at_ms: row.get("started_at_ms")?,
        ended_at_ms: row.get("ended_at_ms")?,
        failure: from_json(row.get("failure")?)?,
        overridden: from_json(row.get("overridden")?)?.unwrap_or_default(),
        plan: row.get("plan")?,
        traffic: from_json(row.get("traffic")?)?,
    })
}
