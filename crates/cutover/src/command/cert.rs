//! `cert check|reload|list|renew`

mod renew;

use crate::{
    cli::{EXIT_UNREACHABLE, grammar::cert::CertAct},
    configuration,
    halt::Halt,
    session::Session,
};
use drivers::{
    acme,
    router::embedded::{looked_at, looked_at_one},
};
use model::failure::{Blame, Failure};
use proxy::{
    certificate::Facts,
    challenge::issued_path,
    client::ask_async,
    control::{Answer, Ask, CertificateStatus},
    edge::CertificateFiles,
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
    /// Where an authority issues it: how that stands.
    issued: Option<acme::Report>,
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
                    lines.push(Line { environment, host, facts, trouble, issued: None });
                }
                for host in edge.iter().flat_map(|it| &it.acme).flat_map(|it| &it.hosts) {
                    lines.push(issued(session, &id.to_string(), host)?);
                }
            }
            Ok(told(session, &lines, "it cannot be presented"))
        }
        CertAct::Reload => {
            take(session).await?;
            presented(session, &Ask::Edges).await
        }
        CertAct::List => presented(session, &Ask::Status).await,
        CertAct::Renew { host } => renew::run(session, host.as_deref()).await,
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
    let reports = reports(session)?;
    let lines: Vec<Line> = certificates
        .into_iter()
        .map(|it| Line {
            environment: it.environment.replacen('.', "/", 1),
            issued: reports.iter().find(|of| is_of(session, of, &it)).cloned(),
            host: it.host,
            facts: it.facts,
            trouble: it.trouble,
        })
        .collect();
    Ok(told(session, &lines, "nothing is presented"))
}

/// How it stands, of a host whose certificate an authority is to issue.
fn issued(session: &Session, environment: &str, host: &str) -> Result<Line, Halt> {
    let report = reports(session)?.into_iter().find(|it| it.host == host);
    let path = issued_path(&session.root, host);
    // One that is to come is no trouble.
    let found = path.exists().then(|| {
        let files = CertificateFiles { certificate: path.clone(), key: path.clone() };
        looked_at_one(&files, host)
    });
    let (facts, trouble) = found.map_or((None, None), |it| (it.clone().ok(), it.err()));
    let (environment, host) = (environment.to_owned(), host.to_owned());
    Ok(Line { environment, host, facts, trouble, issued: report })
}

fn reports(session: &Session) -> Result<Vec<acme::Report>, Halt> {
    acme::reports(&session.root).map_err(|it| Halt::of(2, it))
}

fn is_of(session: &Session, report: &acme::Report, told: &CertificateStatus) -> bool {
    report.host == told.host && told.files.certificate == issued_path(&session.root, &told.host)
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
            (None, None) => ui.paint.warning("none has been issued yet"),
            (None, Some(_)) => ui.paint.bad(none),
        };
        ui.line(&format!("{} {}: {said}", line.environment, line.host));
        if let Some(trouble) = &line.trouble {
            ui.line(&format!("  {}", ui.paint.warning(trouble)));
        }
        if let Some(report) = &line.issued {
            ui.line(&format!("  issued by {}; asked for next {}", report.directory, next(report)));
        }
        if let Some(error) = line.issued.as_ref().and_then(|it| it.error.as_ref()) {
            ui.line(&format!("  {}", ui.paint.warning(&format!("the last try failed: {error}"))));
        }
    }
    code
}

fn until(facts: &Facts) -> String {
    format!("of {}, good until {}", facts.names.join(", "), day(facts.ends_at_s))
}

fn next(report: &acme::Report) -> String {
    let now = jiff::Timestamp::now().as_second();
    if report.next_at_s <= now { "now".to_owned() } else { day(report.next_at_s) }
}

fn day(at_s: i64) -> String {
    let day = jiff::Timestamp::from_second(at_s).ok();
    day.map_or_else(|| "?".to_owned(), |it| it.strftime("%F %R UTC").to_string())
}
