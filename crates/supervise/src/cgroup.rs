//! The control groups of one instance, wherever one may be made: they limit it and end all of it.

use crate::spec::Limits;
use std::{
    fs::{self, OpenOptions},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Our directory in every hierarchy.
const PARENT: &str = "cutover";
const REMOVE_TRIES: u32 = 20;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

/// One instance's groups; all absent where none may be made.
#[derive(Debug, Default)]
pub(crate) struct Cgroup {
    unified: Option<PathBuf>,
    memory: Option<Controller>,
    processes: Option<Controller>,
    freezer: Option<PathBuf>,
}

/// A group with the files of one controller, which differ between the two versions.
#[derive(Debug)]
struct Controller {
    group: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A mounted hierarchy, and where we are in it.
#[derive(Debug)]
struct Hierarchy {
    mount: PathBuf,
    ours: PathBuf,
    version: Version,
    controllers: Vec<String>,
}

impl Cgroup {
    /// Makes the groups called `name` where that is possible, or finds them again.
    pub(crate) fn open(name: &str) -> Self {
        let mut cgroup = Self::default();
        for hierarchy in hierarchies() {
            match hierarchy.version {
                Version::Two => cgroup.open_unified(&hierarchy, name),
                Version::One => cgroup.open_first_version(&hierarchy, name),
            }
        }
        cgroup
    }

    fn open_unified(&mut self, hierarchy: &Hierarchy, name: &str) {
        for base in hierarchy.bases() {
            let parent = base.join(PARENT);
            if make(&parent).is_err() {
                continue;
            }
            for group in [&base, &parent] {
                // Refused where processes live in the group itself, or nothing was delegated: then
                // the files below are missing, and that is what counts.
                let _ = fs::write(group.join("cgroup.subtree_control"), "+memory +pids");
            }
            let group = parent.join(name);
            if make(&group).is_err() {
                continue;
            }
            let limits = group.join("memory.max").exists() && group.join("pids.max").exists();
            if let Some(before) = self.unified.replace(group.clone()) {
                remove(&before);
            }
            if limits {
                let version = Version::Two;
                self.memory = Some(Controller { group: group.clone(), version });
                self.processes = Some(Controller { group, version });
                return;
            }
        }
    }

    fn open_first_version(&mut self, hierarchy: &Hierarchy, name: &str) {
        let has = |controller: &str| hierarchy.controllers.iter().any(|one| one == controller);
        let wanted = (self.memory.is_none() && has("memory"))
            || (self.processes.is_none() && has("pids"))
            || has("freezer");
        let group =
            hierarchy.bases().into_iter().map(|base| base.join(PARENT).join(name)).find(|group| {
                wanted && group.parent().is_some_and(|it| make(it).is_ok() && make(group).is_ok())
            });
        let Some(group) = group else { return };
        let version = Version::One;
        if has("memory") && self.memory.is_none() {
            self.memory = Some(Controller { group: group.clone(), version });
        }
        if has("pids") && self.processes.is_none() {
            self.processes = Some(Controller { group: group.clone(), version });
        }
        if has("freezer") {
            self.freezer = Some(group);
        }
    }

    /// Whether memory can be limited here.
    pub(crate) fn limits_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether the number of processes can be limited here.
    pub(crate) fn limits_processes(&self) -> bool {
        self.processes.is_some()
    }

    /// Sets what can be set; says in words what could not.
    pub(crate) fn limit(&self, limits: &Limits) -> Vec<String> {
        let mut unenforced = Vec::new();
        if let Some(bytes) = limits.memory_bytes
            && let Err(error) = self.limit_memory(bytes)
        {
            unenforced.push(format!("memory is not limited to {bytes} bytes: {error}"));
        }
        if let Some(count) = limits.processes
            && let Err(error) = self.limit_processes(count)
        {
            unenforced.push(format!("processes are not limited to {count}: {error}"));
        }
        unenforced
    }

    fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        let controller = self.memory.as_ref().ok_or_else(no_group)?;
        let (limit, swap, swap_limit) = match controller.version {
            Version::One => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes),
            Version::Two => ("memory.max", "memory.swap.max", 0),
        };
        fs::write(controller.group.join(limit), bytes.to_string())?;
        // Where swap is not accounted for, there is no such file and no way to forbid it.
        let _ = fs::write(controller.group.join(swap), swap_limit.to_string());
        Ok(())
    }

    fn limit_processes(&self, count: u64) -> io::Result<()> {
        let controller = self.processes.as_ref().ok_or_else(no_group)?;
        fs::write(controller.group.join("pids.max"), count.to_string())
    }

    /// For the child, which joins by writing "0" to each.
    pub(crate) fn doors(&self) -> Vec<OwnedFd> {
        let open = |group: &PathBuf| {
            OpenOptions::new().write(true).open(group.join("cgroup.procs")).ok().map(OwnedFd::from)
        };
        self.groups().iter().filter_map(open).collect()
    }

    /// How many processes the kernel has ended here for want of memory.
    pub(crate) fn memory_kills(&self) -> u64 {
        let Some(controller) = &self.memory else { return 0 };
        let file = match controller.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(controller.group.join(file)).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
            .unwrap_or(0)
    }

    pub(crate) fn members(&self) -> Vec<u32> {
        self.groups().iter().flat_map(|group| processes_in(group)).collect()
    }

    /// Ends all members that it can; those that fork meanwhile too.
    pub(crate) fn kill(&self) {
        let killed = self
            .unified
            .as_ref()
            .is_some_and(|group| fs::write(group.join("cgroup.kill"), "1").is_ok());
        let Some(freezer) = self.freezer.as_ref().filter(|_| !killed) else { return };
        let state = freezer.join("freezer.state");
        // Frozen processes cannot fork: one round gets them all. Whatever fails, they are thawed.
        let _ = fs::write(&state, "FROZEN");
        for pid in processes_in(freezer) {
            if let Some(process) = crate::process::read(pid) {
                crate::process::send(process, rustix::process::Signal::KILL);
            }
        }
        let _ = fs::write(&state, "THAWED");
    }

    /// Removes the groups, once nobody is in them.
    pub(crate) fn remove(&self) {
        for group in self.groups() {
            remove(&group);
        }
    }

    fn groups(&self) -> Vec<PathBuf> {
        let controllers = [&self.memory, &self.processes].into_iter().flatten();
        let mut groups: Vec<PathBuf> = controllers.map(|one| one.group.clone()).collect();
        groups.extend(self.unified.iter().chain(&self.freezer).cloned());
        groups.sort();
        groups.dedup();
        groups
    }
}

impl Hierarchy {
    /// Where groups may be made: below our own, so that limits on us hold for it, or at the top.
    fn bases(&self) -> Vec<PathBuf> {
        let ours = self.mount.join(self.ours.strip_prefix("/").unwrap_or(&self.ours));
        if ours == self.mount { vec![ours] } else { vec![ours, self.mount.clone()] }
    }
}

/// The doors of all groups that a process is in, as far as they may be opened.
pub(crate) fn doors_of(pid: u32) -> Vec<OwnedFd> {
    let groups = hierarchies_of(&pid.to_string()).into_iter().filter_map(|it| {
        let group = it.bases().into_iter().next()?;
        OpenOptions::new().write(true).open(group.join("cgroup.procs")).ok()
    });
    groups.map(OwnedFd::from).collect()
}

/// How many processes the kernel has ended for want of memory in the group that this one is in.
pub(crate) fn memory_kills_here() -> u64 {
    let count = |it: &Hierarchy| {
        let file = match it.version {
            Version::One if it.controllers.iter().any(|one| one == "memory") => {
                "memory.oom_control"
            }
            Version::One => return None,
            Version::Two => "memory.events",
        };
        let group = it.bases().into_iter().next()?;
        let text = fs::read_to_string(group.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
    };
    hierarchies().iter().filter_map(count).max().unwrap_or(0)
}

fn hierarchies() -> Vec<Hierarchy> {
    hierarchies_of("self")
}

fn hierarchies_of(process: &str) -> Vec<Hierarchy> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let memberships = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    let mut found: Vec<Hierarchy> =
        mounts.lines().filter_map(|line| hierarchy(line, &memberships)).collect();
    // The second version first: what has a group there needs none in the first.
    found.sort_by_key(|one| one.version == Version::One);
    found
}

fn hierarchy(mount_line: &str, memberships: &str) -> Option<Hierarchy> {
    let (left, right) = mount_line.split_once(" - ")?;
    let mount = PathBuf::from(left.split(' ').nth(4)?);
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?, right.nth(1)?);
    let version = match kind {
        "cgroup2" => Version::Two,
        "cgroup" => Version::One,
        _ => return None,
    };
    let controllers: Vec<String> = match version {
        Version::Two => Vec::new(),
        Version::One => options.split(',').map(str::to_owned).collect(),
    };
    let ours = memberships.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        let same = match version {
            Version::Two => names.is_empty(),
            Version::One => names.split(',').any(|name| controllers.iter().any(|it| it == name)),
        };
        same.then(|| PathBuf::from(path))
    });
    Some(Hierarchy { mount, ours: ours.unwrap_or_else(|| "/".into()), version, controllers })
}

fn processes_in(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn make(group: &Path) -> io::Result<()> {
    match fs::create_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// A group stays busy for a moment after its last process was reaped.
fn remove(group: &Path) {
    for _ in 0..REMOVE_TRIES {
        match fs::remove_dir(group) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                thread::sleep(REMOVE_PAUSE)
            }
            _ => break,
        }
    }
    if let Some(parent) = group.parent() {
        // Other instances' groups may be in it.
        let _ = fs::remove_dir(parent);
    }
}

fn no_group() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "no control group may be made here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_in_a_freezer_are_killed_and_it_is_left_thawed() {
        let name = format!("test-{}", std::process::id());
        let whole = Cgroup::open(&name);
        let Some(freezer) = whole.freezer.clone() else {
            // Nothing to be tested where the first version is not mounted, or not ours.
            assert!(whole.members().is_empty());
            return whole.remove();
        };
        let only_frozen = Cgroup { freezer: Some(freezer.clone()), ..Cgroup::default() };
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        fs::write(freezer.join("cgroup.procs"), child.id().to_string()).unwrap();
        assert_eq!(only_frozen.members(), [child.id()]);
        only_frozen.kill();
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        assert_eq!(fs::read_to_string(freezer.join("freezer.state")).unwrap(), "THAWED\n");
        whole.remove();
        assert!(!freezer.exists());
    }

    #[test]
    fn mounts_of_both_versions_are_understood() {
        let memberships = "4:memory:/a\n1:cpu,cpuacct:/\n0::/b\n";
        let line = "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let one = hierarchy(line, memberships).unwrap();
        assert_eq!(one.bases(), [Path::new("/sys/fs/cgroup/memory/a"), &one.mount]);
        let two =
            hierarchy("30 1 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 none rw", memberships);
        assert_eq!(two.unwrap().ours, Path::new("/b"));
        assert!(hierarchy("30 1 0:26 / / rw - ext4 /dev/a rw", memberships).is_none());
    }
}
