//! `setup`

use super::daemon as controller_role;
use crate::{
    cli::{EXIT_ATTENTION, grammar::setup::Setup},
    configuration::is_root,
    controller::{self, Controller, signal, until_gone},
    halt::Halt,
    session::Session,
};
use drivers::{
    state::is_alive,
    units::{self, Condition, Part, Shown, Units},
};
use model::failure::{Blame, Failure};
use rustix::process::Signal;
use serde_json::json;
use std::{env, fs, os::unix::fs::MetadataExt, path::Path, time::Duration};
use supervise::client::{is_holder, read_holder_status};

/// For a holder that was killed.
const KILLED_WAIT: Duration = Duration::from_secs(5);
/// Group and others may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Writes the units and starts them, prints them, or removes them.
///
/// # Errors
///
/// Where it was not done.
pub async fn run(session: &Session, args: &Setup) -> Result<u8, Halt> {
    let program = env::current_exe()
        .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
    if args.user {
        return Err(of_a_user());
    }
    let root = session.root.clone();
    let units = Units { root, program, name: args.name.to_string() };
    if args.dry_run {
        return show(session, &units);
    }
    if !is_root() {
        return Err(Halt::usage("set up: only root may write units for the whole host")
            .hint("run it as `sudo cutover setup`; `--dry-run` shows what it would write")
            .hint("without it verbs start the controller, and nothing comes back after a boot"));
    }
    if !units::is_running() {
        let message = "set up: systemd is not what this host was booted with";
        return Err(Halt::of(2, Failure::new(Blame::Platform, message))
            .hint("have your init run `cutover daemon --root DIR`: it starts all the rest"));
    }
    if args.remove {
        return remove(session, &units, args.force).await;
    }
    refuse_writable(&units.program)?;
    refuse_other(session, &units)?;
    let written = blocking({
        let (units, force) = (units.clone(), args.force);
        move || units.install(force)
    })
    .await
    .map_err(by_hand)?;
    let started = take_over(session, &units, &written).await?;
    say(session, &units, &written, &started);
    Ok(0)
}

/// What `systemctl --user` runs ends when its user logs out for the last time, unless somebody
/// with rights asked for lingering; it may bind no low port, and starts nothing before a login.
fn of_a_user() -> Halt {
    Halt::usage(
        "set up units of a user: they end with that user's last session, and come back at a login, \
         not at a boot",
    )
    .hint(
        "`sudo cutover setup` makes units of the host; instances may still run as a user (`user`)",
    )
    .hint("without root: run `cutover daemon` by your own init or `@reboot` in crontab")
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let panicked = |_| Failure::new(Blame::Us, "ask systemd: the thread ended".to_owned());
    tokio::task::spawn_blocking(act).await.map_err(panicked)?
}

/// Of a unit that somebody changed, which is nobody's mistake.
fn by_hand(failure: Failure) -> Halt {
    match failure.hints.iter().any(|it| it.contains("--force")) {
        true => Halt::of(EXIT_ATTENTION, failure),
        false => failure.into(),
    }
}

fn show(session: &Session, units: &Units) -> Result<u8, Halt> {
    let found = units.look()?;
    if session.ui.is_json() {
        let all: Vec<_> = found
            .iter()
            .map(|(it, is)| json!({ "unit": it.name, "condition": is, "text": it.text }))
            .collect();
        session.ui.object(&json!({ "units": all }));
        return Ok(0);
    }
    for (file, condition) in &found {
        let what = match condition {
            Condition::Absent => "would be written",
            Condition::Same => "is so already",
            Condition::Outdated => "would be replaced",
            Condition::Edited => "was changed by hand: only `--force` would replace it",
            Condition::Foreign => "is not ours: it would be refused",
        };
        session.ui.out.print(&format!("==> {}: {what}\n{}\n", file.name, file.text));
    }
    session.ui.note("nothing was changed");
    Ok(0)
}

/// Root will execute it at every boot.
fn refuse_writable(program: &Path) -> Result<(), Halt> {
    let mut above = Some(program);
    while let Some(path) = above {
        let meta = fs::symlink_metadata(path)
            .map_err(|it| Failure::new(Blame::Platform, format!("look at this program: {it}")))?;
        // In a directory such as /tmp nobody replaces what others own.
        let is_sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
        if meta.uid() != 0 || (meta.mode() & WRITABLE_BY_OTHERS != 0 && !is_sticky) {
            let what = format!("set up: others than root may replace {}", path.display());
            return Err(Halt::usage(what)
                .hint("`install -m 755 cutover /usr/local/bin/cutover`, and run that one"));
        }
        above = path.parent();
    }
    Ok(())
}

/// One state directory has one set of units.
fn refuse_other(session: &Session, units: &Units) -> Result<(), Halt> {
    let Some(name) = units::name_of(&session.layout()).filter(|it| *it != units.name) else {
        return Ok(());
    };
    let root = session.root.display();
    Err(Halt::usage(format!("set up: the units of {root} are called {name}"))
        .hint(format!("remove them first: `cutover setup --remove --name {name}`")))
}

/// What runs beside the units ends, so that the units run it: first the holder, whose proxy serves
/// on until the unit's holder has its listeners; then the controller.  Tells what was started.
async fn take_over(
    session: &Session,
    units: &Units,
    written: &[String],
) -> Result<Vec<String>, Halt> {
    let mut started = vec![];
    let controller = Controller::new(&session.root);
    let unit = Part::Controller.unit(&units.name);
    let ours = main_pid(&unit).await?;
    let runs = controller.info().await.ok().map(|it| it.pid);
    // It would start another holder in the place of one that ends.
    if runs.is_some() && runs != ours {
        controller_role::end(&controller).await?;
    }
    for part in Part::ALL {
        let name = part.unit(&units.name);
        if part == Part::Proxy && !session.layout().holder_spec().exists() {
            continue;
        }
        if part == Part::Proxy {
            end_other_holder(session, &name).await?;
        }
        let is_active = blocking({
            let name = name.clone();
            move || units::is_active(&name)
        })
        .await?;
        // To stop the one that ends all instances would do just that.
        let anew = written.contains(&name) && part != Part::Instances;
        if is_active && !anew {
            continue;
        }
        let act = if is_active { units::restart } else { units::start };
        blocking({
            let name = name.clone();
            move || act(&name)
        })
        .await?;
        started.push(name);
    }
    Ok(started)
}

async fn main_pid(unit: &str) -> Result<Option<u32>, Failure> {
    let unit = unit.to_owned();
    blocking(move || Ok(Shown::of(&unit, &["MainPID"])?.main_pid())).await
}

async fn end_other_holder(session: &Session, unit: &str) -> Result<(), Halt> {
    let holder = read_holder_status(&session.root).map(|it| it.pid).filter(|it| is_alive(*it));
    let Some(pid) = holder else { return Ok(()) };
    if main_pid(unit).await? == Some(pid) || !is_holder(pid, &session.root) {
        return Ok(());
    }
    signal(pid, Signal::KILL);
    if until_gone(pid, KILLED_WAIT).await {
        return Ok(());
    }
    let message = format!("set up: the holder of the listeners (pid {pid}) does not end");
    Err(Failure::new(Blame::Platform, message).into())
}

fn say(session: &Session, units: &Units, written: &[String], started: &[String]) {
    let all: Vec<String> = Part::ALL.into_iter().map(|it| it.unit(&units.name)).collect();
    if session.ui.is_json() {
        session.ui.object(&json!({ "units": all, "written": written, "started": started }));
        return;
    }
    for name in written {
        session.ui.line(&format!("wrote /etc/systemd/system/{name}"));
    }
    for name in started {
        session.ui.line(&format!("started {name}"));
    }
    let proxy = Part::Proxy.unit(&units.name);
    if !session.layout().holder_spec().exists() {
        session.ui.note(&format!("{proxy} is started by the first deployment"));
    }
    session.ui.note(&format!("`systemctl status '{}*'` shows them", units.name));
    let next = "everything serves again after a boot; next: `cutover status`";
    session.ui.done(match written.is_empty() && started.is_empty() {
        true => "nothing to change: the units are as they shall be, and run",
        false => next,
    });
}

async fn remove(session: &Session, units: &Units, forced: bool) -> Result<u8, Halt> {
    let ran = Controller::new(&session.root).info().await.is_ok();
    let names: Vec<String> = units
        .look()?
        .into_iter()
        .filter(|it| it.1 != Condition::Absent)
        .map(|it| it.0.name)
        .collect();
    let removed = blocking({
        let units = units.clone();
        move || units.remove(forced)
    })
    .await
    .map_err(by_hand)?;
    if ran && !removed.is_empty() {
        controller::start(session, false).await?;
    }
    if session.ui.is_json() {
        session.ui.object(&json!({ "removed": removed }));
        return Ok(0);
    }
    for name in &removed {
        session.ui.line(&format!("removed /etc/systemd/system/{name}"));
    }
    for name in names.iter().filter(|it| !removed.contains(it)) {
        session.ui.note(&format!("{name} is not ours: it was left"));
    }
    session.ui.done(match removed.is_empty() {
        true => "there were no units of ours",
        false => "the units are gone; what serves goes on until the host goes down",
    });
    Ok(0)
}
