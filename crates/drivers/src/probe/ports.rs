//! On which ports an instance listens, to explain that it is not the one it was told.

use std::{collections::HashSet, fs};

const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
const LISTENING: &str = "0A";
const TOKEN: &str = "CUTOVER_TOKEN";

/// The ports that processes with this token listen on, sorted.
pub(super) fn listened_on_by(token: &str) -> Vec<u16> {
    let inodes: HashSet<String> = pids_with(token).into_iter().flat_map(socket_inodes).collect();
    let mut ports: Vec<u16> = TABLES
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(listener).collect::<Vec<_>>())
        .filter(|(_, inode)| inodes.contains(inode))
        .map(|(port, _)| port)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

pub(super) fn pids_with(token: &str) -> Vec<u32> {
    let variable = format!("{TOKEN}={token}").into_bytes();
    let has_token = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|it| it == variable)
    };
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(has_token)
        .collect()
}

fn socket_inodes(pid: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return vec![] };
    entries
        .filter_map(|entry| {
            let target = fs::read_link(entry.ok()?.path()).ok()?;
            Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect()
}

/// Port and inode of a listening socket.
fn listener(line: &str) -> Option<(u16, String)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { return None };
    let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    (state == LISTENING).then(|| (port, inode.to_owned()))
}
