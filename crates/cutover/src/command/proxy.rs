//! `proxy start|stop|restart|status`

use super::{confirm, upgrade::Upgrade};
use crate::{
    cli::{EXIT_UNREACHABLE, grammar::ProxyAct},
    configuration::{self, is_root},
    controller::{signal, until_gone},
    halt::Halt,
    session::Session,
    ui::figure::duration,
};
use drivers::layout::Layout;
use model::failure::{Blame, Failure};
use proxy::{
    client::ask_async,
    control::{Answer, Ask, Status},
};
use rustix::process::Signal;
use std::{
    env,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};
use supervise::{
    HolderAnswer, HolderAsk,
    client::{ClientError, ask_holder, read_holder_status},
    holder_spec::HolderSpec,
};

/// For the proxy to say how it is.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// For it to finish what is in flight; its holder ends it after 60 s.
const END_WAIT: Duration = Duration::from_secs(75);
/// For a new proxy to answer; its holder gives it 10 s.
const REPLACE_WAIT: Duration = Duration::from_secs(15);
/// A deployment is at it.
const EXIT_BUSY: u8 = 6;

/// Does it.
///
/// # Errors
///
/// Where it was not done.
pub async fn run(session: &Session, act: &ProxyAct) -> Result<u8, Halt> {
    match act {
        ProxyAct::Start => start(session).await,
        ProxyAct::Stop { yes } => {
            if !yes {
                let what = "Nothing is served while the proxy is stopped.";
                if !session.ui.can_ask() {
                    return Err(confirm::refused("stop"));
                }
                confirm::typed("stop", what)?;
            }
            let what = "the proxy to finish what is in flight";
            let ended = session.ui.waiting(what, end(&session.root)).await?;
            session.ui.done(if ended { "the proxy has ended" } else { "the proxy does not run" });
            Ok(0)
        }
        ProxyAct::Restart { left_over } => restart(session, *left_over).await,
        ProxyAct::Upgrade { limit } => {
            let upgrade = Upgrade::by_this_program(session, limit.ms())?;
            let replaced = upgrade.proxy().await?;
            session.ui.done(&replaced.text("the proxy"));
            Ok(0)
        }
        ProxyAct::Status => status(session).await,
    }
}

async fn start(session: &Session) -> Result<u8, Halt> {
    let listen = listen(session)?;
    let program = env::current_exe()
        .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&session.root)
        .map_err(|it| Failure::new(Blame::Platform, format!("make the state directory: {it}")))?;
    let router = drivers::local(session.root.clone(), program).router;
    router.ensure(&listen).await.map_err(|it| Halt::of(2, it))?;
    let configuration = configuration::read(session)?;
    if let Some(peers) = configuration.and_then(|it| it.document.trusted()) {
        router.trust(&peers).await.map_err(|it| Halt::of(2, it))?;
    }
    if let Some(configuration) = configuration::read(session)? {
        for (id, edge) in configuration.document.edges() {
            // What is wrong with it is told by the status below.
            router.edge(&id, edge.as_ref()).await.map_err(|it| Halt::of(2, it))?;
        }
    }
    status(session).await
}

/// Both accept until the new one surely serves; the old one then finishes what it has.
async fn restart(session: &Session, left_over: bool) -> Result<u8, Halt> {
    let Some(status) = asked(&session.root).await else {
        return Err(Halt::unreachable(
            Failure::new(Blame::Request, "replace the proxy: it does not run")
                .hint("`cutover proxy start` starts it"),
        ));
    };
    let holder = read_holder_status(&session.root).map(|it| it.pid);
    if left_over && parent(status.pid) == holder {
        session.ui.done("the proxy is its holder's own: nothing to replace");
        return Ok(0);
    }
    let program = env::current_exe()
        .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
    let pid = replaced(&session.root, &status, program, None).await?;
    session.ui.done(&format!("the proxy was replaced (pid {} by {pid})", status.pid));
    Ok(0)
}

/// Not while the proxy decides which of two releases serves.
///
/// # Errors
///
/// It does.
pub(super) fn refuse_in_probation(status: &Status) -> Result<(), Halt> {
    let tried = status.environments.iter().find(|it| it.1.probation.is_some());
    let Some((name, _)) = tried else { return Ok(()) };
    let what = format!("replace the proxy: a release of {name} is on probation");
    Err(Halt::of(EXIT_BUSY, Failure::new(Blame::Request, what))
        .hint("try again when the deployment has ended"))
}

/// Has the holder put a proxy of `program` in the place of the one that runs; the new one's pid.
///
/// # Errors
///
/// The old one serves on.
pub(super) async fn replaced(
    root: &Path,
    status: &Status,
    program: PathBuf,
    limit_ms: Option<u64>,
) -> Result<u32, Halt> {
    refuse_in_probation(status)?;
    let root = root.to_owned();
    let ask = HolderAsk::Replace { program: Some(program), limit_ms };
    let answer = tokio::task::spawn_blocking(move || ask_holder(&root, &ask, REPLACE_WAIT)).await;
    let why = match answer {
        Ok(Ok(HolderAnswer::Replaced { pid })) => return Ok(pid),
        Ok(Ok(HolderAnswer::Refused { message })) => message,
        Ok(Ok(other)) => format!("its holder answered {other:?}"),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(Failure::new(Blame::Platform, format!("replace the proxy: {why}")).into())
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets, and may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Where it listened last or, the first time, where the configuration says.
fn listen(session: &Session) -> Result<Vec<String>, Halt> {
    let path = session.layout().holder_spec();
    if let Some(configuration) = configuration::read(session)? {
        return Ok(configuration.document.listen(is_root()));
    }
    let spec = fs::read(path).ok().and_then(|it| serde_json::from_slice::<HolderSpec>(&it).ok());
    match spec {
        Some(spec) => Ok(spec.listen),
        None => configuration::expect(session).map(|it| it.document.listen(is_root())),
    }
}

pub(super) async fn asked(root: &Path) -> Option<Status> {
    match ask_async(root, &Ask::Status, ANSWER_WAIT).await {
        Ok(Answer::Status(status)) => Some(status),
        _ => None,
    }
}

async fn status(session: &Session) -> Result<u8, Halt> {
    let Some(status) = asked(&session.root).await else {
        let log = Layout::new(&session.root).proxy().join("proxy.log");
        if session.ui.is_json() {
            session.ui.line("null");
        } else {
            session.ui.line("the proxy does not run");
            session.ui.note(&format!("`cutover proxy start` starts it; see {}", log.display()));
        }
        return Ok(EXIT_UNREACHABLE);
    };
    if session.ui.is_json() {
        session.ui.object(&status);
        return Ok(0);
    }
    session.ui.line(&format!(
        "the proxy runs (pid {}, up {}) on {}; {} connections",
        status.pid,
        duration(status.uptime_ms),
        status.addresses.join(", "),
        status.connections
    ));
    for (name, environment) in &status.environments {
        let probation = environment.probation.as_ref();
        let probation = probation
            .map(|it| format!(", on probation ({} left)", duration(it.expires_in_ms)))
            .unwrap_or_default();
        let in_flight: u64 = environment.in_flight.values().sum();
        session.ui.line(&format!(
            "  {name}: generation {}{probation}, {in_flight} in flight, {} held",
            environment.generation, environment.held
        ));
    }
    for it in &status.leaving {
        let (pid, connections) = (it.pid, it.connections);
        session
            .ui
            .line(&format!("  the one before it (pid {pid}) finishes {connections} connections"));
    }
    for alert in &status.alerts {
        session.ui.line(&session.ui.paint.warning(&format!("  ! {alert}")));
    }
    Ok(0)
}

/// Ends the proxy and its holder once what is in flight has finished; false where none ran.
///
/// # Errors
///
/// Where they do not end.
pub async fn end(root: &Path) -> Result<bool, Halt> {
    let before = asked(root).await.map(|it| it.pid);
    let asked_root = root.to_owned();
    let answer =
        tokio::task::spawn_blocking(move || ask_holder(&asked_root, &HolderAsk::Stop, END_WAIT));
    let holder = match answer.await {
        Ok(Ok(HolderAnswer::Stopped { .. })) => true,
        Ok(Err(ClientError::NotRunning)) => false,
        Ok(Err(error)) => return Err(not_ended(&error.to_string())),
        Ok(Ok(other)) => return Err(not_ended(&format!("its holder answered {other:?}"))),
        Err(error) => return Err(not_ended(&error.to_string())),
    };
    // A proxy whose holder died serves on, and is ended by itself.
    if let Some(pid) = before {
        if !holder {
            signal(pid, Signal::TERM);
        }
        if !until_gone(pid, END_WAIT).await {
            return Err(not_ended(&format!("pid {pid} goes on")));
        }
    }
    Ok(holder || before.is_some())
}

fn not_ended(why: &str) -> Halt {
    Halt::of(5, Failure::new(Blame::Platform, format!("end the proxy: {why}")))
        .hint("see proxy/proxy.log and proxy/holder.log in the state directory")
}
