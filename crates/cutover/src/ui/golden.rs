//! Printed texts are compared with files under `tests/golden`.  `CUTOVER_GOLDEN=write` writes them
//! anew, to be read in the diff.

use std::{env, fs, path::PathBuf};

/// Compares a text with its file.
#[track_caller]
pub fn assert_golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = format!("{}\n", text.trim_end());
    if env::var_os("CUTOVER_GOLDEN").is_some_and(|it| it == "write") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{} differs; CUTOVER_GOLDEN=write writes it anew", path.display());
}
