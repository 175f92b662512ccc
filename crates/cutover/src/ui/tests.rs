//! What is printed, from constructed news.

use super::{
    failure::Block, figure::Clock, golden::assert_golden, history, json, paint::Paint, plain, plan,
    ps, sample, show, status, verdict,
};
use crate::{story::Story, target::Target};
use daemon::api::words::{
    Disk, EnvironmentReport, EnvironmentState, ErrorReport, Info, InstanceReport, JobReport,
    JobRun, PlanReport, ProxyReport, StatusReport,
};
use model::{
    deployment::{Finding, Overrides, Progress},
    failure::{Blame, Failure},
    journal::Outcome,
    plan::Kind,
};
use std::{collections::BTreeMap, path::Path};

const PAINT: Paint = Paint { on: false };

fn target() -> Target {
    Target { id: sample::environment(), typed: "production".into() }
}

fn plain_text(lines: &[Progress]) -> String {
    let (mut story, clock) = (Story::default(), Clock::utc());
    let mut text = vec![];
    for line in lines {
        for beat in story.take(line) {
            let told = plain::line(&beat, &story, &PAINT);
            text.extend(told.map(|it| plain::timed(&it, line.at_ms, &clock, &PAINT)));
        }
    }
    text.join("\n")
}

fn verdict(kind: Kind) -> String {
    let story = sample::story(&sample::deployed(kind));
    verdict::line(&story, story.ending.as_ref().unwrap(), "production", &Clock::utc())
}

fn block(lines: &[Progress]) -> String {
    let story = sample::story(lines);
    let log = Path::new("/srv/logs/deploy_20261121_123000.log");
    let ending = story.ending.as_ref().unwrap();
    Block::of_story(&story, ending, "production", Some(log)).text(&PAINT, false)
}

#[test]
fn a_deployment_is_told_in_phases() {
    assert_golden("deployed.txt", &plain_text(&sample::deployed(Kind::Update)));
    assert_golden("aborted.txt", &plain_text(&sample::aborted()));
    assert_golden("refused.txt", &plain_text(&sample::refused()));
}

#[test]
fn the_last_line_proves_its_claim() {
    assert_eq!(
        verdict(Kind::Update),
        "deployed shop/production 1.3.0 in 4.2s · 18 412 requests during the switch, 0 failed, \
         p99 3 ms · back: cutover rollback production (1.2.0 is kept warm until 12:41)"
    );
    let kinds =
        [Kind::Initial, Kind::Rollback, Kind::Restart, Kind::Scale, Kind::Stop, Kind::Start];
    assert_golden("verdicts.txt", &kinds.map(verdict).join("\n"));
}

#[test]
fn no_traffic_is_not_called_good() {
    let none = model::deployment::Traffic::default();
    assert_eq!(verdict::traffic(Some(&none)), "no traffic seen");
    assert_eq!(verdict::traffic(None), "the proxy could not be asked for its counts");
}

#[test]
fn a_failure_has_five_parts_and_moves_no_cursor() {
    let text = block(&sample::aborted());
    for part in ["what failed", "serving now", "evidence", "undone", "next", "log"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
    assert_golden("failure-aborted.txt", &text);
    assert_golden("failure-refused.txt", &block(&sample::refused()));
}

#[test]
fn a_lock_says_who_has_it() {
    let failure = Failure::new(Blame::Request, "take the lock of shop/production")
        .hint("`cutover attach X` shows it");
    let holder = Some(Box::new(sample::record(Outcome::Deployed)));
    let report = ErrorReport { exit_code: 6, failure, holder };
    let block = Block::of_report(&report, Some("1.2.0"), &Clock::utc());
    assert_golden("failure-locked.txt", &block.text(&PAINT, false));
    let short = block.text(&PAINT, true);
    assert_eq!(short, "✗ failed to take the lock of shop/production · serving 1.2.0, untouched");
}

#[test]
fn programs_get_one_object_a_line() {
    let mut story = Story::default();
    let lines: Vec<String> = sample::aborted()
        .iter()
        .map(|it| {
            story.take(it);
            json::progress(it, &story)
        })
        .collect();
    // The plan's line is whole, and long; its shape is the model's.
    let shown: Vec<&String> = lines.iter().filter(|it| !it.contains("\"planned\"")).collect();
    let shown: Vec<&str> = shown.into_iter().map(String::as_str).collect();
    assert_golden("aborted.ndjson", &shown.join("\n"));
    for line in &lines {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object["event"].is_string() && object["at_ms"].is_u64(), "{line}");
    }
}

#[test]
fn a_plan_says_what_stands_in_the_way() {
    let finding = |overridable| Finding { failure: sample::unhealthy(), overridable };
    let report = PlanReport {
        scaled: vec!["web 4, configured 2".into()],
        changes: Some(sample::changes()),
        outlook: Some(sample::outlook()),
        disk: Some(Disk { needed_bytes: 2400, asked_bytes: 1 << 30, free_bytes: 5 << 30 }),
        findings: vec![finding(true), finding(false)],
        plan: Some(sample::plan(Kind::Update)),
        sentences: (1..=6).map(|it| format!("Sentence {it}.")).collect(),
        downtime: "none: 0 s".into(),
    };
    let forced = Overrides { force: true, ..Overrides::default() };
    assert_golden("plan.txt", &plan::text(&target(), &report, &forced, None, &PAINT));
}

#[test]
fn a_deployment_is_shown_whole() {
    let text = show::text(&sample::record(Outcome::Aborted), &Clock::utc(), &PAINT);
    assert_golden("show.txt", &text);
}

#[test]
fn deployments_are_listed() {
    let records = [Outcome::Deployed, Outcome::RolledBack].map(sample::record);
    assert_golden("history.txt", &history::text(&records, &target(), &Clock::utc(), &PAINT));
    let options = [("1.2.0".to_owned(), true), ("1.1.0".to_owned(), false)];
    assert_golden("rollback-options.txt", &history::options(&options, &target()));
}

fn instance(number: u16, role: &str, status: &str) -> InstanceReport {
    InstanceReport {
        id: format!("shop.production.web.{number}.becp3kgb"),
        service: "web".into(),
        version: "1.3.0".into(),
        role: role.into(),
        status: status.into(),
        pid: (status == "running").then_some(4000 + u32::from(number)),
        port: Some(20_000 + number),
        socket: None,
        slot: "green".into(),
        restarts: u32::from(number) - 1,
        since_ms: Some(sample::BEGAN_MS),
        memory_bytes: Some(64_000_000),
        in_flight: 3,
        warm_until_ms: (role == "warm").then_some(sample::BEGAN_MS + 660_000),
        unit: None,
        pm2: vec![],
    }
}

fn job() -> JobReport {
    JobReport {
        service: "report".into(),
        schedule: "30 4 * * *".into(),
        timezone: "UTC".into(),
        next_ms: Some(sample::BEGAN_MS + 3_600_000),
        skipped: 2,
        last: Some(JobRun {
            id: "shop.production.report.run.1".into(),
            version: "1.3.0".into(),
            due_ms: sample::BEGAN_MS,
            ended_at_ms: Some(sample::BEGAN_MS + 5_000),
            exit_code: Some(3),
            how: Some("exit code 3".into()),
        }),
    }
}

fn report() -> StatusReport {
    let environment = EnvironmentReport {
        id: sample::environment(),
        serving: vec![sample::label("1.3.0")],
        since_ms: Some(sample::BEGAN_MS),
        state: EnvironmentState::Active,
        generation: 5,
        probation: None,
        trial: None,
        held: false,
        hosts: vec!["shop.example".into()],
        paths: vec![("/".into(), "web".into())],
        instances: vec![
            instance(1, "serving", "running"),
            instance(2, "serving", "exited: exit code 1"),
            instance(3, "warm", "running"),
        ],
        jobs: vec![job()],
        scaled: vec![],
        current: Some("1.3.0".into()),
        previous: Some("1.2.0".into()),
        link_problems: vec![],
        requests: 18_412,
        failed: 0,
        marks: Default::default(),
        saved: vec![],
        queue: vec![],
        active: None,
        attention: None,
        last: vec![sample::record(Outcome::Deployed)],
        rollback_options: vec![("1.2.0".into(), true)],
        next_command: None,
    };
    StatusReport {
        root: "/srv/cutover".into(),
        controller: Some(Info {
            version: "0.1.0".into(),
            pid: 4242,
            epoch: 3,
            started_at_ms: sample::BEGAN_MS,
            recovering: false,
        }),
        controller_last_seen_ms: None,
        proxy: Some(ProxyReport {
            pid: 4243,
            addresses: vec!["127.0.0.1:8080".into()],
            uptime_ms: 65_000,
            connections: 7,
        }),
        environments: vec![environment],
        disk_free_bytes: 12_400_000_000,
        alerts: vec!["something \u{1b}[31modd".into()],
    }
}

#[test]
fn one_screen_says_what_serves() {
    let now_ms = sample::BEGAN_MS + 190_000;
    let more = status::More { history: true, rollback_options: true };
    let text = |it: &StatusReport, more| status::text(it, more, now_ms, &Clock::utc(), &PAINT);
    assert_golden("status.txt", &text(&report(), more));
    let away = StatusReport {
        controller: None,
        controller_last_seen_ms: Some(sample::BEGAN_MS),
        proxy: None,
        environments: vec![],
        ..report()
    };
    assert_golden("status-away.txt", &text(&away, status::More::default()));
}

#[test]
fn instances_are_a_table_and_objects() {
    let now_ms = sample::BEGAN_MS + 190_000;
    let environments = report().environments;
    assert_golden("ps.txt", &ps::table(&environments, now_ms));
    let cpu = BTreeMap::from([(environments[0].instances[0].id.clone(), 12.5)]);
    let objects = serde_json::to_string_pretty(&ps::objects(&environments, &cpu, now_ms)).unwrap();
    assert_golden("ps.json", &objects);
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    assert_eq!(Paint { on: true }.bad("x"), "\u{1b}[1m\u{1b}[31mx\u{1b}[0m");
    assert_eq!(Paint { on: false }.bad("x"), "x");
}

#[test]
fn a_rollback_that_fails_leaves_the_bad_release_and_says_so_by_its_exit_code() {
    let ended = |kind, outcome| {
        let mut teller = sample::Teller::new(kind);
        teller.end(100, outcome, "2.0.0");
        sample::story(&teller.lines()).exit_code()
    };
    assert_eq!(ended(Kind::Update, Outcome::Aborted), 3);
    assert_eq!(ended(Kind::Update, Outcome::RolledBack), 4);
    assert_eq!(ended(Kind::Rollback, Outcome::Aborted), 5);
    assert_eq!(ended(Kind::Rollback, Outcome::RolledBack), 5);
    assert_eq!(ended(Kind::Rollback, Outcome::Refused), 2);
    assert_eq!(ended(Kind::Rollback, Outcome::Deployed), 0);
}
