//! What a run left behind: processes, ports and files that nothing in force needs.

use crate::stand::Stand;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Generations of which a file may lie beside the live one: those that it may go back to.
const GENERATIONS_KEPT_MAX: usize = 3;
const PARENTS_MAX: u32 = 64;

/// One sentence for each thing that is there and should not be.
pub(crate) fn left_over(stand: &Stand) -> Vec<String> {
    let environment = stand.environment();
    let listed = environment["instances"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<String> = listed.iter().filter_map(unfit).collect();
    let ids: BTreeSet<&str> = listed.iter().filter_map(|it| it["id"].as_str()).collect();
    let pids: BTreeSet<u32> = listed.iter().filter_map(pid).collect();
    processes(stand, &ids, &pids, &mut found);
    ports(stand, &listed, &mut found);
    files(stand, &ids, &mut found);
    found
}

fn pid(instance: &Value) -> Option<u32> {
    u32::try_from(instance["pid"].as_u64()?).ok()
}

fn unfit(instance: &Value) -> Option<String> {
    let role = instance["role"].as_str().unwrap_or_default();
    let runs = instance["status"] == "running" && pid(instance).is_some();
    let fit = matches!(role, "serving" | "warm") && runs;
    (!fit).then(|| format!("instance {} is {role} and {}", instance["id"], instance["status"]))
}

fn processes(stand: &Stand, ids: &BTreeSet<&str>, pids: &BTreeSet<u32>, found: &mut Vec<String>) {
    let mut roles: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (pid, words) in stand.processes() {
        let after = |word: &str| words.iter().skip_while(|it| *it != word).nth(1).cloned();
        let role = match (after("--instance"), words.get(1).map(String::as_str)) {
            (Some(instance), _) => instance,
            (None, Some("supervise")) => "holder".to_owned(),
            (None, Some(role @ ("daemon" | "proxy"))) => role.to_owned(),
            _ => continue,
        };
        roles.entry(role).or_default().push(pid);
    }
    for (role, of_role) in &roles {
        let known = matches!(role.as_str(), "holder" | "daemon" | "proxy");
        if of_role.len() > 1 {
            found.push(format!("{role} runs {} times", of_role.len()));
        }
        if !known && !ids.contains(role.as_str()) {
            found.push(format!("supervise of {role}"));
        }
    }
    let supervisors: BTreeSet<u32> = roles.values().flatten().copied().collect();
    for pid in stand.snapshot().processes() {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if words.is_empty() || supervisors.contains(&pid) {
            continue;
        }
        if !descends(pid, pids) {
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            found.push(format!("process {pid} {words}"));
        }
    }
}

/// Whether the process, or one that it comes from, is one of these.
fn descends(pid: u32, from: &BTreeSet<u32>) -> bool {
    let mut at = pid;
    for _ in 0..PARENTS_MAX {
        if from.contains(&at) {
            return true;
        }
        let stat = fs::read_to_string(format!("/proc/{at}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|it| it.1.split(' ').nth(1)?.parse().ok());
        match parent {
            Some(parent) if parent > 1 => at = parent,
            _ => return false,
        }
    }
    false
}

fn ports(stand: &Stand, listed: &[Value], found: &mut Vec<String>) {
    let mut known: BTreeSet<u64> = listed.iter().filter_map(|it| it["port"].as_u64()).collect();
    known.insert(u64::from(stand.address.port()));
    let text = stand.snapshot().to_string();
    let open = text.lines().filter_map(|it| it.strip_prefix("port ")?.parse::<u64>().ok());
    found.extend(open.filter(|it| !known.contains(it)).map(|it| format!("port {it}")));
}

fn files(stand: &Stand, ids: &BTreeSet<&str>, found: &mut Vec<String>) {
    let names = |path: &Path| -> Vec<String> {
        let Ok(entries) = fs::read_dir(path) else { return vec![] };
        entries.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect()
    };
    let runs = names(&stand.root.join("run")).into_iter();
    found.extend(runs.filter(|it| !ids.contains(it.as_str())).map(|it| format!("run/{it}")));
    let routes = names(&stand.root.join("routes"));
    let staged = routes.iter().filter(|it| it.matches('.').count() == 3).count();
    if staged > GENERATIONS_KEPT_MAX {
        found.push(format!("{staged} staged generations: {}", routes.join(" ")));
    }
    let environment = stand.root.join("projects/shop/production");
    let incoming = names(&environment.join("incoming")).into_iter();
    found.extend(incoming.map(|it| format!("incoming/{it}")));
    let mut written = vec![stand.root.clone(), stand.root.join("routes"), stand.root.join("proxy")];
    written.extend(["records", "contents"].map(|it| environment.join(it)));
    written.push(environment);
    for directory in written {
        let halves = names(&directory).into_iter().filter(|it| is_temporary(it));
        found.extend(halves.map(|it| format!("{}/{it}", directory.display())));
    }
}

fn is_temporary(name: &str) -> bool {
    name.ends_with(".tmp") || (name.starts_with('.') && name.ends_with(".new"))
}
