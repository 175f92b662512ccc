//! The second place on another machine: a real SSH server.

use super::{Kept, NOW_MS, noise, spec};
use drivers::backups::Wanted;
use model::backup::{BackupName, BackupSpec, SecondPlace, SshPlace, metadata::Metadata};
use std::{cell::RefCell, fs, path::PathBuf};
use testkit::sshd::Sshd;

fn place(sshd: &Sshd, port: u16) -> SshPlace {
    SshPlace {
        host: "127.0.0.1".into(),
        port: Some(port),
        directory: sshd.folder().join("vault").display().to_string(),
        identity: Some(sshd.identity()),
        known_hosts: Some(sshd.known_at(port)),
    }
}

fn kept(place: SshPlace) -> Kept {
    let second_place = Some(SecondPlace::Ssh(place));
    Kept::new(BackupSpec { files: vec!["shared/f".into()], keep: 1, second_place, ..spec() }, &[])
}

fn leads_to(kept: &mut Kept, place: SshPlace) {
    kept.by.spec.backup.as_mut().unwrap().second_place = Some(SecondPlace::Ssh(place));
}

/// With what was told on the way.
fn made(kept: &Kept, now_ms: u64) -> (Metadata, String) {
    let (name, told) = (BackupName::at(now_ms), RefCell::new(String::new()));
    let wanted = Wanted {
        name: &name,
        by: &kept.by,
        serving: None,
        deployment: None,
        before: None,
        note: None,
        pinned: false,
        as_it_is: false,
    };
    let made = kept.backups.make(&wanted, &|text| *told.borrow_mut() += &text).unwrap();
    (made, told.into_inner())
}

fn there(sshd: &Sshd) -> PathBuf {
    sshd.folder().join("vault/shop/production")
}

#[test]
fn what_is_copied_by_ssh_comes_back_when_the_first_place_is_gone() {
    let sshd = Sshd::new();
    let kept = kept(place(&sshd, sshd.port));
    fs::write(kept.place("shared/f"), noise(1 << 20)).unwrap();
    let before = fs::read(kept.place("shared/f")).unwrap();
    let (first, told) = made(&kept, NOW_MS);
    assert_eq!(told, "");
    let (second, _) = made(&kept, NOW_MS + 1000);
    let by = &kept.by.spec;
    let names = [second.name.clone(), first.name.clone()];
    assert_eq!(kept.backups.elsewhere(by).unwrap(), names);
    let spec = by.backup.as_ref().unwrap();
    let gone = kept.backups.thin_out(&by.id, spec, NOW_MS + 2000, false).unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(kept.backups.elsewhere(by).unwrap(), names, "nothing is removed there");

    fs::remove_dir_all(kept.world.layout.backups(&by.id)).unwrap();
    fs::write(kept.place("shared/f"), "lost").unwrap();
    assert_eq!(kept.backups.fetch(by, &first.name).unwrap(), first);
    assert!(kept.is_whole(&first.name));
    kept.put_back(&first.name).unwrap();
    assert_eq!(fs::read(kept.place("shared/f")).unwrap(), before);
    let again = kept.backups.fetch(by, &first.name).unwrap_err();
    assert!(again.message.contains("it is here"), "{again:?}");

    // What was altered there is not taken.
    let part = there(&sshd).join(second.name.as_str()).join(&second.items[0].file);
    let mut bytes = fs::read(&part).unwrap();
    bytes[100] ^= 1;
    fs::write(&part, bytes).unwrap();
    let refused = kept.backups.fetch(by, &second.name).unwrap_err();
    assert!(refused.message.contains("altered"), "{refused:?}");
    assert_eq!(kept.leftovers(), Vec::<String>::new());
    assert!(kept.backups.fetch(by, &BackupName::at(NOW_MS + 9000)).is_err());
    assert_eq!(kept.leftovers(), Vec::<String>::new());
}

#[test]
fn a_machine_that_is_unknown_or_goes_away_costs_the_copy_only() {
    let sshd = Sshd::new();
    let known = place(&sshd, sshd.port);
    let nobody = sshd.nobody_known().display().to_string();
    let mut kept = kept(SshPlace { known_hosts: Some(nobody), ..known.clone() });
    fs::write(kept.place("shared/f"), noise(4 << 20)).unwrap();
    let (one, told) = made(&kept, NOW_MS);
    assert!(told.contains("Host key verification failed"), "{told}");
    assert!(told.contains("the backup itself is whole"), "{told}");
    assert!(kept.is_whole(&one.name));
    let failure = kept.backups.elsewhere(&kept.by.spec).unwrap_err();
    assert!(failure.hints.iter().any(|it| it.contains("known_hosts")), "{failure:?}");

    // In the midst of the copy.
    let port = sshd.cut_after(2 << 20);
    leads_to(&mut kept, place(&sshd, port));
    let (two, told) = made(&kept, NOW_MS + 1000);
    assert!(told.contains("the backup itself is whole"), "{told}");
    assert!(kept.is_whole(&two.name));
    leads_to(&mut kept, known.clone());
    assert_eq!(kept.backups.elsewhere(&kept.by.spec).unwrap(), [], "no half one is listed");
    let (three, told) = made(&kept, NOW_MS + 2000);
    assert_eq!(told, "");
    assert_eq!(kept.backups.elsewhere(&kept.by.spec).unwrap(), [three.name]);

    // Words are never more than words.
    let trap = sshd.folder().join("trap");
    let command = format!("-oProxyCommand=touch {}", trap.display());
    for hostile in [
        SshPlace { host: command.clone(), ..known.clone() },
        SshPlace { directory: format!("/b; touch {}", trap.display()), ..known.clone() },
        SshPlace { identity: Some(command.clone()), ..known.clone() },
        SshPlace { known_hosts: Some(command), ..known },
    ] {
        leads_to(&mut kept, hostile);
        assert!(kept.backups.elsewhere(&kept.by.spec).is_err());
    }
    assert!(!trap.exists());
}

#[test]
fn what_other_systems_left_is_named_and_never_removed() {
    let kept = Kept::new(BackupSpec { files: vec!["shared/f".into()], keep: 1, ..spec() }, &[]);
    fs::write(kept.place("shared/f"), "x").unwrap();
    let by = &kept.by.spec;
    let place = kept.world.layout.backups(&by.id);
    // By a time in another form, and by ours with metadata of another kind.
    let told = r#"{ "timestamp": "2024-11-14T14:30:22Z", "gitCommit": "abc", "version": "1.2.3" }"#;
    for name in ["backup-20241023-120000", "backup_20241114_143022"] {
        fs::create_dir_all(place.join(name)).unwrap();
        fs::write(place.join(name).join("metadata.json"), told).unwrap();
    }
    fs::write(place.join("backup-20241023-140000.meta"), "version=1.2.3\n").unwrap();
    for at in 0..3 {
        kept.make_at(NOW_MS + at * 1000, None).unwrap();
    }
    let spec = by.backup.as_ref().unwrap();
    kept.backups.thin_out(&by.id, spec, NOW_MS + 9000, false).unwrap();
    assert_eq!(kept.backups.list(&by.id).unwrap().len(), 1);
    let others =
        ["backup-20241023-120000", "backup-20241023-140000.meta", "backup_20241114_143022"];
    assert_eq!(kept.backups.others(&by.id).unwrap(), others);
    assert!(others.iter().all(|it| place.join(it).exists()));
}
