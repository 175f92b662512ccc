//! What is backed up before anything is changed, and what of a backup comes back.

use super::{Draft, label};
use crate::{backup::BackupRun, plan::Step, planner::Wanted, release::Release};

impl Draft<'_> {
    /// Of the state as it is, before the first change.
    pub(super) fn secure(&self) -> Vec<Step> {
        let (Some(name), Some(by)) = (&self.desired.backup, self.backed_up_by()) else {
            return vec![];
        };
        let brought = match &self.desired.wanted {
            Wanted::Release { release, back: false, .. } => Some(label(release)),
            _ => None,
        };
        let backup = BackupRun {
            name: name.clone(),
            by: by.id.clone(),
            serving: self.observed.current.as_ref().map(label),
            before: brought,
        };
        vec![Step::Backup { backup }]
    }

    /// Only where the current state was backed up: an undo needs that.
    pub(super) fn bring_back(&self) -> Option<Step> {
        let backup = self.desired.restore.clone()?;
        let before = self.desired.backup.clone()?;
        let by = self.backed_up_by()?.id.clone();
        Some(Step::Restore { backup, before, by })
    }

    pub(super) fn backs_up(&self) -> bool {
        self.desired.backup.is_some()
    }

    /// The release whose configuration says what is backed up, and whose variables lead to it: the
    /// new one, but the one that is left where it goes back, for its variables are the newer.
    pub(super) fn backed_up_by(&self) -> Option<&Release> {
        match &self.desired.wanted {
            Wanted::Release { release, back: false, .. } => Some(release),
            _ => self.observed.current.as_ref(),
        }
    }
}
