//! What is said of a `backup:`, and what it comes to.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use config::{Document, EnvFiles, EnvReadError, EnvText};
use model::backup::{BackupSpec, DatabaseKind, DatabasePlace, SecondPlace, SshPlace};

struct NoFile;

impl EnvFiles for NoFile {
    fn read(&self, _: &str) -> Result<EnvText, EnvReadError> {
        Err(EnvReadError::Missing)
    }
}

fn document(backup: &str) -> String {
    format!(
        "projects:
  shop:
    services:
      web: {{ command: [./serve], routes: [/], env: {{ DATABASE_URL: postgresql://db/shop }} }}
    environments:
      production:
        domains: [shop.example]
        backup: {backup}
"
    )
}

fn said(backup: &str) -> Vec<String> {
    let (_, problems) = Document::read("cutover.yml", &document(backup));
    problems.into_iter().filter(|it| it.is_error()).map(|it| it.message).collect()
}

fn resolved(backup: &str) -> Result<BackupSpec, Vec<String>> {
    let (document, _) = Document::read("cutover.yml", &document(backup));
    let id = "shop/production".parse().unwrap();
    match document.unwrap().resolve(&id, &NoFile, false) {
        Ok(resolved) => Ok(resolved.spec.backup.unwrap()),
        Err(problems) => Err(problems.into_iter().map(|it| it.message).collect()),
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let spec =
        resolved("{ databases: { main: { kind: mysql, url_from: DATABASE_URL } } }").unwrap();
    assert!(spec.before_deploy, "there is a database");
    assert_eq!((spec.keep, spec.keep_days, spec.bytes_max), (5, 7, None));
    assert_eq!(spec.databases[0].kind, DatabaseKind::Mariadb);
    assert_eq!(spec.databases[0].place, DatabasePlace::Variable("DATABASE_URL".into()));
    let spec = resolved("{ files: [shared/uploads] }").unwrap();
    assert!(!spec.before_deploy && spec.encrypt_to.is_empty() && spec.second_place.is_none());
    let place = "{ ssh: me@vault.example, port: 2222, directory: /srv/backups, \
                 identity: /etc/cutover/vault, known_hosts: /etc/cutover/known }";
    let spec = resolved(&format!("{{ files: [/srv/f], second_place: {place} }}")).unwrap();
    let expected = SecondPlace::Ssh(SshPlace {
        host: "me@vault.example".into(),
        port: Some(2222),
        directory: "/srv/backups".into(),
        identity: Some("/etc/cutover/vault".into()),
        known_hosts: Some("/etc/cutover/known".into()),
    });
    assert_eq!(spec.second_place, Some(expected));
}

#[test]
fn what_could_lead_elsewhere_or_open_what_is_closed_is_refused() {
    for (backup, expected) in [
        ("{ files: [../x] }", "no plain path"),
        ("{ files: [shared/../../x] }", "no plain path"),
        ("{ databases: { main: { kind: sqlite, path: /srv/../etc/x } } }", "no plain path"),
        ("{ databases: { main: { kind: sqlite, url_from: X } } }", "is a file"),
        ("{ databases: { main: { kind: postgresql, path: x } } }", "has a `url_from`"),
        ("{ databases: { main: { url_from: X } } }", "has no `kind`"),
        ("{ databases: { ../main: { kind: sqlite, path: x } } }", "no name of a database"),
        ("{ identity: key.txt }", "not absolute"),
        ("{ encrypt_to: [somebody] }", "no recipient"),
        ("{ encrypt_to: [AGE-SECRET-KEY-1QQQQ] }", "must be in no configuration"),
        ("{ second_place: backups }", "not absolute"),
        ("{ second_place: { ssh: -oProxyCommand=x, directory: /b } }", "is no host"),
        ("{ second_place: { ssh: 'vault;x', directory: /b } }", "is no host"),
        ("{ second_place: { ssh: vault, directory: '/b $(x)' } }", "has other than letters"),
        ("{ second_place: { ssh: vault } }", "`ssh` and `directory`"),
        ("{ second_place: { ssh: vault, directory: /b, identity: key } }", "not absolute"),
        ("{ second_place: { ssh: vault, directory: /b, known_hosts: '/a b' } }", "has other than"),
    ] {
        let said = said(backup);
        assert!(said.len() == 1 && said[0].contains(expected), "{backup}: {said:?}");
        assert!(!said[0].contains("AGE-SECRET"), "{said:?}");
    }
}

#[test]
fn a_variable_that_no_service_has_leads_nowhere() {
    let problems = resolved("{ databases: { main: { kind: postgresql, url_from: OTHER } } }");
    let problems = problems.unwrap_err();
    assert_eq!(problems, ["no service has the variable `OTHER`"]);
}
