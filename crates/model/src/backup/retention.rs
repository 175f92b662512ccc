//! Which backups are kept.

use super::{BackupName, BackupSpec, metadata::Metadata};
use crate::{id::ReleaseId, plan::ReleaseLabel};

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Versions that serve, or that a rollback goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeededBy {
    /// What a rollback from one of these with its data would restore is kept.
    pub versions: Vec<String>,
    /// Kept in any case.
    pub names: Vec<BackupName>,
}

/// Why a backup is kept, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Somebody pinned it.
    Pinned,
    /// It is the newest.
    Newest,
    /// Going back from a release that serves, or from the one before it, needs it.
    Needed,
    /// It is within all limits.
    Recent,
    /// It goes.
    Surplus,
}

/// How each of the backups stands, newest first; `all` come newest first and are whole.
///
/// Beyond any of the limits it goes, but never the newest, a pinned or a needed one.
pub fn keeping<'m>(
    all: &'m [Metadata],
    spec: &BackupSpec,
    needed: &NeededBy,
    now_ms: u64,
) -> Vec<(BackupName, Keeping)> {
    let oldest_ms = now_ms.saturating_sub(u64::from(spec.keep_days).saturating_mul(DAY_MS));
    let (mut count, mut bytes) = (0, 0u64);
    let mut newest_of: Vec<&'m str> = vec![];
    let mut judge = |at: usize, it: &'m Metadata| {
        count += 1;
        bytes = bytes.saturating_add(it.bytes());
        // What a rollback restores is the newest that was made when its release came.
        let is_needed = brought(it).is_some_and(|version| {
            let first = !newest_of.contains(&version);
            newest_of.push(version);
            first && needed.versions.iter().any(|it| it == version)
        });
        let is_old = it.name.time_ms().is_none_or(|it| it < oldest_ms);
        let beyond = count > spec.keep || is_old || spec.bytes_max.is_some_and(|it| bytes > it);
        match () {
            () if it.pinned => Keeping::Pinned,
            () if at == 0 => Keeping::Newest,
            () if is_needed || needed.names.contains(&it.name) => Keeping::Needed,
            () if beyond => Keeping::Surplus,
            () => Keeping::Recent,
        }
    };
    all.iter().enumerate().map(|(at, it)| (it.name.clone(), judge(at, it))).collect()
}

/// The version that took over from another right after it was made.
fn brought(backup: &Metadata) -> Option<&str> {
    let before = backup.before.as_ref()?;
    let again = backup.release.as_ref().is_some_and(|it| it.id == before.id);
    (!again).then_some(before.version.as_str())
}

/// The backup whose data belongs to a release: the newest of those that were made when `left` came
/// and took over from `to`; `all` come newest first.
pub fn to_restore<'m>(
    all: &'m [Metadata],
    left: &ReleaseId,
    to: &ReleaseId,
) -> Option<&'m Metadata> {
    let is = |label: &Option<ReleaseLabel>, id: &ReleaseId| {
        label.as_ref().is_some_and(|it| it.id == *id)
    };
    all.iter().find(|it| is(&it.before, left) && is(&it.release, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::{
        self,
        metadata::{Content, Item, METADATA_FORMAT},
    };

    const NOW_MS: u64 = 1_800_000_000_000;

    /// So many days old, with so many bytes, made when `to` took over from `from`.
    fn one(days: u64, bytes: u64, from: &str, to: &str) -> Metadata {
        let label = |version: &str| {
            let (id, version) = (ReleaseId(format!("id-{version}")), version.to_owned());
            (!version.is_empty()).then_some(ReleaseLabel { id, version })
        };
        let item = Item {
            file: "config.tar.zst".into(),
            content: Content::Config,
            bytes,
            blake3: String::new(),
            plain_bytes: bytes,
            tool: String::new(),
        };
        Metadata {
            format: METADATA_FORMAT,
            name: BackupName::at(NOW_MS - days * DAY_MS),
            timestamp: String::new(),
            git_commit: None,
            version: None,
            node_version: None,
            npm_version: None,
            environment: "shop/production".parse().unwrap(),
            release: label(from),
            deployment: None,
            before: label(to),
            note: None,
            pinned: false,
            encrypted_to: vec![],
            items: vec![item],
            absent: vec![],
            cutover_version: String::new(),
            opened_after_writing: true,
            seal: String::new(),
        }
    }

    fn spec(keep: u32, keep_days: u32, bytes_max: Option<u64>) -> BackupSpec {
        BackupSpec {
            databases: vec![],
            files: vec![],
            encrypt_to: vec![],
            identity: None,
            keep,
            keep_days,
            bytes_max,
            second_place: None,
            before_deploy: true,
            time_limit: backup::TIME_LIMIT,
        }
    }

    fn kept(all: &[Metadata], spec: &BackupSpec, versions: &[&str]) -> Vec<Keeping> {
        let versions = versions.iter().map(|it| (*it).to_owned()).collect();
        let needed = NeededBy { versions, names: vec![] };
        keeping(all, spec, &needed, NOW_MS).into_iter().map(|it| it.1).collect()
    }

    #[test]
    fn beyond_count_age_or_bytes_it_goes() {
        use Keeping::{Newest, Recent, Surplus};
        let all: Vec<_> = (1..=4).map(|it| one(it, 10, "1", "2")).collect();
        assert_eq!(kept(&all, &spec(2, 30, None), &[]), [Newest, Recent, Surplus, Surplus]);
        assert_eq!(kept(&all, &spec(9, 3, None), &[]), [Newest, Recent, Recent, Surplus]);
        assert_eq!(kept(&all, &spec(9, 30, Some(25)), &[]), [Newest, Recent, Surplus, Surplus]);
        let old = [one(100, 10, "1", "2")];
        assert_eq!(kept(&old, &spec(1, 1, Some(1)), &[]), [Newest], "the newest stays");
    }

    #[test]
    fn what_a_way_back_needs_or_somebody_pinned_stays() {
        use Keeping::{Needed, Newest, Pinned, Surplus};
        let mut pinned = one(6, 10, "0", "1");
        pinned.pinned = true;
        // Deployed again while it served: that one holds its own data, not those before it.
        let again = one(3, 10, "2", "2");
        let all = [one(2, 10, "2", ""), again, one(4, 10, "1", "2"), one(5, 10, "1", "2"), pinned];
        let stands = kept(&all, &spec(1, 1, None), &["2"]);
        assert_eq!(stands, [Newest, Surplus, Needed, Surplus, Pinned]);
        let id = |version: &str| ReleaseId(format!("id-{version}"));
        let found = to_restore(&all, &id("2"), &id("1")).map(|it| &it.name);
        assert_eq!(found, Some(&all[2].name));
        assert_eq!(to_restore(&all, &id("2"), &id("0")), None, "its data is another's");
    }
}
