//! Who listens on a TCP port or at a Unix socket: asked before anything is sent to an instance's
//! address.

use crate::{family, process};
use std::{collections::HashSet, fs, path::Path};

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortOwner {
    /// Its id; 0 where we may not see whose socket it is.
    pub pid: u32,
    /// Its program's name.
    pub name: String,
}

/// Whether an instance answers on a port of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// All that local clients can reach there are processes of the instance.
    Yes,
    /// A stranger listens.
    No {
        /// Its id; 0 where we may not see whose socket it is.
        pid: u32,
        /// Its program's name.
        name: String,
    },
    /// Nobody listens there (yet).
    NobodyListens,
}

/// Who listens on `port`, on any address of this machine.
pub fn port_owner(port: u16) -> Option<PortOwner> {
    let inodes: HashSet<u64> = listeners(port).into_iter().map(|one| one.inode).collect();
    inodes.iter().next()?;
    let pids: Vec<u32> = process::all().into_iter().map(|one| one.pid).collect();
    Some(owner(&inodes, &pids))
}

/// Whether what listens on `port` of the loopback address are processes whose environment holds
/// `token`, or descendants of such.
pub fn listener_belongs_to(port: u16, token: &str) -> Belongs {
    let listening: Vec<Listener> =
        listeners(port).into_iter().filter(|one| one.is_reached_locally).collect();
    belongs_to(listening.iter().map(|one| one.inode).collect(), token)
}

/// Whether what listens at the Unix socket `path`, as its owner named it when it was bound, are
/// processes whose environment holds `token`, or descendants of such.
pub fn socket_belongs_to(path: &Path, token: &str) -> Belongs {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    belongs_to(table.lines().filter_map(|line| local_listener(line, path)).collect(), token)
}

/// The inode of a socket that listens there.
fn local_listener(line: &str, path: &Path) -> Option<u64> {
    const LISTENS: u32 = 1 << 16;
    const FIELDS_FROM_FLAGS_TO_INODE: usize = 2;
    // What is bound to no path has one field less; a path may hold spaces.
    let (head, bound) = line.split_once('/')?;
    if path.to_str()?.strip_prefix('/')? != bound {
        return None;
    }
    let mut fields = head.split_ascii_whitespace().skip(3);
    let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
    let inode = fields.nth(FIELDS_FROM_FLAGS_TO_INODE)?.parse().ok()?;
    (flags & LISTENS != 0).then_some(inode)
}

fn belongs_to(listening: HashSet<u64>, token: &str) -> Belongs {
    if listening.is_empty() {
        return Belongs::NobodyListens;
    }
    let all = process::all();
    let mut members: HashSet<u32> =
        all.iter().map(|one| one.pid).filter(|pid| process::has_token(*pid, token)).collect();
    family::add_descendants(&mut members, &all);
    let mut strange = listening;
    for pid in &members {
        for inode in socket_inodes(*pid) {
            strange.remove(&inode);
        }
    }
    if strange.is_empty() {
        return Belongs::Yes;
    }
    let others: Vec<u32> =
        all.iter().map(|one| one.pid).filter(|pid| !members.contains(pid)).collect();
    let PortOwner { pid, name } = owner(&strange, &others);
    Belongs::No { pid, name }
}

/// A listening socket.
#[derive(Debug)]
struct Listener {
    inode: u64,
    /// It is bound to the loopback address, or to all.
    is_reached_locally: bool,
}

fn listeners(port: u16) -> Vec<Listener> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listener(line, port)).collect::<Vec<_>>())
        .collect()
}

fn listener(line: &str, port: u16) -> Option<Listener> {
    const LISTENING: &str = "0A";
    const FIELDS_FROM_STATE_TO_INODE: usize = 5;
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, local_port) = fields.next()?.split_once(':')?;
    if u16::from_str_radix(local_port, 16).ok()? != port || fields.nth(1)? != LISTENING {
        return None;
    }
    let inode = fields.nth(FIELDS_FROM_STATE_TO_INODE)?.parse().ok()?;
    Some(Listener { inode, is_reached_locally: is_loopback_or_any(address) })
}

/// The address is in groups of four bytes, each a number in the machine's order.
fn is_loopback_or_any(address: &str) -> bool {
    let groups: Vec<[u8; 4]> = (0..address.len() / 8)
        .filter_map(|at| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok())
        .map(u32::to_ne_bytes)
        .collect();
    const MAPPED: [u8; 4] = [0, 0, 0xff, 0xff];
    match groups[..] {
        [four] => four[0] == 127 || four == [0; 4],
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], last] => {
            last == [0; 4] || last == 1_u32.to_be_bytes()
        }
        [[0, 0, 0, 0], [0, 0, 0, 0], MAPPED, four] => four[0] == 127 || four == [0; 4],
        _ => false,
    }
}

fn owner(inodes: &HashSet<u64>, pids: &[u32]) -> PortOwner {
    let owns = |pid: &&u32| socket_inodes(**pid).iter().any(|inode| inodes.contains(inode));
    match pids.iter().find(owns) {
        Some(pid) => {
            let name = process::name(*pid).unwrap_or_else(|| "a process that ended".to_owned());
            PortOwner { pid: *pid, name }
        }
        None => PortOwner { pid: 0, name: "a process of another user".to_owned() },
    }
}

fn socket_inodes(pid: u32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let target = fs::read_link(entry.ok()?.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn addresses_that_local_clients_reach_are_known() {
        for (address, expected) in [
            ("0100007F", true),
            ("00000000", true),
            ("0100000A", false),
            ("00000000000000000000000000000000", true),
            ("00000000000000000000000001000000", true),
            ("0000000000000000FFFF00000100007F", true),
            ("0000000000000000FFFF00000100000A", false),
            ("000080FE000000000000000001000000", false),
        ] {
            assert_eq!(is_loopback_or_any(address), expected, "{address}");
        }
    }

    #[test]
    fn who_listens_at_a_socket_is_known_by_the_name_it_was_bound_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a socket"), folder.path().join("another"));
        assert_eq!(socket_belongs_to(&path, "no-such-token"), Belongs::NobodyListens);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let Belongs::No { pid, .. } = socket_belongs_to(&path, "no-such-token") else {
            panic!("a stranger listens");
        };
        assert_eq!(pid, std::process::id());
        assert_eq!(socket_belongs_to(&other, "no-such-token"), Belongs::NobodyListens);
        drop(listener);
        assert_eq!(socket_belongs_to(&path, "no-such-token"), Belongs::NobodyListens);
        drop(client);
    }

    #[test]
    fn our_own_listener_is_ours_and_a_stranger_to_every_token() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let owner = port_owner(port).unwrap();
        assert_eq!(owner.pid, std::process::id());
        let belongs = listener_belongs_to(port, "no-such-token");
        assert_eq!(belongs, Belongs::No { pid: owner.pid, name: owner.name });
        drop(listener);
        assert_eq!(port_owner(port), None);
        assert_eq!(listener_belongs_to(port, "no-such-token"), Belongs::NobodyListens);
    }
}
