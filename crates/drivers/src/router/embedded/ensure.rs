//! Makes sure that a proxy runs, and accepts where it shall.

use super::{
    EmbeddedRouter,
    ask::{ANSWER_WAIT, RESTART_WAIT},
};
use crate::{
    file,
    state::is_alive,
    units::{self, Part},
};
use model::failure::{Blame, Failure};
use proxy::control::Ask;
use std::{
    collections::BTreeSet,
    fs,
    sync::{MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};
use supervise::{
    HolderState, HolderStatus, client,
    holder_spec::{FORMAT, HolderSpec},
};

const PAUSE: Duration = Duration::from_millis(5);
const LOG_LINES_SHOWN: usize = 10;

impl EmbeddedRouter {
    pub(super) fn ensure_now(&self, listen: &[String]) -> Result<(), Failure> {
        if listen.is_empty() {
            return Err(Failure::new(
                Blame::Request,
                "start the proxy: it has no address to listen on",
            )
            .hint("set `proxy.listen` in the configuration"));
        }
        let _turn = self.turn();
        let holder = self.holder();
        let answers = proxy::client::ask(self.layout().root(), &Ask::Status, ANSWER_WAIT).is_ok();
        if holder.is_some() || answers {
            self.refuse_other_addresses(listen)?;
        }
        match holder {
            Some(_) if answers => Ok(()),
            Some(holder) => self.until_both_answer(holder.pid),
            None => {
                // A proxy whose holder died gives its listeners to the next holder.
                if !answers {
                    refuse_taken(listen)?;
                }
                self.begin(listen)
            }
        }
    }

    /// Starts a holder in the place of one that died: its last word says that it was not asked to
    /// end.  Until then a proxy that dies is not replaced.
    pub(super) fn keep_alive_now(&self) -> Result<(), Failure> {
        let _turn = self.turn();
        if self.holder().is_some() {
            return Ok(());
        }
        let last = client::read_holder_status(self.layout().root());
        let died = last.is_some_and(|it| {
            // After a boot somebody else may have its number.
            let lives = is_alive(it.pid) && client::is_holder(it.pid, self.layout().root());
            matches!(it.state, HolderState::Serving | HolderState::Closed) && !lives
        });
        match self.holder_spec()?.filter(|_| died) {
            Some(spec) => self.begin(&spec.listen),
            None => Ok(()),
        }
    }

    /// To look for a holder and start one.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.shared.beginning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, listen: &[String]) -> Result<(), Failure> {
        let root = self.layout().root();
        let spec = HolderSpec {
            format: FORMAT,
            root: root.to_owned(),
            program: self.shared.program.clone(),
            listen: listen.to_vec(),
        };
        file::make_directory(&self.layout().proxy(), file::MODE_PRIVATE_DIRECTORY)
            .and_then(|()| {
                file::make_directory(&self.layout().routes(), file::MODE_PRIVATE_DIRECTORY)
            })
            .and_then(|()| client::write_holder_spec(root, &spec))
            .map_err(|error| file::failure("write", &self.layout().holder_spec(), &error))?;
        let pid = match units::unit_of(self.layout(), Part::Proxy) {
            // One that is not its unit's would keep the unit from ever starting.
            Some(unit) => {
                units::start(&unit).map_err(|it| self.with_logs(it))?;
                self.holder().map_or(0, |it| it.pid)
            }
            None => client::spawn_holder(&self.shared.program, root).map_err(|error| {
                let program = self.shared.program.display();
                let message = format!("run `{program} supervise --holder`: {error}");
                Failure::new(Blame::Platform, message)
            })?,
        };
        self.until_both_answer(pid)
    }

    fn until_both_answer(&self, holder_pid: u32) -> Result<(), Failure> {
        let root = self.layout().root();
        let deadline = Instant::now() + RESTART_WAIT;
        loop {
            let answers = || proxy::client::ask(root, &Ask::Status, ANSWER_WAIT).is_ok();
            if self.holder().is_some_and(|it| it.state == HolderState::Serving) && answers() {
                return Ok(());
            }
            let status = client::read_holder_status(root);
            let status = status.filter(|it| it.pid == holder_pid);
            if let Some(status) = &status
                && matches!(status.state, HolderState::Failed | HolderState::Closed)
            {
                return Err(self.explained(status));
            }
            if Instant::now() >= deadline {
                let message = format!(
                    "start the proxy: it has not answered within {} s",
                    RESTART_WAIT.as_secs()
                );
                return Err(self.with_logs(Failure::new(Blame::Platform, message)));
            }
            thread::sleep(PAUSE);
        }
    }

    fn explained(&self, status: &HolderStatus) -> Failure {
        let error = status.error.clone().unwrap_or_else(|| "nobody said why".to_owned());
        let message = match status.state {
            HolderState::Closed => format!("start the proxy: it crashed too often: {error}"),
            _ => format!("start the proxy: {error}"),
        };
        let failure = Failure::new(Blame::Platform, message).hint(OTHER_ADDRESS);
        self.with_logs(failure)
    }

    fn with_logs(&self, failure: Failure) -> Failure {
        ["holder.log", "proxy.log"].iter().fold(failure, |failure, name| {
            let path = self.layout().proxy().join(name);
            let text = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            if last.is_empty() {
                return failure;
            }
            failure.evidence(format!("{}:\n{}", path.display(), last.join("\n")))
        })
    }

    fn holder_spec(&self) -> Result<Option<HolderSpec>, Failure> {
        let path = self.layout().holder_spec();
        let failed = |error| file::failure("read", &path, &error);
        let bytes = file::read(&path).map_err(failed)?;
        bytes.map(|it| serde_json::from_slice(&it)).transpose().map_err(|it| failed(it.into()))
    }

    /// What it listens on is fixed while it runs: the listeners are what never goes away.
    fn refuse_other_addresses(&self, listen: &[String]) -> Result<(), Failure> {
        let spec = self.holder_spec()?;
        let set = |all: &[String]| all.iter().cloned().collect::<BTreeSet<_>>();
        let Some(running) = spec.filter(|it| set(&it.listen) != set(listen)) else {
            return Ok(());
        };
        let message = format!(
            "change where the proxy listens: it runs on {}, and the configuration says {}",
            running.listen.join(", "),
            listen.join(", ")
        );
        Err(Failure::new(Blame::Request, message)
            .hint(format!("set `listen` to {} again", running.listen.join(", ")))
            .hint("or run `cutover proxy stop`, then `cutover proxy start`: it refuses in between"))
    }
}

const OTHER_ADDRESS: &str =
    "set `proxy.listen` to another address, or run as a user who may use this one";

fn refuse_taken(listen: &[String]) -> Result<(), Failure> {
    for address in listen {
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let Some(port) = port.filter(|it| *it != 0) else { continue };
        let Some(owner) = supervise::port::port_owner(port) else { continue };
        let who = match owner.pid {
            0 => owner.name.clone(),
            pid => format!("{} (pid {pid})", owner.name),
        };
        let message = format!("listen on {address}: port {port} is taken by {who}");
        return Err(Failure::new(Blame::Request, message)
            .hint(format!("stop {who}, or set `proxy.listen` to another address")));
    }
    Ok(())
}
