//! Many environments at once.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::{fs, path::Path, time::Duration};
use testkit::stand::{Layout, Stand};

/// For all of them, on a machine that does other things too.
const MOMENT: Duration = Duration::from_secs(120);
const ENVIRONMENTS: usize = 20;

#[test]
fn twenty_environments_are_deployed_at_once_and_none_waits_for_another() {
    let stand = Stand::new(Layout { bake_s: 0.1, instances: 1, ..Layout::default() });
    let mut configuration = fs::read_to_string(stand.config()).unwrap();
    let names: Vec<String> = (1..ENVIRONMENTS).map(|it| format!("e{it}")).collect();
    for name in &names {
        let keys = format!("domains: [{name}.shop.example], version: semver, disk_free: 64M");
        configuration.push_str(&format!("      {name}: {{ {keys} }}\n"));
    }
    fs::write(stand.config(), configuration).unwrap();
    stand.deploy("1.0.0", "").expect(0);
    let from = stand.release("1.1.0", "").display().to_string();
    let all = names.iter().map(String::as_str).chain(["production"]);
    let deploy = |name: &str| stand.start(&["deploy", name, "1.1.0", "--from", &from]);
    let mut going: Vec<_> = all.map(deploy).collect();
    for (deploying, out, error) in &mut going {
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let code = deploying.ended(MOMENT).code();
        assert_eq!(code, Some(0), "{}{}", text(out.as_path()), text(error.as_path()));
    }
    let status = stand.status();
    let environments = status["environments"].as_array().unwrap();
    assert_eq!(environments.len(), ENVIRONMENTS);
    for environment in environments {
        assert_eq!(environment["serving"][0]["version"], "1.1.0", "{}", environment["id"]);
        assert_eq!(environment["state"], "active", "{}", environment["id"]);
    }
}
