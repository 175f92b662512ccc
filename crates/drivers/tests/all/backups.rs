//! Backups of real databases and directories: what comes back is what was there.

mod kinds;
mod ssh;

use crate::world::{World, service};
use drivers::backups::{DirectoryBackups, Wanted};
use model::{
    backup::{
        self, BackupName, BackupSpec, DatabaseKind, DatabasePlace, DatabaseSpec, Part, SecondPlace,
        metadata::Metadata,
    },
    failure::Failure,
    id::{DeploymentId, ReleaseId},
    release::{Artifact, Release},
    service::ServiceSpec,
};
use std::{
    fs,
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

const NOW_MS: u64 = 1_795_267_321_000;
pub const ALL: [Part; 3] = [Part::Databases, Part::Files, Part::Config];

pub fn spec() -> BackupSpec {
    BackupSpec {
        databases: vec![],
        files: vec![],
        encrypt_to: vec![],
        identity: None,
        keep: 5,
        keep_days: 7,
        bytes_max: None,
        second_place: None,
        before_deploy: true,
        time_limit: backup::TIME_LIMIT,
    }
}

pub fn sqlite(path: &str) -> DatabaseSpec {
    let place = DatabasePlace::Path(path.into());
    DatabaseSpec { name: "main".parse().unwrap(), kind: DatabaseKind::Sqlite, place }
}

/// Backups of one world, by one release.
pub struct Kept {
    pub world: World,
    pub backups: DirectoryBackups,
    pub by: Release,
}

impl Kept {
    pub fn new(spec: BackupSpec, variables: &[(&str, &str)]) -> Kept {
        let world = World::new();
        let env = variables.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
        let mut all = world.spec(ServiceSpec { env, ..service("plain") });
        all.backup = Some(spec);
        let artifact = Artifact {
            digest: "0".repeat(64),
            bytes: 1,
            files: 1,
            commit: Some("c0ffee".into()),
            described: "a test".into(),
            built: None,
            complete: false,
        };
        let by = Release {
            id: ReleaseId("01K00000000000000000000001".into()),
            version: "1.0.0".into(),
            artifact,
            spec: all,
            left: [].into(),
            migrated: [].into(),
            created_at_ms: NOW_MS,
        };
        fs::create_dir_all(world.layout.records(&world.environment)).unwrap();
        let record = world.layout.record(&world.environment, &by.id);
        fs::write(record, serde_json::to_vec(&by).unwrap()).unwrap();
        Kept { backups: DirectoryBackups::new(world.layout.clone()), world, by }
    }

    /// In the environment's directory.
    pub fn place(&self, path: &str) -> PathBuf {
        let place = self.world.layout.environment(&self.world.environment).join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    pub fn make(&self) -> Result<Metadata, Failure> {
        self.make_at(NOW_MS, None)
    }

    pub fn make_at(&self, now_ms: u64, id: Option<&DeploymentId>) -> Result<Metadata, Failure> {
        let name = match id {
            Some(_) => BackupName::at(now_ms),
            None => self.backups.free_name(&self.world.environment, now_ms)?,
        };
        let label =
            model::plan::ReleaseLabel { id: self.by.id.clone(), version: self.by.version.clone() };
        let wanted = Wanted {
            name: &name,
            by: &self.by,
            serving: Some(label),
            deployment: id,
            before: None,
            note: None,
            pinned: false,
            as_it_is: false,
        };
        self.backups.make(&wanted, &|_| {})
    }

    pub fn put_back(&self, name: &BackupName) -> Result<Vec<String>, Failure> {
        self.backups.put_back(name, &self.by, &ALL, None, &|_| {})
    }

    pub fn is_whole(&self, name: &BackupName) -> bool {
        self.backups.verify(name, &self.by.spec, None).is_ok_and(|it| it.whole)
    }

    pub fn part(&self, made: &Metadata, at: usize) -> PathBuf {
        self.backups.directory(&self.world.environment, &made.name).join(&made.items[at].file)
    }

    /// What lies beside whole backups.
    fn leftovers(&self) -> Vec<String> {
        let names = fs::read_dir(self.world.layout.backups(&self.world.environment)).unwrap();
        let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.filter(|it| it != ".lock" && !it.starts_with("backup_")).collect()
    }
}

/// Gives a part another content, and makes all hashes fit: what only reading it can find.
pub fn forge(kept: &Kept, made: &Metadata, at: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let directory = kept.backups.directory(&kept.world.environment, &made.name);
    let mut forged = made.clone();
    let item = &mut forged.items[at];
    let path = directory.join(&item.file);
    let mut plain = zstd::decode_all(fs::File::open(&path).unwrap()).unwrap();
    change(&mut plain);
    let packed = zstd::encode_all(plain.as_slice(), 1).unwrap();
    fs::write(&path, &packed).unwrap();
    item.bytes = packed.len() as u64;
    item.plain_bytes = plain.len() as u64;
    item.blake3 = blake3::hash(&packed).to_hex().to_string();
    reseal(&directory, forged);
}

fn reseal(directory: &Path, mut metadata: Metadata) {
    metadata.seal = String::new();
    let seal = blake3::hash(&serde_json::to_vec(&metadata).unwrap());
    metadata.seal = seal.to_hex().to_string();
    fs::write(directory.join("metadata.json"), serde_json::to_vec(&metadata).unwrap()).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn directories_come_back_with_modes_and_links_and_what_was_made_since_is_gone() {
    let kept = Kept::new(BackupSpec { files: vec!["shared/uploads".into()], ..spec() }, &[]);
    let uploads = kept.place("shared/uploads");
    fs::create_dir_all(uploads.join("a/b")).unwrap();
    let long = "x".repeat(180);
    fs::write(uploads.join("a/b").join(&long), "deep").unwrap();
    fs::write(uploads.join("Ünïcode\n"), vec![7; 300_000]).unwrap();
    symlink("../../../etc/passwd", uploads.join("link")).unwrap();
    fs::set_permissions(uploads.join("a"), fs::Permissions::from_mode(0o750)).unwrap();
    let made = kept.make().unwrap();
    assert!(kept.is_whole(&made.name));
    let directory = kept.backups.directory(&kept.world.environment, &made.name);
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    let told = fs::read_to_string(directory.join("metadata.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["gitCommit"], "c0ffee");
    assert_eq!(told["version"], "1.0.0");
    assert_eq!(told["timestamp"], made.timestamp);
    assert!(told.get("nodeVersion").is_some() && told.get("npmVersion").is_some());

    fs::write(uploads.join("made-since"), "x").unwrap();
    fs::write(uploads.join("a/b").join(&long), "altered").unwrap();
    fs::remove_file(uploads.join("link")).unwrap();
    kept.put_back(&made.name).unwrap();
    assert!(!uploads.join("made-since").exists());
    assert_eq!(fs::read_to_string(uploads.join("a/b").join(&long)).unwrap(), "deep");
    assert_eq!(fs::read(uploads.join("Ünïcode\n")).unwrap(), vec![7; 300_000]);
    assert_eq!(fs::read_link(uploads.join("link")).unwrap(), Path::new("../../../etc/passwd"));
    assert_eq!(mode(&uploads.join("a")), 0o750);
    let beside = fs::read_dir(kept.place("shared/x").parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "nothing is left beside it");
    assert_eq!(kept.leftovers(), Vec::<String>::new());
}

#[test]
fn a_flipped_bit_or_a_missing_end_is_refused_before_anything_is_touched() {
    let kept = Kept::new(BackupSpec { files: vec!["shared/f".into()], ..spec() }, &[]);
    fs::write(kept.place("shared/f"), "then").unwrap();
    let made = kept.make().unwrap();
    fs::write(kept.place("shared/f"), "now").unwrap();
    let part = kept.part(&made, 0);
    let whole = fs::read(&part).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let cut = whole[..whole.len() - 1].to_vec();
    for damaged in [flipped, cut, vec![]] {
        fs::write(&part, damaged).unwrap();
        assert!(!kept.is_whole(&made.name));
        assert!(kept.put_back(&made.name).is_err());
        assert_eq!(fs::read_to_string(kept.place("shared/f")).unwrap(), "now");
    }
    fs::write(&part, &whole).unwrap();
    let told = part.with_file_name("metadata.json");
    let text = fs::read_to_string(&told).unwrap().replace("\"pinned\": false", "\"pinned\": true");
    fs::write(&told, text).unwrap();
    assert!(kept.put_back(&made.name).unwrap_err().message.contains("altered"));
    assert!(kept.backups.list(&kept.world.environment).unwrap().is_empty());
}

#[test]
fn hostile_names_and_paths_in_a_backup_are_refused() {
    let kept = Kept::new(BackupSpec { files: vec!["shared/f".into()], ..spec() }, &[]);
    fs::write(kept.place("shared/f"), "then").unwrap();
    let made = kept.make().unwrap();
    let directory = kept.backups.directory(&kept.world.environment, &made.name);
    for name in ["../../x", "/etc/passwd", ".hidden", "-rf"] {
        let mut hostile = made.clone();
        hostile.items[0].file = name.into();
        reseal(&directory, hostile);
        assert!(kept.put_back(&made.name).is_err(), "{name}");
    }
    let mut elsewhere = made.clone();
    let path = "/etc/cutover-must-not-be-made".to_owned();
    elsewhere.items[0].content = backup::metadata::Content::Files { path };
    reseal(&directory, elsewhere);
    assert!(kept.put_back(&made.name).unwrap_err().message.contains("configuration has none"));
    reseal(&directory, made.clone());
    for (path, kind) in [
        ("root/../../evil", tar::EntryType::Regular),
        ("/evil", tar::EntryType::Regular),
        ("other/evil", tar::EntryType::Regular),
        ("root/device", tar::EntryType::Char),
        ("root/hard", tar::EntryType::Link),
    ] {
        forge(&kept, &made, 0, |plain| *plain = archive(path, kind));
        assert!(!kept.is_whole(&made.name), "{path}");
        assert!(kept.put_back(&made.name).is_err(), "{path}");
    }
    // A link that a later entry goes through.
    forge(&kept, &made, 0, |plain| {
        let mut builder = tar::Builder::new(vec![]);
        append(&mut builder, "root/", tar::EntryType::Directory);
        append(&mut builder, "root/link", tar::EntryType::Symlink);
        append(&mut builder, "root/link/evil", tar::EntryType::Regular);
        *plain = builder.into_inner().unwrap();
    });
    assert!(kept.put_back(&made.name).is_err());
    assert!(!Path::new("/tmp/evil").exists());
    assert_eq!(fs::read_to_string(kept.place("shared/f")).unwrap(), "then");
}

fn archive(path: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut builder = tar::Builder::new(vec![]);
    append(&mut builder, path, kind);
    builder.into_inner().unwrap()
}

/// As a hostile writer would: what the library refuses to write is put into the header.
fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    if kind == tar::EntryType::Symlink || kind == tar::EntryType::Link {
        header.set_link_name("/tmp").unwrap();
    }
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
}

#[test]
fn what_is_encrypted_is_opened_by_its_key_only_and_by_the_stock_tool() {
    let keys = tempfile::tempdir().unwrap();
    let key = |name: &str| {
        let path = keys.path().join(name);
        let made = Command::new("age-keygen").arg("-o").arg(&path).output().unwrap();
        assert!(made.status.success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let told = Command::new("age-keygen").arg("-y").arg(&path).output().unwrap();
        (path, String::from_utf8(told.stdout).unwrap().trim().to_owned())
    };
    let ((right, recipient), (wrong, _)) = (key("right"), key("wrong"));
    let encrypted =
        BackupSpec { files: vec!["shared/f".into()], encrypt_to: vec![recipient], ..spec() };
    let mut kept = Kept::new(encrypted, &[]);
    fs::write(kept.place("shared/f"), "a secret of the shop").unwrap();
    let made = kept.make().unwrap();
    assert!(!made.opened_after_writing, "no key is here");
    let by = &kept.by.spec;
    let verified = kept.backups.verify(&made.name, by, None).unwrap();
    assert!(verified.whole && !verified.opened);
    let verified = kept.backups.verify(&made.name, by, Some(&right)).unwrap();
    assert!(verified.whole && verified.opened);
    let refused = kept.backups.put_back(&made.name, &kept.by, &ALL, Some(&wrong), &|_| {});
    let refused = refused.unwrap_err();
    assert!(refused.message.contains("decrypt"), "{refused:?}");
    assert!(refused.hints.iter().any(|it| it.contains("--identity")), "{refused:?}");
    fs::write(kept.place("shared/f"), "altered").unwrap();
    kept.backups.put_back(&made.name, &kept.by, &ALL, Some(&right), &|_| {}).unwrap();
    assert_eq!(fs::read_to_string(kept.place("shared/f")).unwrap(), "a secret of the shop");

    let mut age = Command::new("age");
    let opened = age.arg("-d").arg("-i").arg(&right).arg(kept.part(&made, 0)).output().unwrap();
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    let plain = zstd::decode_all(opened.stdout.as_slice()).unwrap();
    let mut archive = tar::Archive::new(plain.as_slice());
    let mut text = String::new();
    let first = archive.entries().unwrap().next();
    first.unwrap().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "a secret of the shop");
    // With the key on this machine it is opened right after it was written.
    let identity = right.to_str().map(ToOwned::to_owned);
    kept.by.spec.backup.as_mut().unwrap().identity = identity;
    assert!(kept.make().unwrap().opened_after_writing);
}

#[test]
fn a_deployment_makes_its_backup_once_and_what_is_missing_leaves_nothing() {
    let kept = Kept::new(BackupSpec { files: vec!["shared/f".into()], ..spec() }, &[]);
    let failure = kept.make().unwrap_err();
    assert!(failure.message.contains("shared/f: it is not there"), "{failure:?}");
    assert_eq!(kept.leftovers(), Vec::<String>::new());
    assert!(kept.backups.list(&kept.world.environment).unwrap().is_empty());
    fs::write(kept.place("shared/f"), "x").unwrap();
    let (one, other) = (DeploymentId("A".repeat(26)), DeploymentId("B".repeat(26)));
    let made = kept.make_at(NOW_MS, Some(&one)).unwrap();
    // What a killed controller left of it.
    let half = kept.world.layout.unfinished_backup(&kept.world.environment, &made.name);
    fs::create_dir(&half).unwrap();
    assert_eq!(kept.make_at(NOW_MS, Some(&one)).unwrap(), made, "it is there already");
    assert_eq!(kept.leftovers(), Vec::<String>::new());
    assert!(kept.make_at(NOW_MS, Some(&other)).is_err(), "it is another's");
    symlink("/etc", kept.place("shared/link")).unwrap();
    let linked = BackupSpec { files: vec!["shared/link".into()], ..spec() };
    let mut kept = kept;
    kept.by.spec.backup = Some(linked);
    let failure = kept.make_at(NOW_MS + 5000, None).unwrap_err();
    assert!(failure.hints.iter().any(|it| it.contains("leads to")), "{failure:?}");
}

#[test]
fn a_copy_lies_in_the_second_place_and_the_oldest_go() {
    let second = tempfile::tempdir().unwrap();
    let place = SecondPlace::Directory(second.path().to_str().unwrap().to_owned());
    let kept =
        BackupSpec { files: vec!["shared/f".into()], keep: 2, second_place: Some(place), ..spec() };
    let kept = Kept::new(kept, &[]);
    fs::write(kept.place("shared/f"), "x").unwrap();
    let made: Vec<Metadata> =
        (0..4).map(|it| kept.make_at(NOW_MS + it * 1000, None).unwrap()).collect();
    let copy = second.path().join("shop/production").join(made[0].name.as_str());
    assert_eq!(mode(&copy), 0o700);
    for item in &made[0].items {
        assert_eq!(fs::read(copy.join(&item.file)).unwrap().len() as u64, item.bytes);
    }
    assert!(copy.join("metadata.json").is_file());
    let environment = &kept.world.environment;
    let spec = kept.by.spec.backup.as_ref().unwrap();
    let gone = kept.backups.thin_out(environment, spec, NOW_MS + 9000, true).unwrap();
    assert_eq!(gone.len(), 2);
    assert_eq!(kept.backups.list(environment).unwrap().len(), 4, "it was only looked at");
    kept.backups.thin_out(environment, spec, NOW_MS + 9000, false).unwrap();
    let left: Vec<BackupName> =
        kept.backups.list(environment).unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(left, [made[3].name.clone(), made[2].name.clone()]);
    assert!(copy.is_dir(), "nothing is removed there");
    assert_eq!(kept.leftovers(), Vec::<String>::new());
}

#[test]
fn a_full_disk_leaves_nothing() {
    let kept = Kept::new(BackupSpec { files: vec!["shared/f".into()], ..spec() }, &[]);
    fs::write(kept.place("shared/f"), noise(4 << 20)).unwrap();
    let directory = kept.world.layout.backups(&kept.world.environment);
    fs::create_dir_all(&directory).unwrap();
    let mounted = Mounted::new(&directory);
    let failure = kept.make().unwrap_err();
    assert!(failure.hints.iter().any(|it| it.contains("free space")), "{failure:?}");
    assert_eq!(kept.leftovers(), Vec::<String>::new());
    assert!(kept.backups.list(&kept.world.environment).unwrap().is_empty());
    drop(mounted);
}

/// A file system of 1 MB over a directory.
struct Mounted(PathBuf);

impl Mounted {
    fn new(directory: &Path) -> Mounted {
        let args = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let mounted = Command::new("mount").args(args).arg(directory).status().unwrap();
        assert!(mounted.success());
        Mounted(directory.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What does not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}
