//! `cert check|reload|list`

use crate::{
    cli::{EXIT_UNREACHABLE, grammar::cert::CertAct},
    configuration,
    halt::Halt,
    session::Session,
};
use drivers::router::embedded::looked_at;
use model::failure::{Blame, Failure};
use proxy::{
    certificate::Facts,
    client::ask_async,
    control::{Answer, Ask},
};
use serde::Serialize;
use std::{env, time::Duration};

/// For the proxy to read all of them.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const EXIT_TROUBLE: u8 = 2;

/// A certificate, and what is to be said of it.
#[derive(Debug, Serialize)]
struct Line {
    environment: String,
    host: String,
    /// Of what is presented, or would be.
    facts: Option<Facts>,
    trouble: Option<String>,
}

/// Does it.
///
/// # Errors
///
/// Where it was not done.
pub async fn run(session: &Session, act: CertAct) -> Result<u8, Halt> {
    match act {
        CertAct::Check => {
            let document = configuration::expect(session)?.document;
            let mut lines = Vec::new();
            for (id, edge) in document.edges() {
                for (host, found) in edge.as_ref().map(looked_at).unwrap_or_default() {
                    let environment = id.to_string();
                    let (facts, trouble) = (found.clone().ok(), found.err());
                    lines.push(Line { environment, host, facts, trouble });
                }
            }
            Ok(told(session, &lines, "it cannot be presented"))
        }
        CertAct::Reload => {
            take(session).await?;
            presented(session, &Ask::Edges).await
        }
        CertAct::List => presented(session, &Ask::Status).await,
    }
}

/// Has the proxy take what the configuration says of each environment.
async fn take(session: &Session) -> Result<(), Halt> {
    let Some(configuration) = configuration::read(session)? else { return Ok(()) };
    let program = env::current_exe()
        .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
    let router = drivers::local(session.root.clone(), program).router;
    for (id, edge) in configuration.document.edges() {
        if ask_async(&session.root, &Ask::Status, ANSWER_WAIT).await.is_ok() {
            router.edge(&id, edge.as_ref()).await.map_err(|it| Halt::of(2, it))?;
        }
    }
    Ok(())
}

async fn presented(session: &Session, ask: &Ask) -> Result<u8, Halt> {
    let certificates = match ask_async(&session.root, ask, ANSWER_WAIT).await {
        Ok(Answer::Edges { certificates, .. }) => certificates,
        Ok(Answer::Status(status)) => status.certificates,
        Ok(Answer::Refused { message, .. }) => {
            return Err(Halt::of(2, Failure::new(Blame::Platform, message)));
        }
        Ok(_) | Err(_) => {
            session.ui.note("`cutover proxy start` starts the proxy");
            session.ui.line("the proxy does not run");
            return Ok(EXIT_UNREACHABLE);
        }
    };
    let lines: Vec<Line> = certificates
        .into_iter()
        .map(|it| Line {
            environment: it.environment.replacen('.', "/", 1),
            host: it.host,
            facts: it.facts,
            trouble: it.trouble,
        })
        .collect();
    Ok(told(session, &lines, "nothing is presented"))
}

fn told(session: &Session, lines: &[Line], none: &str) -> u8 {
    let any = lines.iter().any(|it| it.trouble.is_some());
    let code = if any { EXIT_TROUBLE } else { 0 };
    let ui = &session.ui;
    if ui.is_json() {
        ui.object(&lines);
        return code;
    }
    if lines.is_empty() {
        ui.line("no certificates");
        ui.note("name them under `proxy: { https: { certificates: … } }`");
    }
    for line in lines {
        let said = match (&line.facts, &line.trouble) {
            (Some(facts), None) => ui.paint.good(&until(facts)),
            (Some(facts), Some(_)) => format!("the old one, {}", until(facts)),
            (None, _) => ui.paint.bad(none),
        };
        ui.line(&format!("{} {}: {said}", line.environment, line.host));
        if let Some(trouble) = &line.trouble {
            ui.line(&format!("  {}", ui.paint.warning(trouble)));
        }
    }
    code
}

fn until(facts: &Facts) -> String {
    let day = jiff::Timestamp::from_second(facts.ends_at_s).ok();
    let day = day.map_or_else(|| "?".to_owned(), |it| it.strftime("%F %R UTC").to_string());
    format!("of {}, good until {day}", facts.names.join(", "))
}
