//! A whole installation under a real systemd: our own roles as its units, restarted under load,
//! and booted again.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
    time::Duration,
};
use testkit::{
    load::FaultKind,
    machine::Machine,
    stand::{HOST, Layout, Stand, TARGET, assert_clean, kill},
    time::eventually,
};

const ABORTED: i32 = 3;
const ATTENTION: i32 = 5;
const SOON: Duration = Duration::from_secs(60);

/// An installation whose every verb is run in a machine of its own.
fn installed(layout: Layout) -> (Stand, Machine) {
    let mut stand = Stand::new(layout);
    let built = stand.program.parent().unwrap().to_owned();
    let machine = Machine::boot(&[stand.folder.path(), &built]);
    stand.through = machine.through();
    (stand, machine)
}

fn property(machine: &Machine, unit: &str, property: &str) -> String {
    machine.systemctl(&["show", "-P", property, "--", unit])
}

fn serves_with(stand: &Stand) -> u32 {
    // As the machine sees it.
    let status = stand.cutover(&["--json", "proxy", "status"]).expect(0).out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    u32::try_from(status["pid"].as_u64().unwrap()).unwrap()
}

#[test]
fn units_are_restarted_under_load_and_serve_again_after_a_boot() {
    let (mut stand, mut machine) = installed(Layout::default());
    // What runs already is taken over without a gap.
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load();
    let before = serves_with(&stand);
    let said = stand.cutover(&["setup"]).expect(0).text();
    for part in ["wrote /etc/systemd/system/cutover.service", "started cutover-proxy.service"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(stand.cutover(&["setup"]).expect(0).text().contains("nothing to change"));
    let taken = serves_with(&stand);
    assert_ne!(before, taken, "the proxy is one of its unit's");
    stand.cutover(&["doctor"]).expect(0);
    for unit in ["cutover", "cutover-proxy"] {
        let pid = property(&machine, unit, "MainPID");
        machine.systemctl(&["restart", unit]);
        assert_ne!(property(&machine, unit, "MainPID"), pid, "{unit}");
    }
    assert_ne!(serves_with(&stand), taken, "a restart brings a new proxy");
    // One that dies is started again, while the proxy serves on.
    machine.systemctl(&["kill", "--signal=KILL", "cutover.service"]);
    stand.deploy("2.0.0", "").expect(0);
    assert_clean(&load.stop().unwrap());
    // Holder and proxy at once: who connects waits for the next ones instead of being refused.
    let load = stand.load();
    let kept = machine.systemctl(&["show", "-P", "NFileDescriptorStore", "cutover-proxy"]);
    assert_eq!(kept, "1");
    machine.systemctl(&["kill", "--kill-whom=all", "--signal=KILL", "cutover-proxy.service"]);
    stand.until_answers("2.0.0", SOON);
    let summary = load.stop().unwrap();
    assert_eq!(summary.failures.get(&FaultKind::Refused), None, "{summary:#?}");

    machine.reboot();
    stand.through = machine.through();
    stand.until_answers("2.0.0", SOON);
    machine.crash();
    stand.through = machine.through();
    stand.until_answers("2.0.0", SOON);
    assert_eq!(stand.serving(), ["2.0.0"]);
    stand.deploy("3.0.0", "").expect(0);
}

#[test]
fn a_unit_changed_by_hand_is_found_and_what_serves_outlives_the_units() {
    let (stand, machine) = installed(Layout { instances: 1, ..Layout::default() });
    let shown = stand.cutover(&["setup", "--dry-run"]).expect(0).out;
    assert!(shown.contains("ExecStart=") && shown.contains("would be written"), "{shown}");
    stand.cutover(&["setup"]).expect(0);
    stand.deploy("1.0.0", "").expect(0);
    let edit = "sed -i s/RestartSec=200ms/RestartSec=9s/ /etc/systemd/system/cutover.service";
    assert!(machine.run("sh", &["-c", edit]).status.success());
    let refused = stand.cutover(&["setup"]).expect(ATTENTION).text();
    assert!(refused.contains("by hand") && refused.contains("--force"), "{refused}");
    let found = stand.cutover(&["doctor"]).expect(ATTENTION).text();
    assert!(found.contains("cutover.service: changed by hand"), "{found}");
    let load = stand.load();
    stand.cutover(&["setup", "--force"]).expect(0);
    stand.cutover(&["doctor"]).expect(0);
    stand.cutover(&["setup", "--remove"]).expect(0);
    let files = machine.run("sh", &["-c", "ls /etc/systemd/system/cutover*"]);
    assert!(!files.status.success(), "{files:?}");
    stand.deploy("2.0.0", "").expect(0);
    assert_clean(&load.stop().unwrap());
    stand.down().expect(0);
}

/// Units of instances that systemd knows of.
fn instance_units(machine: &Machine) -> Vec<String> {
    let all = ["list-units", "--all", "--plain", "--no-legend", "cutover-*.*.service"];
    let listed = machine.systemctl(&all);
    listed.lines().filter_map(|it| it.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn units_of_instances_are_switched_refused_limited_and_rolled_back() {
    let (stand, machine) = installed(Layout {
        instances: 1,
        bake_s: 2.0,
        more: vec!["runtime: systemd".to_owned(), "limits: { memory: 40M }".to_owned()],
        ..Layout::default()
    });
    stand.deploy("1.0.0", "").expect(0);
    let listed = stand.cutover(&["--json", "ps"]).expect(0).out;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["runtime"], &listed[0]["mode"]), (&"systemd".into(), &"systemd".into()));
    assert_eq!(listed[0]["unit"], instance_units(&machine)[0].as_str());
    let load = stand.load();
    stand.deploy("2.0.0", "").expect(0);
    let aborted = stand.deploy("3.0.0", "exit1").expect(ABORTED).text();
    assert!(aborted.contains("exit code 1"), "{aborted}");
    assert_eq!(instance_units(&machine).len(), 2, "{:?}", instance_units(&machine));
    stand.cutover(&["rollback", TARGET]).expect(0);
    assert_eq!(stand.serving(), ["1.0.0"]);
    assert_clean(&load.stop().unwrap());
    let leaks = stand.deploy("4.0.0", "leak_memory");
    assert!(matches!(leaks.code, Some(3 | 4)), "{}", leaks.text());
    assert!(leaks.text().contains("out of memory"), "{}", leaks.text());
    assert_eq!(stand.serving(), ["1.0.0"]);
    let unit = instance_units(&machine);
    let shown = machine.systemctl(&["cat", "--", &unit[0]]);
    assert!(shown.contains("NoNewPrivileges=yes") && !shown.contains("CUTOVER_TOKEN="), "{shown}");
    // What crashes is started again, also while the controller is down.
    let serving = stand.environment()["instances"][0]["id"].as_str().unwrap().to_owned();
    let main = |unit: &str| property(&machine, unit, "MainPID");
    let name = format!("cutover-{serving}.service");
    let before = main(&name);
    kill(stand.pid_of("daemon").unwrap(), Signal::KILL);
    machine.run("kill", &["-9", &before]);
    eventually("it is started again", SOON, || {
        let now = main(&name);
        (now != "0" && now != before).then_some(())
    });
    stand.until_answers("1.0.0", SOON);
    let words = ["logs", TARGET, "-n", "200"];
    eventually("its lines are in the log", SOON, || {
        stand.cutover(&words).expect(0).out.contains(&serving).then_some(())
    });
    stand.down().expect(0);
    assert_eq!(instance_units(&machine), Vec::<String>::new());
    assert!(fs::read_dir(stand.root.join("run")).unwrap().next().is_none());
}

/// Makes a key that only root reads, in a home, and a certificate where such lie; adds them to the
/// configuration.
fn secured(stand: &Stand, machine: &Machine) -> SocketAddr {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, testkit::ports::free()).into();
    let make = format!(
        "set -e; umask 077; mkdir -p /home/keeper /etc/letsencrypt/live/shop; \
         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
         -subj /CN={HOST} -addext subjectAltName=DNS:{HOST} -keyout /home/keeper/key.pem \
         -out /etc/letsencrypt/live/shop/fullchain.pem; chown -R nobody /home/keeper"
    );
    let made = machine.run("sh", &["-c", &make]);
    assert!(made.status.success(), "{made:?}");
    let https = format!(
        "proxy: {{ https: {{ listen: [\"{address}\"], redirect: false, certificates: {{ {HOST}: \
         {{ certificate: /etc/letsencrypt/live/shop/fullchain.pem, key: /home/keeper/key.pem }} \
         }} }}, "
    );
    let text = fs::read_to_string(stand.config()).unwrap();
    fs::write(stand.config(), text.replacen("proxy: { ", &https, 1)).unwrap();
    address
}

/// Whose certificate is presented there.
fn presented(address: SocketAddr) -> String {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-servername", HOST, "-connect", &address.to_string()]);
    let output = client.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_deployment_outlives_systemd_and_is_taken_back_after_a_crash() {
    let (mut stand, mut machine) = installed(Layout {
        instances: 1,
        bake_s: 2.0,
        more: vec!["runtime: systemd".to_owned()],
        ..Layout::default()
    });
    let address = secured(&stand, &machine);
    stand.cutover(&["setup"]).expect(0);
    stand.deploy("1.0.0", "").expect(0);
    // The proxy's unit is hardened, and reads them all the same.
    assert!(presented(address).contains(HOST), "{}", presented(address));
    let begun = |stand: &Stand, version: &str| {
        let from = stand.release(version, "").display().to_string();
        let (going, out, _) = stand.start(&["deploy", TARGET, version, "--from", &from]);
        eventually("the traffic is switched", SOON, || {
            fs::read_to_string(&out).unwrap().contains("✓ switch").then_some(())
        });
        going
    };
    let load = stand.load();
    let mut going = begun(&stand, "2.0.0");
    machine.systemctl(&["daemon-reexec"]);
    assert_eq!(going.ended(SOON).code(), Some(0));
    assert_clean(&load.stop().unwrap());
    assert_eq!(stand.serving(), ["2.0.0"]);
    let going = begun(&stand, "3.0.0");
    machine.crash();
    drop(going);
    stand.through = machine.through();
    stand.until_answers("2.0.0", SOON);
    eventually("the deployment is at its end", SOON, || {
        let environment = stand.environment();
        (environment["active"].is_null() && environment["attention"].is_null()).then_some(())
    });
    assert_eq!(stand.serving(), ["2.0.0"]);
    assert!(presented(address).contains(HOST), "{}", presented(address));
    assert_eq!(instance_units(&machine).len(), 1, "{:?}", instance_units(&machine));
    stand.deploy("4.0.0", "").expect(0);
}

/// What serves besides the application.
const OTHERS: &str = r#"      worker: { kind: worker, command: [sleep, "86400"], bake: 300ms }
      pages: { runtime: static, directory: ., index: none, routes: [/pages], bake: 300ms }
      report: { command: ["true"], schedule: "30 4 * * *" }
    environments:
      staging: { domains: [staging.example], version: semver, disk_free: 64M }
"#;

#[test]
fn after_a_power_cut_the_controller_alone_brings_everything_back() {
    let (mut stand, mut machine) = installed(Layout { instances: 1, ..Layout::default() });
    let text = fs::read_to_string(stand.config()).unwrap();
    fs::write(stand.config(), text.replacen("    environments:\n", OTHERS, 1)).unwrap();
    let from = stand.release("1.0.0", "").display().to_string();
    for target in [TARGET, "shop/staging"] {
        stand.cutover(&["deploy", target, "1.0.0", "--from", &from]).expect(0);
    }
    machine.crash();
    stand.through = machine.through();
    stand.cutover(&["daemon", "start"]).expect(0);
    stand.until_answers("1.0.0", SOON);
    let host = "staging.example";
    eventually("the other environment answers", SOON, || {
        let answer = testkit::app::get_from(stand.address, host, "/api/version").ok()?;
        answer.contains("1.0.0").then_some(())
    });
    let pages = stand.get("/pages/VERSION").unwrap();
    assert!(pages.starts_with("HTTP/1.1 200") && pages.contains("1.0.0"), "{pages}");
    eventually("the workers work again", SOON, || {
        let status = stand.status();
        let environments = status["environments"].as_array()?.clone();
        let works = |it: &serde_json::Value| {
            let all = it["instances"].as_array().cloned().unwrap_or_default();
            all.iter().any(|one| one["service"] == "worker" && one["status"] == "running")
        };
        (environments.len() == 2 && environments.iter().all(works)).then_some(())
    });
    let listed = stand.cutover(&["ps"]).expect(0).out;
    assert!(listed.contains("report"), "{listed}");
}
