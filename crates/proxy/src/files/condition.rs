//! Whether a client has the file already.

use super::date;
use std::time::{SystemTime, UNIX_EPOCH};

/// By what one state of a file is told from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// As `ETag` has it, with its quotation marks.
    pub(super) tag: String,
    /// As `Last-Modified` has it.
    pub(super) modified: String,
}

impl Mark {
    pub(super) fn of(modified: SystemTime, bytes: u64, inode: u64) -> Mark {
        let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let tag = format!("\"{:x}-{bytes:x}-{inode:x}\"", age.as_nanos());
        Mark { tag, modified: date::http(modified) }
    }

    /// Whether one of the two headers says that the client has it.
    ///
    /// A time must be the very same: after a rollback the file is older than what a client has,
    /// and another one.
    pub(super) fn is_known(&self, none_match: Option<&str>, since: Option<&str>) -> bool {
        match none_match {
            Some(tags) => tags
                .split(',')
                .map(str::trim)
                .any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == self.tag),
            None => since.is_some_and(|it| it.trim() == self.modified),
        }
    }

    /// Whether a part of it goes on from what a client has.
    pub(super) fn goes_on(&self, if_range: Option<&str>) -> bool {
        if_range.is_none_or(|it| it.trim() == self.tag || it.trim() == self.modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_the_very_same_state_is_known() {
        let at = |s: u64| UNIX_EPOCH + Duration::from_secs(784_111_777 + s);
        let mark = Mark::of(at(0), 10, 7);
        let (old, new) = (Mark::of(at(0), 11, 7), Mark::of(at(60), 10, 7));
        assert!(mark.is_known(Some(&format!("\"x\", W/{}", mark.tag)), None));
        assert!(mark.is_known(Some("*"), None));
        assert!(!mark.is_known(Some(&old.tag), Some(&mark.modified)), "the tag decides");
        assert!(mark.is_known(None, Some(&mark.modified)));
        assert!(!mark.is_known(None, Some(&new.modified)), "a later one is another one");
        assert!(!mark.is_known(None, None));
        assert!(mark.goes_on(None) && mark.goes_on(Some(&mark.tag)));
        assert!(!mark.goes_on(Some(&new.tag)));
    }
}
