//! Notes how an instance ended, where systemd supervises it: it is told by systemd itself, after
//! every end.

use crate::{
    RoleError,
    becoming::{ENDED, EXIT_NOT_WANTED, Ended},
    cgroup, clock, place, process,
    spec::InstanceSpec,
    whole_file,
};
use std::{env, fs, path::Path};

/// Names of signals, as systemd tells them, and their numbers.
const SIGNALS: [(&str, i32); 18] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("SYS", 31),
];

pub(crate) fn note(root: &Path, instance: &str) -> Result<(), RoleError> {
    let place = place::of_instance(root, instance);
    // One that was removed meanwhile needs no note.
    let Ok(text) = fs::read(place.join(place::SPEC)) else { return Ok(()) };
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        RoleError::failed(format!("{instance}: {what}: {error}"))
    };
    let spec: InstanceSpec =
        serde_json::from_slice(&text).map_err(|it| failed(place::SPEC, &it))?;
    let told = |name: &str| env::var(name).unwrap_or_default();
    let refused = told("EXIT_CODE") == "exited" && told("EXIT_STATUS") == refusal();
    if told(process::TOKEN) != spec.token || refused {
        return Ok(());
    }
    let path = place.join(ENDED);
    let before: Ended =
        fs::read(&path).ok().and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
    let ended = ended(&told, &before, cgroup::memory_kills_here());
    serde_json::to_vec(&ended)
        .map_err(std::io::Error::from)
        .and_then(|it| whole_file::write(&path, &it))
        .map_err(|it| failed(ENDED, &it))
}

fn refusal() -> String {
    EXIT_NOT_WANTED.to_string()
}

fn ended(told: &impl Fn(&str) -> String, before: &Ended, memory_kills: u64) -> Ended {
    let (kind, status, result) = (told("EXIT_CODE"), told("EXIT_STATUS"), told("SERVICE_RESULT"));
    let by_signal = matches!(kind.as_str(), "killed" | "dumped");
    let named = SIGNALS.iter().find(|it| it.0 == status).map(|it| it.1);
    // The group is made anew now and then, and counts from nothing.
    let more = memory_kills > before.memory_kills
        || (memory_kills > 0 && memory_kills < before.memory_kills);
    Ended {
        code: status.parse().ok().filter(|_| !by_signal),
        at_ms: clock::unix_ms(),
        signal: named.or_else(|| status.parse().ok()).filter(|_| by_signal),
        out_of_memory: result == "oom-kill" || (more && by_signal),
        result: Some(result).filter(|it| !it.is_empty()),
        memory_kills,
        count: before.count.saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, status: &str, result: &str, before: &Ended, kills: u64) -> Ended {
        let told = |name: &str| {
            let value = match name {
                "EXIT_CODE" => kind,
                "EXIT_STATUS" => status,
                _ => result,
            };
            value.to_owned()
        };
        ended(&told, before, kills)
    }

    #[test]
    fn what_systemd_tells_is_understood() {
        let first = of("exited", "7", "exit-code", &Ended::default(), 0);
        assert_eq!((first.code, first.signal, first.count), (Some(7), None, 1));
        let second = of("killed", "KILL", "signal", &first, 1);
        assert_eq!((second.code, second.signal, second.count), (None, Some(9), 2));
        assert!(second.out_of_memory && !first.out_of_memory);
        let third = of("dumped", "ABRT", "watchdog", &second, 1);
        assert!(!third.out_of_memory && third.result.as_deref() == Some("watchdog"));
        assert!(of("killed", "KILL", "oom-kill", &third, 0).out_of_memory);
    }
}
