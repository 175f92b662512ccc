//! `status.json`: how the instance is, for whoever finds nobody to ask.

use super::Instance;
use crate::{
    clock,
    message::{Exit, Status},
    own_log, place, process, whole_file,
};
use std::path::Path;

pub(super) fn new(id: &str) -> Status {
    Status {
        instance: id.to_owned(),
        supervisor_pid: std::process::id(),
        boot_id: process::boot_id(),
        child: None,
        ready: false,
        restarts: 0,
        exit: None,
        lines_dropped: 0,
        adopted: false,
        stopping: false,
        gone: false,
        timed_out: false,
    }
}

/// None where there is none, or none that can be understood.
pub(crate) fn read(path: &Path) -> Option<Status> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// An end of which nothing is known but that it came.
pub(super) fn unknown_exit() -> Exit {
    Exit {
        code: None,
        signal: None,
        out_of_memory: false,
        at_ms: clock::unix_ms(),
        spawn_error: None,
    }
}

impl Instance {
    /// As of now.
    pub(super) fn current_status(&mut self) -> &Status {
        self.status.lines_dropped = self.dropped_before + self.output.lines_dropped();
        &self.status
    }

    /// Writes it; on a full disk it is still answered over the socket.
    pub(super) fn record(&mut self) {
        let path = self.place.file(place::STATUS);
        let written = serde_json::to_vec(self.current_status())
            .map_err(std::io::Error::from)
            .and_then(|text| whole_file::write_for_this_boot(&path, &text));
        if let Err(error) = written {
            own_log::note(&format!("the status is not on disk: {error}"));
        }
    }
}
