//! The list from which PM2 starts processes after a reboot: written only where it would be right.
//!
//! PM2's own `save` writes what its daemon lists at that moment: one that was killed and started
//! again lists little or nothing, and the list of what should run is gone.

use super::{
    Pm2Runtime,
    home::{Home, unanswered},
    listed::{self, Listed},
    record::Record,
};
use crate::file;
use model::{
    failure::{Blame, Failure},
    id::InstanceId,
};
use serde_json::Value;
use std::{fs, path::Path};
use supervise::becoming::KEPT;

const DUMP: &str = "dump.pm2";
const BACKUP: &str = "dump.pm2.bak";

impl Pm2Runtime {
    /// Tells the log why not, where it would not be right: what serves needs no list.
    pub(super) fn save(&self, home: &Home) {
        if let Err(failure) = self.save_now(home) {
            tracing::warn!("PM2's list for the next boot stays as it is: {}", failure.message);
        }
    }

    fn save_now(&self, home: &Home) -> Result<(), Failure> {
        let doing = "save PM2's list";
        let list = home.list().map_err(|it| unanswered(doing, home, &it))?;
        let path = home.path.join(DUMP);
        let failed = |error| file::failure("read", &path, &error);
        let before = file::read(&path).map_err(failed)?;
        let saved: Vec<Value> = match &before {
            Some(text) => serde_json::from_slice(text).map_err(|it| failed(it.into()))?,
            None => vec![],
        };
        let kept = self.kept_in(home)?;
        let refuse = |why: String| Err(Failure::new(Blame::Platform, format!("{doing}: {why}")));
        let all = listed::all(&list);
        if let Some(lost) = lost(&saved, &all) {
            return refuse(format!("`{lost}` is in it, is not ours, and PM2 does not list it"));
        }
        if let Some((id, _)) = kept.iter().find(|it| !all.iter().any(|one| one.is_of(&it.0, &it.1)))
        {
            return refuse(format!("{id} should run, and PM2 does not list it"));
        }
        let entries: Vec<Value> = list.iter().filter(|it| belongs(it, &kept)).map(entry).collect();
        // PM2 itself takes an empty one for damage.
        if entries.is_empty() {
            return Ok(());
        }
        let text = serde_json::to_vec(&entries).map_err(|it| failed(it.into()))?;
        if before.as_ref() == Some(&text) {
            return Ok(());
        }
        if let Some(before) = &before {
            write(&home.path.join(BACKUP), before)?;
        }
        write(&path, &text)
    }

    /// What of ours in this home should run, by id and token.
    fn kept_in(&self, home: &Home) -> Result<Vec<(InstanceId, String)>, Failure> {
        let mut kept = vec![];
        let entries = fs::read_dir(self.layout().instances()).into_iter().flatten().flatten();
        for place in entries {
            let Some(name) = place.file_name().to_str().map(str::to_owned) else { continue };
            let id = InstanceId(name);
            if !place.path().join(KEPT).exists() || !self.owns(&id).unwrap_or(false) {
                continue;
            }
            let record = Record::read(self.layout(), &id)?;
            if let (Some(record), Some(spec)) = (record, self.process.spec(&id)?)
                && record.home.path == home.path
            {
                kept.push((id, spec.token));
            }
        }
        Ok(kept)
    }
}

/// Somebody else's that is saved, and not listed any more.
fn lost(saved: &[Value], listed: &[Listed]) -> Option<String> {
    let name = |it: &Value| it["name"].as_str().unwrap_or_default().to_owned();
    let foreign = saved.iter().filter(|it| !is_ours(it)).map(name);
    foreign.into_iter().find(|it| !listed.iter().any(|one| one.name == *it))
}

fn is_ours(told: &Value) -> bool {
    told["env"][listed::TOKEN].is_string() || told[listed::TOKEN].is_string()
}

/// Somebody else's, or what of ours should run; no candidate, and none of PM2's modules.
fn belongs(value: &Value, kept: &[(InstanceId, String)]) -> bool {
    let told = &value["pm2_env"];
    if told["pmx_module"] == true {
        return false;
    }
    let one = Listed::read(value);
    !is_ours(told) || one.is_some_and(|one| kept.iter().any(|it| one.is_of(&it.0, &it.1)))
}

/// As PM2 writes it.
fn entry(value: &Value) -> Value {
    let mut told = value["pm2_env"].clone();
    if let Some(told) = told.as_object_mut() {
        told.remove("instances");
        told.remove("pm_id");
    }
    told
}

fn write(path: &Path, text: &[u8]) -> Result<(), Failure> {
    file::write(path, text, file::MODE_PRIVATE).map_err(|it| file::failure("write", path, &it))
}
