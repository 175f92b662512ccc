//! Puts the configuration in force: stage, test, rename, reload, ask; and back where that fails.

use super::{
    Difference, Host, Nginx,
    live::{Awaited, Told},
    lock,
    place::Record,
    seal,
};
use model::{
    failure::{Blame, Failure},
    nginx::text,
};
use std::{net::SocketAddr, path::Path, time::Duration};

/// A master that finds a port taken tries five times, half a second apart.
const LIVE_WAIT: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// That nginx serves by.
    pub generation: u64,
    /// Served by it before, and had nothing to change.
    pub unchanged: bool,
    /// Old workers that end what they have, and take nothing new.
    pub ending: usize,
}

/// Why it is not in force.
#[derive(Debug)]
pub enum Trouble {
    /// Another applies at this moment.
    Busy,
    /// Somebody changed files on the host; nothing was touched.
    Edited(Vec<Difference>),
    /// Nothing was touched.
    Refused(Failure),
    /// The files from before are in their place again.
    PutBack(Failure),
    /// Neither did the new come into force, nor is it known that the old is.
    Attention(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Refused(failure)
    }
}

impl Nginx {
    /// Whether nginx would take the configuration: the host is left as it is.  True: this user
    /// could not look at ports.
    ///
    /// # Errors
    /// What nginx says against it.
    pub fn check(&self, scratch: &Path) -> Result<bool, Failure> {
        let mut files = self.files();
        let number = text::generation(&self.front, 0);
        files.push(model::nginx::NginxFile { text: seal(&number.text), path: number.path });
        self.write_generation(scratch, &files)?;
        Ok(self.test_alone(scratch)?.ports_unseen)
    }

    /// Puts the configuration in force.  `discard_edits`: what was changed by hand on the host
    /// stays only in the generation that is kept.
    ///
    /// # Errors
    /// As [`Trouble`] says.
    pub fn apply(&self, discard_edits: bool) -> Result<Applied, Trouble> {
        let Some(_held) = lock::take(&self.directory)? else { return Err(Trouble::Busy) };
        let host = self.host()?;
        let differences = self.differences(&host);
        if !host.edited.is_empty() && !discard_edits {
            let by_hand = differences.into_iter().filter(|it| it.by_hand).collect();
            return Err(Trouble::Edited(by_hand));
        }
        let record = self.record()?;
        match host.generation {
            Some(generation) if differences.is_empty() => self.renew(generation, &record),
            _ => self.put(&host, &record),
        }
    }

    /// The files are there: whether nginx serves by them.  It may have been killed before it read
    /// them, or we before it was recorded.
    fn renew(&self, generation: u64, record: &Record) -> Result<Applied, Trouble> {
        let highest = self.highest(record)?;
        if self.live().is_some_and(|it| it.generation == generation) {
            if record.generation != generation {
                self.write_record(generation, highest)?;
            }
            return Ok(Applied { generation, unchanged: true, ending: 0 });
        }
        self.included()?;
        let told = Told::now();
        self.reload()?;
        match self.await_live(generation, told, LIVE_WAIT, || self.tell_again()) {
            Awaited::Serves { ending } => {
                self.write_record(generation, highest)?;
                Ok(Applied { generation, unchanged: false, ending })
            }
            Awaited::Not { last } => Err(Trouble::Attention(self.unseen(generation, last))),
        }
    }

    fn put(&self, host: &Host, record: &Record) -> Result<Applied, Trouble> {
        let generation = self.highest(record)? + 1;
        // A number is never used again, even where nothing comes of it.
        self.write_record(record.generation, generation)?;
        let directory = self.generation_directory(generation);
        let staged = self.stage(&directory, generation);
        if let Err(failure) = staged {
            self.remove_generation(generation);
            return Err(Trouble::Refused(failure));
        }
        let before = host.generation;
        self.point(Some(generation))?;
        if let Err(failure) = self.included() {
            self.back(before, generation)?;
            return Err(Trouble::Refused(failure));
        }
        let told = Told::now();
        if let Err(failure) = self.reload() {
            return Err(self.return_to(before, generation, failure));
        }
        match self.await_live(generation, told, LIVE_WAIT, || self.tell_again()) {
            Awaited::Serves { ending } => {
                self.write_record(generation, generation)?;
                self.prune(generation)?;
                Ok(Applied { generation, unchanged: false, ending })
            }
            Awaited::Not { last } => {
                let failure = self.unseen(generation, last);
                Err(self.return_to(before, generation, failure))
            }
        }
    }

    fn stage(&self, directory: &Path, generation: u64) -> Result<(), Failure> {
        let mut files = self.files();
        let number = text::generation(&self.front, generation);
        files.push(model::nginx::NginxFile { text: seal(&number.text), path: number.path });
        self.write_generation(directory, &files)?;
        self.test_alone(directory).map(|_| ())
    }

    /// Tests everything nginx would read now, and that our files are among it.
    fn included(&self) -> Result<(), Failure> {
        if self.test_whole()? {
            return Ok(());
        }
        let message = "be included: nginx reads none of our files";
        Err(Failure::new(Blame::Request, message)
            .hint(format!("add this line to the block `http`: {}", self.include_line()))
            .hint("`cutover nginx apply --install-include` shows where"))
    }

    fn back(&self, before: Option<u64>, generation: u64) -> Result<(), Trouble> {
        self.point(before).map_err(Trouble::Attention)?;
        self.remove_generation(generation);
        Ok(())
    }

    /// The new did not come into force: the link goes back, and nginx with it.
    fn return_to(&self, before: Option<u64>, generation: u64, failure: Failure) -> Trouble {
        if let Err(trouble) = self.back(before, generation) {
            return trouble;
        }
        if self.live().is_none_or(|it| it.generation != generation) {
            return Trouble::PutBack(failure);
        }
        // Some workers did read it, perhaps of a master that was started meanwhile.
        let told = Told::now();
        let returned = self.reload().is_ok_and(|()| match before {
            Some(before) => {
                let awaited = self.await_live(before, told, LIVE_WAIT, || self.tell_again());
                matches!(awaited, Awaited::Serves { .. })
            }
            None => true,
        });
        if returned { Trouble::PutBack(failure) } else { Trouble::Attention(failure) }
    }

    fn tell_again(&self) {
        if let Err(failure) = self.reload() {
            tracing::warn!(why = failure.message, "nginx could not be told again");
        }
    }

    fn unseen(&self, generation: u64, last: Option<u64>) -> Failure {
        let seen = match last {
            Some(last) if last == generation => {
                "old workers took requests beside the new to the end".to_owned()
            }
            Some(last) => format!("it still serves by generation {last}"),
            None => "nobody answers with a generation".to_owned(),
        };
        let message = format!(
            "see nginx serve by generation {generation}: {seen}, {} s after it was told",
            LIVE_WAIT.as_secs()
        );
        let mut failure = Failure::new(Blame::Platform, message);
        for owner in self.strangers() {
            failure = failure.evidence(owner);
        }
        failure.hint("nginx's error log says why it did not take its files")
    }

    /// Ports that nginx is to have and somebody else has.
    fn strangers(&self) -> Vec<String> {
        let tls = self.front.tls.iter().flat_map(|it| &it.listen);
        let addresses = self.front.listen.iter().chain(tls);
        let ports = addresses.filter_map(|it| Some(it.parse::<SocketAddr>().ok()?.port()));
        let owner = |port: u16| {
            let owner = supervise::port::port_owner(port).filter(|it| it.name != "nginx")?;
            Some(format!("port {port} is taken by {} (pid {})", owner.name, owner.pid))
        };
        ports.filter_map(owner).collect()
    }
}
