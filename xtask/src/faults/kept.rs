//! What rows came to when they were last run in their full size.

use crate::program;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs};
use testkit::faults::Report;

/// Beside the document that is made of it, so that both say the same in every clone.
const FILE: &str = "docs/faults.json";

/// By the row's first number.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    pub rows: BTreeMap<u32, Ran>,
    /// Parts of sweeps, in the order in which they were run.
    #[serde(default)]
    pub sweeps: BTreeMap<u32, Vec<Part>>,
}

/// A part of a sweep: every instant from one number to another.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    pub from: u32,
    pub to: u32,
    /// As many as there were in the deployment that was counted.
    pub of: u32,
    /// Instants at which a process died; the others were not reached.
    pub kill_points: u32,
    pub failures: Vec<String>,
    pub seconds: f64,
}

/// What one row came to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ran {
    pub ok: bool,
    pub result: String,
    pub runs: u32,
    pub kill_points: u32,
    pub seed: u64,
    pub seconds: f64,
    pub notes: String,
}

impl Ran {
    pub fn of(report: &Report) -> Self {
        Self {
            ok: report.ok(),
            result: report.result(),
            runs: report.runs,
            kill_points: report.kill_points,
            seed: report.seed,
            seconds: report.took.as_secs_f64(),
            notes: report.notes.join("; "),
        }
    }
}

impl Kept {
    /// Nothing, where nothing was kept or another version of this program kept it.
    pub fn read() -> Self {
        let text = fs::read_to_string(program::root().join(FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(program::root().join(FILE), text)
            .with_context(|| format!("{FILE} cannot be written"))
    }
}
