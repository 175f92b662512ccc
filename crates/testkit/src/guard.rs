//! Children that never outlive their test.

use crate::time::eventually;
use std::{
    io,
    process::{Child, Command, ExitStatus},
    time::Duration,
};

/// A child that is killed and waited for when this is dropped, also when the test panics.
#[derive(Debug)]
pub struct Killed {
    child: Child,
}

impl Killed {
    /// Starts `command` under the guard.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self::from)
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends the child a signal; one that has been waited for gets none.
    ///
    /// # Panics
    /// If the system refuses: the child is ours.
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        if self.exited().is_some() {
            return;
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("a child may be signalled");
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// If it cannot be waited for: the child is ours.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it has not ended in time.
    pub fn ended(&mut self, timeout: Duration) -> ExitStatus {
        let what = format!("process {} ends", self.pid());
        eventually(&what, timeout, || self.exited())
    }
}

impl From<Child> for Killed {
    fn from(child: Child) -> Self {
        Self { child }
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only for a child that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn ends_the_child_on_drop() {
        let killed = Killed::start(Command::new("sleep").arg("600")).unwrap();
        let proc = format!("/proc/{}", killed.pid());
        assert!(Path::new(&proc).exists());
        drop(killed);
        assert!(!Path::new(&proc).exists());
    }
}
