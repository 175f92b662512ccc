//! What a run leaves behind: processes, listening ports and files, before and after.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process,
};

/// Enough of an environment or a command line to look for a path in.
const PROC_BYTES_MAX: u64 = 1 << 20;
const LISTENING: &str = "0A";

/// One thing that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trace {
    /// A process whose command line, environment, program or working directory names the root.
    Process {
        /// Its id.
        pid: u32,
        /// In clock ticks since boot: tells two processes with one id apart.
        started: u64,
        /// Its command line.
        command: String,
    },
    /// A TCP port on which such a process listens, as `/proc/net/tcp` writes the address.
    Port {
        /// The port.
        port: u16,
    },
    /// A file, directory, link or socket.
    File {
        /// The watched directory's path and the path below.
        path: PathBuf,
    },
}

impl fmt::Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, command, .. } => write!(formatter, "process {pid} {command}"),
            Self::Port { port } => write!(formatter, "port {port}"),
            Self::File { path } => write!(formatter, "file {}", path.display()),
        }
    }
}

/// All traces of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    traces: BTreeSet<Trace>,
}

impl Snapshot {
    /// Looks for processes that name `root`, their listening ports, and all that is in
    /// `directories`.  The looking process is left out.
    ///
    /// # Errors
    /// If `/proc` or a directory cannot be read; one that does not exist is empty.
    pub fn take(root: &Path, directories: &[&Path]) -> io::Result<Self> {
        let mut traces = BTreeSet::new();
        let listening = listening()?;
        for pid in pids()? {
            // A process may end while it is looked at: then it is not there.
            let Some(process) = look(pid, root) else { continue };
            traces.extend(
                sockets(pid)
                    .iter()
                    .filter_map(|inode| listening.get(inode))
                    .map(|port| Trace::Port { port: *port }),
            );
            traces.insert(process);
        }
        for directory in directories {
            files(directory, &mut traces)?;
        }
        Ok(Self { traces })
    }

    /// The processes in it.
    pub fn processes(&self) -> Vec<u32> {
        let pid = |trace: &Trace| match trace {
            Trace::Process { pid, .. } => Some(*pid),
            _ => None,
        };
        self.traces.iter().filter_map(pid).collect()
    }

    /// What `after` has more (`+`) or less (`-`) than this, but for lines that fit a pattern in
    /// `allowed`: a pattern is such a line without its sign, and `*` stands for any text.
    pub fn changes(&self, after: &Self, allowed: &[&str]) -> Vec<String> {
        let more = after.traces.difference(&self.traces).map(|trace| ('+', trace));
        let less = self.traces.difference(&after.traces).map(|trace| ('-', trace));
        let all = more.chain(less).map(|(sign, trace)| (sign, trace.to_string()));
        all.filter(|(_, line)| !allowed.iter().any(|pattern| fits(pattern, line)))
            .map(|(sign, line)| format!("{sign} {line}"))
            .collect()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.traces.iter().try_for_each(|trace| writeln!(formatter, "{trace}"))
    }
}

fn pids() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    pids.retain(|pid| *pid != process::id());
    Ok(pids)
}

fn look(pid: u32, root: &Path) -> Option<Trace> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let command = bytes(&proc.join("cmdline"))?;
    let links = ["cwd", "exe"].map(|name| fs::read_link(proc.join(name)).unwrap_or_default());
    let named = names(&command, root)
        || names(&bytes(&proc.join("environ")).unwrap_or_default(), root)
        || links.iter().any(|link| link.starts_with(root));
    if !named {
        return None;
    }
    let command =
        String::from_utf8_lossy(&command).replace(['\0', '\n'], " ").trim_end().to_owned();
    Some(Trace::Process { pid, started: started(&proc)?, command })
}

fn bytes(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(PROC_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether the path stands in `text` and not merely begins a longer name.
fn names(text: &[u8], root: &Path) -> bool {
    let root = root.as_os_str().as_bytes();
    let name_goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    text.windows(root.len())
        .enumerate()
        .any(|(at, window)| window == root && !text.get(at + root.len()).is_some_and(name_goes_on))
}

fn started(proc: &Path) -> Option<u64> {
    let stat = String::from_utf8_lossy(&bytes(&proc.join("stat"))?).into_owned();
    // The name in brackets may hold spaces and brackets; the 22nd field is the 20th after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Ports by the inode of the socket that listens.
fn listening() -> io::Result<BTreeMap<u64, u16>> {
    let mut ports = BTreeMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // A machine without IPv6 has no second table.
        let Ok(text) = fs::read_to_string(table) else { continue };
        ports.extend(text.lines().skip(1).filter_map(listening_line));
    }
    Ok(ports)
}

fn listening_line(line: &str) -> Option<(u64, u16)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, LISTENING, ..] = fields.as_slice() else { return None };
    let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    Some((fields.get(9)?.parse().ok()?, port))
}

fn sockets(pid: u32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let target = |entry: io::Result<fs::DirEntry>| fs::read_link(entry.ok()?.path()).ok();
    let inode = |link: PathBuf| {
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
    };
    entries.filter_map(target).filter_map(inode).collect()
}

fn files(directory: &Path, traces: &mut BTreeSet<Trace>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            files(&path, traces)?;
        }
        traces.insert(Trace::File { path });
    }
    Ok(())
}

/// Whether `line` is `pattern`, in which `*` stands for any text.
fn fits(pattern: &str, line: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let cuts = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            cuts.into_iter().any(|at| fits(rest, &line[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{eventually, guard::Killed};
    use std::{process::Command, time::Duration};

    #[test]
    fn sees_a_process_a_port_and_a_file_that_stay() {
        let root = tempfile::tempdir().unwrap();
        let take = || Snapshot::take(root.path(), &[root.path()]).unwrap();
        let before = take();
        fs::write(root.path().join("left.txt"), "").unwrap();
        let script = "import socket,time\ns=socket.create_server(('127.0.0.1',0))\ntime.sleep(600)";
        let mut command = Command::new("python3");
        command.args(["-c", script]).env("SOMETHING", root.path().join("run"));
        let child = Killed::start(&mut command).unwrap();
        let after = eventually("the child listens", Duration::from_secs(10), || {
            Some(take()).filter(|after| after.to_string().contains("\nport "))
        });
        assert_eq!(after.processes(), [child.pid()]);
        assert_eq!(before.changes(&after, &[]).len(), 3, "{after}");
        assert_eq!(before.changes(&after, &["process * -c *", "port *"]).len(), 1);
        assert_eq!(before.changes(&after, &["process *", "port *", "file *.txt"]).len(), 0);
        drop(child);
        fs::remove_file(root.path().join("left.txt")).unwrap();
        assert_eq!(before.changes(&take(), &[]), Vec::<String>::new());
    }

    #[test]
    fn a_longer_name_is_another_path() {
        assert!(names(b"A=/tmp/x/y", Path::new("/tmp/x")));
        assert!(names(b"A=/tmp/x\0B=1", Path::new("/tmp/x")));
        assert!(!names(b"A=/tmp/xy", Path::new("/tmp/x")));
    }

    #[test]
    fn patterns_fit_whole_lines() {
        assert!(fits("file /a/*/b", "file /a/x/y/b"));
        assert!(!fits("file /a/*/b", "file /a/x/y/bc"));
        assert!(fits("port *", "port 1"));
        assert!(!fits("port", "port 1"));
    }
}
