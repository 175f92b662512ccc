//! Who listens on a TCP port: asked before anything is sent to an instance's address.

use crate::{family, process};
use std::{collections::HashSet, fs};

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
    if listening.is_empty() {
        return Belongs::NobodyListens;
    }
    let all = process::all();
    let mut members: HashSet<u32> =
        all.iter().map(|one| one.pid).filter(|pid| process::has_token(*pid, token)).collect();
    family::add_descendants(&mut members, &all);
    let mut strange: HashSet<u64> = listening.iter().map(|one| one.inode).collect();
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
