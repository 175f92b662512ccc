//! No more orders than an authority takes, over all hosts and restarts.

use crate::file;
use model::{
    failure::Failure,
    renewal::{ORDERS_MAX, ORDERS_WINDOW_S, within},
};
use proxy::challenge::acme_directory;
use std::{io, path::Path};

/// Counts one more; None: it would be too many.
pub(super) fn take(root: &Path, now_s: i64) -> Result<Option<()>, Failure> {
    let path = acme_directory(root).join("pace.json");
    let bytes = file::read(&path).map_err(|error| file::failure("read", &path, &error))?;
    // A damaged one counts nothing: the authority counts, too.
    let known: Vec<i64> = bytes.and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
    let mut counted = within(&known, ORDERS_WINDOW_S, now_s);
    if counted.len() >= ORDERS_MAX {
        return Ok(None);
    }
    counted.push(now_s);
    let written = serde_json::to_vec(&counted).map_err(io::Error::from);
    let written = written.and_then(|text| file::write(&path, &text, file::MODE_PRIVATE));
    written.map_err(|error| file::failure("write", &path, &error))?;
    Ok(Some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_end_before_an_authority_refuses_them() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(acme_directory(root.path())).unwrap();
        for _ in 0..ORDERS_MAX {
            assert!(take(root.path(), 1_000_000).unwrap().is_some());
        }
        assert!(take(root.path(), 1_000_001).unwrap().is_none());
        assert!(take(root.path(), 1_000_000 + ORDERS_WINDOW_S).unwrap().is_some());
        std::fs::write(acme_directory(root.path()).join("pace.json"), "{").unwrap();
        assert!(take(root.path(), 1_000_001).unwrap().is_some());
    }
}
