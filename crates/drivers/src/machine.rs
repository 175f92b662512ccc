//! What this machine has: space, memory, ports, users.

use crate::{
    account::{self, Account},
    blocking::blocking,
    file,
    host::{self, Command},
    layout::Layout,
    nginx::Nginx,
};
use async_trait::async_trait;
use engine::port::machine::{Facts, Machine};
use model::{
    failure::{Blame, Failure},
    name::EnvironmentId,
    nginx::FrontSpec,
};
use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

/// Ports that instances get.
pub const PORTS: RangeInclusive<u16> = 20_000..=29_999;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const MEMORY: &str = "/proc/meminfo";

/// This machine.
#[derive(Clone, Debug)]
pub struct LocalMachine {
    layout: Layout,
}

impl LocalMachine {
    /// With its state directory.
    pub fn new(layout: Layout) -> LocalMachine {
        LocalMachine { layout }
    }

    fn facts_now(&self, environment: &EnvironmentId) -> Result<Facts, Failure> {
        let directory = self.layout.environment(environment);
        let unwritable = unwritable(&directory).err().map(|failure| failure.message);
        let existing = directory.ancestors().find(|it| it.is_dir()).unwrap_or(Path::new("/"));
        let space = rustix::fs::statvfs(existing)
            .map_err(|error| file::failure("ask for the space at", existing, &error.into()))?;
        // A file system without inodes of its own says 0 of 0, and never runs out of them.
        let inodes_free = if space.f_files == 0 { u64::MAX } else { space.f_favail };
        Ok(Facts {
            disk_free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            inodes_free,
            memory_available_bytes: memory_available_bytes()?,
            unwritable,
        })
    }
}

#[async_trait]
impl Machine for LocalMachine {
    async fn facts(&self, environment: &EnvironmentId) -> Result<Facts, Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        blocking(move || this.facts_now(&environment)).await
    }

    async fn ports_taken(&self, ports: &[u16]) -> Result<Vec<(u16, String)>, Failure> {
        let ports = ports.to_vec();
        blocking(move || {
            let taken = |port: &u16| port_taken(*port).map(|owner| (*port, owner));
            Ok(ports.iter().filter_map(taken).collect())
        })
        .await
    }

    async fn free_ports(&self, count: usize, leased: &[u16]) -> Result<Vec<u16>, Failure> {
        let leased = leased.to_vec();
        blocking(move || free_ports(count, &leased)).await
    }

    async fn may_run_as(&self, user: &str) -> Result<(), Failure> {
        let account = account::account(user)?;
        let user = supervise::spec::User { uid: account.uid, gid: account.gid };
        let problems = supervise::enforceable(&supervise::spec::Limits::default(), Some(user));
        match problems.into_iter().next() {
            Some(problem) => Err(Failure::new(Blame::Platform, problem)),
            None => may_pass(&account, self.layout.root()),
        }
    }

    async fn front_troubles(&self, front: &FrontSpec, hosts: &[String]) -> Vec<Failure> {
        let (front, hosts) = (front.clone(), hosts.to_vec());
        let asked = blocking(move || Ok(Nginx::standing(&front).troubles(&hosts))).await;
        asked.unwrap_or_else(|failure| vec![failure])
    }

    async fn version_of(&self, program: &str) -> Option<String> {
        let program = program.to_owned();
        blocking(move || Ok(version_of(&program))).await.ok().flatten()
    }

    fn boot_id(&self) -> String {
        boot_id()
    }
}

/// How long a program may take to say its version.
const VERSION_TIME_MAX: Duration = Duration::from_secs(10);

/// What `PROGRAM --version` says; none: it is not there, or fails.
pub(crate) fn version_of(program: &str) -> Option<String> {
    let asked = Command::new(program, VERSION_TIME_MAX).argument("--version");
    let finished = host::run_now(&asked).ok()?;
    // Some say it on the one, some on the other.
    let said = [finished.text(), String::from_utf8_lossy(&finished.stderr).into_owned()].concat();
    (finished.success && !said.is_empty()).then_some(said)
}

/// A release lies under the state directory, so its user must be able to pass all above it.
fn may_pass(account: &Account, directory: &Path) -> Result<(), Failure> {
    for place in directory.ancestors().collect::<Vec<_>>().into_iter().rev() {
        let metadata = match fs::metadata(place) {
            // What does not exist yet is made so that it can be passed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found.map_err(|error| file::failure("look at", place, &error))?,
        };
        let bit = if metadata.uid() == account.uid {
            0o100
        } else if metadata.gid() == account.gid {
            0o010
        } else {
            0o001
        };
        if account.uid != 0 && metadata.mode() & bit == 0 {
            let message = format!("let user {} pass {}", account.uid, place.display());
            return Err(Failure::new(Blame::Platform, message)
                .hint(format!("run `chmod o+x {}`, or choose another --root", place.display())));
        }
    }
    Ok(())
}

/// Drawn by the kernel at boot.
pub(crate) fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
}

/// Who listens on the port, in words; none: an instance can.
pub(crate) fn port_taken(port: u16) -> Option<String> {
    if let Some(owner) = supervise::port::port_owner(port) {
        return Some(match owner.pid {
            0 => owner.name,
            pid => format!("{} (pid {pid})", owner.name),
        });
    }
    can_bind(port).err().map(|error| format!("nobody we can see ({error})"))
}

fn can_bind(port: u16) -> io::Result<()> {
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        TcpListener::bind((address, port))?;
    }
    Ok(())
}

/// Begins anywhere in the range, so that a port is seldom used again soon.
fn free_ports(count: usize, leased: &[u16]) -> Result<Vec<u16>, Failure> {
    let size = u64::from(PORTS.end() - PORTS.start()) + 1;
    let first = RandomState::new().hash_one(std::process::id()) % size;
    let nth = |at: u64| u16::try_from((first + at) % size).map(|it| PORTS.start() + it);
    let free: Vec<u16> = (0..size)
        .filter_map(|at| nth(at).ok())
        .filter(|port| !leased.contains(port) && can_bind(*port).is_ok())
        .take(count)
        .collect();
    if free.len() == count {
        return Ok(free);
    }
    let message = format!(
        "find {count} free ports in {}–{}: only {} are free",
        PORTS.start(),
        PORTS.end(),
        free.len()
    );
    Err(Failure::new(Blame::Platform, message).hint("end what listens there, or run fewer copies"))
}

fn memory_available_bytes() -> Result<u64, Failure> {
    const KIB: u64 = 1024;
    let text = fs::read_to_string(MEMORY)
        .map_err(|error| file::failure("read", Path::new(MEMORY), &error))?;
    text.lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .map(|kib| kib.saturating_mul(KIB))
        .ok_or_else(|| Failure::new(Blame::Platform, format!("find MemAvailable in {MEMORY}")))
}

/// Tried at the nearest directory that exists, since looking must not make any.
fn unwritable(directory: &Path) -> Result<(), Failure> {
    let existing = directory.ancestors().find(|it| it.exists()).unwrap_or(Path::new("/"));
    tempfile::Builder::new()
        .prefix(".writable-")
        .tempfile_in(existing)
        .map(drop)
        .map_err(|error| file::failure("write to", existing, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn free_ports_are_in_range_distinct_and_not_leased() {
        let leased: Vec<u16> = (20_000..29_990).collect();
        let free = free_ports(3, &leased).unwrap();
        assert!(free.iter().all(|port| (29_990..=29_999).contains(port)), "{free:?}");
        let distinct: std::collections::BTreeSet<_> = free.iter().collect();
        assert_eq!(distinct.len(), 3);
        let failure = free_ports(11, &leased).unwrap_err();
        assert_eq!(failure.blame, Blame::Platform);
    }

    #[test]
    fn a_taken_port_names_its_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let owner = port_taken(port).unwrap();
        assert!(owner.contains(&format!("(pid {})", std::process::id())), "{owner}");
        drop(listener);
        assert_eq!(port_taken(port), None);
    }

    #[test]
    fn a_user_who_cannot_pass_the_state_directory_is_told_so() {
        let directory = tempfile::tempdir().unwrap();
        let only_ours = fs::Permissions::from_mode(0o700);
        fs::set_permissions(directory.path(), only_ours).unwrap();
        let own = fs::metadata(directory.path()).unwrap();
        let account = |uid, gid| Account { uid, gid, home: "/".into() };
        let owner = account(own.uid(), own.gid());
        may_pass(&owner, directory.path()).unwrap();
        may_pass(&owner, &directory.path().join("not/made/yet")).unwrap();
        let other = account(own.uid() + 1, own.gid() + 1);
        let failure = may_pass(&other, directory.path()).unwrap_err();
        assert!(failure.hints[0].contains("chmod o+x"), "{failure:?}");
    }

    #[test]
    fn facts_say_why_a_directory_cannot_be_written() {
        let machine = LocalMachine::new(Layout::new(Path::new("/proc/nowhere")));
        let environment = "shop/production".parse().unwrap();
        assert!(machine.facts_now(&environment).unwrap().unwritable.is_some());
        let directory = tempfile::tempdir().unwrap();
        let machine = LocalMachine::new(Layout::new(directory.path()));
        let facts = machine.facts_now(&environment).unwrap();
        assert_eq!(facts.unwritable, None);
        assert!(facts.disk_free_bytes > 0 && facts.memory_available_bytes > 0);
        assert!(!boot_id().is_empty());
    }
}
