//! Has our processes run another build, one after the other.

use super::{daemon, proxy};
use crate::{
    build::{Build, Builds},
    controller::{self, Controller, signal, until_gone},
    halt::Halt,
    session::Session,
};
use drivers::{
    state::is_alive,
    units::{self, Part},
};
use model::failure::{Blame, Failure};
use rustix::process::Signal;
use std::{
    env,
    path::PathBuf,
    time::{Duration, Instant},
};
use supervise::client::{is_holder, read_holder_status, spawn_holder};

/// For a holder that was killed, and for the next one to hold the listeners.
const HOLDER_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What runs shall run `program`.
pub struct Upgrade<'a> {
    session: &'a Session,
    program: PathBuf,
    build: Build,
    limit_ms: u64,
}

/// What became of one process.
pub struct Replaced {
    /// Before; none: it did not run.
    pub before: Option<u32>,
    /// The one that runs now.
    pub after: Option<u32>,
}

impl Replaced {
    /// In words.
    pub fn text(&self, who: &str) -> String {
        match (self.before, self.after) {
            (Some(before), Some(after)) if before == after => {
                format!("{who} runs this build already")
            }
            (Some(before), Some(after)) => format!("{who} was replaced (pid {before} by {after})"),
            _ => format!("{who} does not run; it is of this build when it does"),
        }
    }
}

impl<'a> Upgrade<'a> {
    /// To the build that is asked now.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not there any more.
    pub fn by_this_program(session: &'a Session, limit_ms: u64) -> Result<Upgrade<'a>, Halt> {
        let program = env::current_exe()
            .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
        Upgrade::to(session, program, limit_ms)
    }

    /// To what lies at `program`.
    ///
    /// # Errors
    ///
    /// As [`Upgrade::by_this_program`].
    pub fn to(session: &'a Session, program: PathBuf, limit_ms: u64) -> Result<Self, Halt> {
        let build = Build::of_file(&program).map_err(|it| {
            let path = program.display();
            Failure::new(Blame::Platform, format!("read the program {path}: {it}"))
        })?;
        Ok(Upgrade { session, program, build, limit_ms })
    }

    fn runs_it(&self, pid: u32) -> bool {
        Builds::default().of_process(pid).is_ok_and(|it| it == self.build)
    }

    fn refuse_other(&self, what: &str, pid: u32) -> Result<(), Halt> {
        if self.runs_it(pid) {
            return Ok(());
        }
        let path = self.program.display();
        let message = format!("upgrade {what}: pid {pid} runs something else than {path}");
        Err(Halt::from(Failure::new(Blame::Platform, message))
            .hint("where units run it: `cutover setup` makes them run this program"))
    }

    /// The proxy and, once that serves, what holds its listeners.
    ///
    /// # Errors
    ///
    /// The old proxy serves on.
    pub async fn proxy(&self) -> Result<Replaced, Halt> {
        let Some(status) = proxy::asked(&self.session.root).await else {
            return Ok(Replaced { before: None, after: None });
        };
        let before = status.pid;
        if self.runs_it(before) && self.holder_pid().is_some_and(|it| self.runs_it(it)) {
            return Ok(Replaced { before: Some(before), after: Some(before) });
        }
        let after = match units::unit_of(&self.session.layout(), Part::Proxy) {
            Some(unit) => {
                proxy::refuse_in_probation(&status)?;
                // Its holder has the next proxy take the place of this one.
                blocking(move || units::restart(&unit)).await?;
                let status = proxy::asked(&self.session.root).await;
                status.map_or(before, |it| it.pid)
            }
            None => {
                let (root, program) = (&self.session.root, self.program.clone());
                let limit_ms = Some(self.limit_ms);
                let after = proxy::replaced(root, &status, program, limit_ms).await?;
                self.holder().await?;
                after
            }
        };
        self.refuse_other("the proxy", after)?;
        Ok(Replaced { before: Some(before), after: Some(after) })
    }

    fn holder_pid(&self) -> Option<u32> {
        let root = &self.session.root;
        let pid = read_holder_status(root).map(|it| it.pid)?;
        (is_alive(pid) && is_holder(pid, root)).then_some(pid)
    }

    /// The proxy has the listeners as well, so that the holder may end, and gives them to the next.
    async fn holder(&self) -> Result<(), Halt> {
        let failed = |what: String| {
            let message = format!("upgrade what holds the proxy's listeners: {what}");
            Halt::of(5, Failure::new(Blame::Platform, message))
                .hint("the proxy serves; `cutover proxy start` starts a holder for it")
        };
        if let Some(pid) = self.holder_pid() {
            if self.runs_it(pid) {
                return Ok(());
            }
            signal(pid, Signal::KILL);
            if !until_gone(pid, HOLDER_WAIT).await {
                return Err(failed(format!("pid {pid} does not end")));
            }
        }
        // The controller may have started one in this moment: then this one ends by itself.
        spawn_holder(&self.program, &self.session.root)
            .map_err(|it| failed(format!("{}: {it}", self.program.display())))?;
        let began = Instant::now();
        while self.holder_pid().is_none_or(|it| !self.runs_it(it)) {
            if began.elapsed() > HOLDER_WAIT {
                return Err(failed("the next one does not come; see holder.log".to_owned()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The controller: the new one starts, and ends the old one when it is about to act.
    ///
    /// # Errors
    ///
    /// The new one does not come up; the old one may have ended.
    pub async fn controller(&self) -> Result<Replaced, Halt> {
        let controller = Controller::new(&self.session.root);
        let Ok(before) = controller.info().await else {
            return Ok(Replaced { before: None, after: None });
        };
        if self.runs_it(before.pid) {
            return Ok(Replaced { before: Some(before.pid), after: Some(before.pid) });
        }
        let started = controller::start_of(self.session, true, &self.program).await;
        let after = match started {
            Ok(controller) => controller.info().await?.pid,
            Err(halt) => return Err(halt.hint(self.who_goes_on(before.pid).await)),
        };
        self.refuse_other("the controller", after)?;
        Ok(Replaced { before: Some(before.pid), after: Some(after) })
    }

    async fn who_goes_on(&self, before: u32) -> String {
        match Controller::new(&self.session.root).info().await {
            Ok(info) if info.pid == before => format!("the old controller (pid {before}) goes on"),
            _ => "no controller runs; what serves goes on".to_owned(),
        }
    }

    /// Makes sure that none is left of what does not work, before the former program is started.
    pub async fn end_controller(&self) {
        let controller = Controller::new(&self.session.root);
        // One that does not answer is replaced by force.
        let _ = daemon::end(&controller).await;
    }
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let panicked = |_| Failure::new(Blame::Us, "ask systemd: the thread ended".to_owned());
    tokio::task::spawn_blocking(act).await.map_err(panicked)?
}
