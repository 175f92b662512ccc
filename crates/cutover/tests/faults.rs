//! The bounded part of the fault matrix: each row in a few runs.  `cargo xtask faults --all` runs
//! all of it.  Faults are made from outside, so these tests need root, strace and namespaces.

#![allow(clippy::print_stdout, reason = "a failed test shows what each run measured")]

use testkit::faults::{Context, ROWS, Size};

/// Repeats every random choice; printed with each row.
const SEED: u64 = 20_261_121;

#[track_caller]
fn passes(number: u32) {
    let row = ROWS.iter().find(|it| it.number == number).expect("the row is in the table");
    let tell = |line: &str| println!("{line}");
    let context = Context { seed: SEED, size: Size::Bounded, every: None, tell };
    let report = row.execute(&context);
    let (runs, points) = (report.runs, report.kill_points);
    println!("row {}: {runs} runs, killed at {points} points, seed {SEED}", row.numbers());
    assert!(report.ok(), "row {}: {}\n{}", row.numbers(), row.title, report.failures.join("\n"));
}

#[test]
fn the_daemon_dies_before_the_lock() {
    passes(1);
}

#[test]
fn the_daemon_dies_around_commits() {
    passes(2);
}

#[test]
fn the_daemon_dies_at_system_calls() {
    passes(16);
}

#[test]
fn the_daemon_dies_in_recovery_again_and_again() {
    passes(17);
}

#[test]
fn two_daemons_want_one_root() {
    passes(18);
}

#[test]
fn a_daemon_of_another_version_takes_over() {
    passes(19);
}

#[test]
fn the_command_line_dies() {
    passes(20);
}

#[test]
fn the_machine_reboots_in_probation() {
    passes(21);
}

#[test]
fn the_machine_reboots_after_confirm() {
    passes(22);
}

#[test]
fn the_data_plane_dies_part_by_part() {
    passes(23);
}

#[test]
fn the_proxy_dies_at_its_rename() {
    passes(24);
}

#[test]
fn route_files_are_damaged() {
    passes(25);
}

#[test]
fn another_build_takes_over_under_load() {
    passes(26);
}

#[test]
fn a_new_build_that_is_of_no_use_changes_nothing() {
    passes(27);
}

#[test]
fn a_port_accepts_and_nobody_answers() {
    passes(28);
}

#[test]
fn a_stranger_takes_the_port() {
    passes(29);
}

#[test]
fn posts_meet_drains() {
    passes(30);
}

#[test]
fn the_proxy_is_out_of_descriptors() {
    passes(31);
}

#[test]
fn an_app_exits_at_once() {
    passes(32);
}

#[test]
fn an_app_crashes_in_its_bake() {
    passes(33);
}

#[test]
fn an_app_crashes_twice_after_confirm() {
    passes(34);
}

#[test]
fn health_checks_misbehave() {
    passes(35);
}

#[test]
fn an_app_starts_slowly() {
    passes(36);
}

#[test]
fn every_request_fails_behind_green_health() {
    passes(37);
}

#[test]
fn some_requests_fail() {
    passes(38);
}

#[test]
fn nobody_asks() {
    passes(39);
}

#[test]
fn an_app_ignores_sigterm() {
    passes(40);
}

#[test]
fn an_app_leaves_a_daemon() {
    passes(41);
}

#[test]
fn an_app_leaves_zombies() {
    passes(43);
}

#[test]
fn an_app_writes_without_measure() {
    passes(45);
}

#[test]
fn an_app_alters_its_release() {
    passes(46);
}

#[test]
fn an_app_inherits_three_descriptors() {
    passes(47);
}

#[test]
fn the_file_system_is_full() {
    passes(48);
}

#[test]
fn a_sync_of_the_journal_fails() {
    passes(49);
}

#[test]
fn what_is_written_to_becomes_read_only() {
    passes(50);
}

#[test]
fn the_journal_is_not_the_newest() {
    passes(51);
}

#[test]
fn the_wall_clock_leaps() {
    passes(53);
}

#[test]
fn the_daemon_has_little_memory() {
    passes(54);
}

#[test]
fn two_deploy_at_once() {
    passes(60);
}

#[test]
fn deployments_are_aborted_at_each_step() {
    passes(66);
}

#[test]
fn a_release_to_go_back_to_is_gone() {
    passes(67);
}

#[test]
fn rollbacks_follow_rollbacks() {
    passes(68);
}

#[test]
fn every_row_has_its_test_here() {
    let text = include_str!("faults.rs");
    for row in ROWS {
        let call = format!("passes({});", row.number);
        assert!(text.contains(&call), "row {} is not run", row.numbers());
    }
}
