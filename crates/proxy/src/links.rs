//! Links by which another program, such as nginx, goes straight to instances that listen at
//! sockets: `ROOT/links/PROJECT.ENVIRONMENT/SERVICE.N`, each to an instance's socket.
//!
//! They follow the route file and nothing else: whoever changes what is in force leads them anew,
//! each by one rename, so that a connection finds the one before or the one after.  Where nobody
//! may be reached directly there is none, and the other program asks the proxy.

use crate::address::Address;
use crate::route_file::RouteFile;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Of all links, in the state directory.
pub const DIRECTORY: &str = "links";
/// Other users pass through, and see no names.
const MODE_PASSED_THROUGH: u32 = 0o711;
/// What a link is called until it is renamed.
const NEW: &str = ".new";

/// The directory in which an instance makes its socket: its own user's.
pub fn socket_directory(root: &Path, instance: &str) -> PathBuf {
    root.join("sockets").join(instance)
}

/// Where an instance listens.
pub fn socket_path(root: &Path, instance: &str) -> PathBuf {
    socket_directory(root, instance).join("listen")
}

/// The directory of an environment's links; `environment` is the stem of its route file.
pub fn directory(root: &Path, environment: &str) -> PathBuf {
    root.join(DIRECTORY).join(environment)
}

/// The link with this number, from 1 on, to one of a service's instances.
pub fn path(root: &Path, environment: &str, service: &str, number: u16) -> PathBuf {
    directory(root, environment).join(format!("{service}.{number}"))
}

/// Leads all links of an environment as the file says; to nobody unless it is `open`.
///
/// # Errors
/// The disk did not take it.  What could not be led anew leads where it did.
pub(crate) fn lead(root: &Path, file: &RouteFile, open: bool) -> io::Result<()> {
    let directory = directory(root, &file.environment);
    let wanted = if open { wanted(file) } else { BTreeMap::new() };
    if !wanted.is_empty() {
        pass_through(&root.join(DIRECTORY))?;
        pass_through(&directory)?;
    }
    let mut first_error = None;
    for (name, socket) in &wanted {
        let (link, new) = (directory.join(name), directory.join(format!("{name}{NEW}")));
        if fs::read_link(&link).is_ok_and(|it| it == *socket) {
            continue;
        }
        // One that an earlier attempt left.
        let _missing = fs::remove_file(&new);
        let led = symlink(socket, &new).and_then(|()| fs::rename(&new, &link));
        first_error = first_error.or(led.err());
    }
    match remove_others(&directory, &wanted) {
        Err(error) => Err(first_error.unwrap_or(error)),
        Ok(()) => first_error.map_or(Ok(()), Err),
    }
}

/// Makes a directory that others pass through, whatever we mask otherwise.
fn pass_through(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(MODE_PASSED_THROUGH))
}

/// By name, the sockets that they lead to.
fn wanted(file: &RouteFile) -> BTreeMap<String, PathBuf> {
    let mut all = BTreeMap::new();
    if file.hold.is_some() {
        return all;
    }
    for route in &file.routes {
        let taking = route.targets.iter().filter(|it| it.weight > 0);
        let sockets: Vec<PathBuf> = taking
            .filter_map(|it| match it.address.parse() {
                Ok(Address::Socket(path)) => Some(path),
                Ok(Address::Port(_)) | Err(_) => None,
            })
            .collect();
        if sockets.is_empty() {
            continue;
        }
        // More links than instances lead to some of them twice.
        for (number, socket) in (1..=route.links.unwrap_or(0)).zip(sockets.iter().cycle()) {
            all.insert(format!("{}.{number}", route.service), socket.clone());
        }
    }
    all
}

fn remove_others(directory: &Path, wanted: &BTreeMap<String, PathBuf>) -> io::Result<()> {
    let found = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    for entry in found {
        let entry = entry?;
        let known = entry.file_name().to_str().is_some_and(|it| wanted.contains_key(it));
        if !known && entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Connections at the socket, taken and not yet taken, whoever made them.
pub(crate) fn connections(socket: &Path) -> u64 {
    let (Some(path), true) = (socket.to_str(), socket.exists()) else { return 0 };
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    table.lines().filter(|line| is_connection(line, path)).count() as u64
}

/// Every end at the socket's own side bears its path; but for the listener each is a connection.
fn is_connection(line: &str, path: &str) -> bool {
    const LISTENS: u32 = 1 << 16;
    let Some((head, bound)) = line.split_once('/') else { return false };
    let flags = head.split_ascii_whitespace().nth(3).map(|it| u32::from_str_radix(it, 16));
    path.strip_prefix('/') == Some(bound)
        && flags.is_some_and(|it| it.is_ok_and(|it| it & LISTENS == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route_file::{FORMAT, Hold, Route, RouteTarget};
    use std::os::unix::net::{UnixListener, UnixStream};

    fn target(instance: &str, address: &str) -> RouteTarget {
        RouteTarget {
            instance: instance.to_owned(),
            address: address.to_owned(),
            release: "r1".to_owned(),
            version: "1".to_owned(),
            weight: 1,
            files: None,
        }
    }

    fn file(links: Option<u16>, targets: Vec<RouteTarget>) -> RouteFile {
        let route = Route {
            path: "/".to_owned(),
            service: "web".to_owned(),
            targets,
            upstream_keepalive: true,
            links,
        };
        RouteFile {
            format: FORMAT,
            environment: "shop.production".to_owned(),
            generation: 3,
            epoch: 1,
            boot_id: String::new(),
            hosts: vec![],
            routes: vec![route],
            probation: None,
            confirms: None,
            hold: None,
            checksum: String::new(),
        }
    }

    fn led(root: &Path) -> Vec<(String, String)> {
        let Ok(found) = fs::read_dir(directory(root, "shop.production")) else { return vec![] };
        let mut all: Vec<(String, String)> = found
            .map(|it| {
                let it = it.unwrap();
                let to = fs::read_link(it.path()).unwrap();
                (it.file_name().into_string().unwrap(), to.to_str().unwrap().to_owned())
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn links_follow_the_route_file() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (target("a", "unix:/s/a"), target("b", "unix:/s/b"));
        let to = |number: u16, path: &str| (format!("web.{number}"), path.to_owned());
        let lead = |file: &RouteFile, open| {
            super::lead(root.path(), file, open).unwrap();
            led(root.path())
        };
        assert_eq!(lead(&file(None, vec![a.clone()]), true), [], "only on request");
        assert_eq!(lead(&file(Some(1), vec![a.clone()]), true), [to(1, "/s/a")]);
        let two = file(Some(3), vec![a.clone(), b.clone()]);
        assert_eq!(lead(&two, true), [to(1, "/s/a"), to(2, "/s/b"), to(3, "/s/a")]);
        assert_eq!(lead(&file(Some(2), vec![b.clone()]), true), [to(1, "/s/b"), to(2, "/s/b")]);
        assert_eq!(lead(&two, false), [], "as in maintenance");
        let hold = Some(Hold { requests_max: 1, wait_ms: 1 });
        lead(&two, true);
        assert_eq!(
            lead(&RouteFile { hold, ..two.clone() }, true),
            [],
            "requests wait in the proxy"
        );
        lead(&two, true);
        let port = file(Some(2), vec![target("c", "127.0.0.1:80")]);
        assert_eq!(lead(&port, true), [], "nobody listens at a socket");
    }

    #[test]
    fn connections_are_counted_on_both_sides_of_accept() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("s");
        assert_eq!(connections(&path), 0);
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(connections(&path), 0);
        let waiting = UnixStream::connect(&path).unwrap();
        assert_eq!(connections(&path), 1, "nobody has taken it yet");
        let taken = listener.accept().unwrap();
        assert_eq!(connections(&path), 1);
        let other = UnixStream::connect(&path).unwrap();
        assert_eq!(connections(&path), 2);
        drop((waiting, other));
        drop(taken);
        // One that was given up before it was taken stays in the queue until it is.
        drop(listener.accept());
        assert_eq!(connections(&path), 0);
    }
}
