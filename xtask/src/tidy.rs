//! Holds the house rules that no other tool holds.

mod edges;
mod lengths;

use crate::program;
use anyhow::{Result, bail};

/// Reports every breach, and fails where there is one.
pub fn run() -> Result<()> {
    let mut breaches = edges::breaches()?;
    let listed = program::read("git", &["ls-files", "--", "*.rs"])?;
    let mut files = 0;
    for path in listed.lines() {
        let Ok(text) = std::fs::read_to_string(program::root().join(path)) else {
            continue; // removed, but not yet committed
        };
        files += 1;
        breaches.extend(lengths::breaches(path, &text)?);
    }
    for breach in &breaches {
        println!("{breach}");
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the house rules", breaches.len());
    }
    println!("tidy: {files} files, no breach");
    Ok(())
}
