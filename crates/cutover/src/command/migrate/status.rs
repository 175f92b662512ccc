//! `migrate status`

use super::Database;
use crate::{
    command::carry, controller::CallError, halt::Halt, session::Session, ui::one_off::remark,
};
use daemon::one_off::{Cursor, News};
use model::{
    journal::Outcome,
    migrate::{Said, State},
    one_off::{Asked, Ended},
};
use serde_json::json;

/// A tool may take so long to say how the database is.
const TIME_MAX_MS: u64 = 60_000;

/// Asks the tool, and says what its words mean.
pub(super) async fn run(
    session: &Session,
    database: &Database,
    command: Vec<String>,
) -> Result<u8, Halt> {
    let asked = Asked {
        id: ulid::Ulid::generate().to_string(),
        environment: database.environment.clone(),
        service: Some(database.service.clone()),
        version: Some(database.release.version.clone()),
        command,
        time_limit_ms: Some(TIME_MAX_MS),
        detached: false,
        by: session.by.clone(),
        migration: None,
    };
    let (said, ended) = session.ui.waiting("the tool to answer", ask(session, &asked)).await?;
    let tool = database.spec.tool;
    let state = said.state(tool);
    if session.ui.is_json() {
        session.ui.object(&json!({
            "environment": database.environment.to_string(),
            "service": database.service,
            "version": database.release.version,
            "tool": tool,
            "state": word(state),
            "applied": said.applied(tool),
            "exit_code": said.code,
            "out": said.out,
            "error": said.error,
        }));
    } else {
        session.ui.out.print(&said.out);
        if !said.error.is_empty() {
            session.ui.out.error(said.error.trim_end());
        }
        if let Some(remark) = remark(&ended) {
            session.ui.out.error(&format!("cutover: {remark}"));
        }
        let (service, version) = (&database.service, &database.release.version);
        session.ui.line(&format!("{service}, by {version}: {}", sentence(state)));
    }
    Ok(if state == State::Unclear { Outcome::NeedsAttention.exit_code() } else { 0 })
}

fn word(state: State) -> &'static str {
    match state {
        State::Done => "done",
        State::Pending => "pending",
        State::Unclear => "unclear",
    }
}

fn sentence(state: State) -> &'static str {
    match state {
        State::Done => "nothing is left to be applied",
        State::Pending => "something is left to be applied",
        State::Unclear => "the tool does not say how the database stands",
    }
}

async fn ask(session: &Session, asked: &Asked) -> Result<(Said, Ended), Halt> {
    let controller = carry::reached(session).await?;
    let id = controller.run_once(asked).await?.id.0;
    let mut lines = controller.output(&id, Cursor::default(), Cursor::default()).await?;
    let mut said = Said::default();
    while let Some(line) = lines.next().await? {
        let news: News = serde_json::from_slice(&line)
            .map_err(|it| CallError::Lost(format!("it said what is not understood: {it}")))?;
        match news {
            News::Out { text, .. } => said.out.push_str(&text),
            News::Error { text, .. } => said.error.push_str(&text),
            News::Alive => {}
            News::Ended(ended) => {
                said.code = ended.code.filter(|_| !ended.timed_out);
                return Ok((said, ended));
            }
            News::Lost { failure } => return Err(failure.into()),
        }
    }
    Err(CallError::Lost("it ended too soon".to_owned()).into())
}
