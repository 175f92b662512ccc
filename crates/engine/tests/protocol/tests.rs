//! The protocol keeps every rule in every interleaving, and each rule of it is needed.

use crate::{
    cast::{Budget, Fact, Flaw, State},
    rules::Rule,
    walk::{Report, Violation, walk},
};

const NOTHING: Budget = Budget {
    kills: 0,
    deaths: 0,
    old_deaths: 0,
    aborts: 0,
    failed_undos: 0,
    full_disks: 0,
    take_overs: 0,
    rounds: 0,
};
const ALL_FAULTS: Budget =
    Budget { kills: 3, deaths: 1, old_deaths: 1, aborts: 1, failed_undos: 1, ..NOTHING };

fn kept(name: &str, budget: Budget, first_deployment: bool) -> Report {
    match walk(None, State::start(budget, first_deployment)) {
        Ok(report) => {
            let Report { states, moves, ends, longest_outage } = &report;
            println!("{name}: {states} states, {moves} moves, {ends:?}, outage {longest_outage}");
            report
        }
        Err(violation) => panic!("{name}: {}{:?}", violation.story(), violation.state),
    }
}

fn caught(flaw: Flaw, budget: Budget) -> Violation {
    let found = walk(Some(flaw), State::start(budget, false));
    let violation = *found.expect_err("a broken rule must be seen");
    println!("{flaw:?}: {}", violation.story());
    violation
}

fn ends(report: &Report) -> Vec<Fact> {
    report.ends.keys().copied().collect()
}

#[test]
fn an_update_keeps_every_rule() {
    let report = kept("update", ALL_FAULTS, false);
    assert_eq!(ends(&report), [Fact::Deployed, Fact::RolledBack, Fact::Attention]);
}

#[test]
fn a_first_deployment_keeps_every_rule() {
    let report = kept("first deployment", Budget { old_deaths: 0, ..ALL_FAULTS }, true);
    assert_eq!(ends(&report), [Fact::Deployed, Fact::RolledBack, Fact::Attention]);
}

#[test]
fn without_faults_only_the_verdict_and_the_clock_decide() {
    for first in [false, true] {
        let report = kept("no fault", NOTHING, first);
        assert_eq!(ends(&report), [Fact::Deployed, Fact::RolledBack]);
        assert_eq!(report.longest_outage, 0);
    }
}

#[test]
fn a_disk_that_fills_up_keeps_every_rule() {
    let budget = Budget { kills: 2, deaths: 1, aborts: 1, full_disks: 2, ..NOTHING };
    let report = kept("full disk", budget, false);
    assert_eq!(ends(&report), [Fact::Deployed, Fact::RolledBack, Fact::Attention]);
}

#[test]
fn a_second_deployment_keeps_every_rule() {
    let budget = Budget { kills: 2, deaths: 1, failed_undos: 1, rounds: 1, ..NOTHING };
    let report = kept("two deployments", budget, false);
    assert!(report.states > 50_000, "the second was hardly walked");
    kept("two, the first one first", Budget { kills: 1, ..budget }, true);
}

/// The numbers, what each ask expects and the journal's epoch suffice: an old daemon that looks at
/// what is in force now and asks by it does no harm even where the proxy takes its word.
#[test]
fn a_daemon_that_was_replaced_and_wakes_up_does_no_harm() {
    let budget = Budget { kills: 1, deaths: 1, aborts: 1, take_overs: 1, rounds: 1, ..NOTHING };
    kept("replaced", budget, false);
}

#[test]
fn each_seeded_flaw_is_caught() {
    let full = Budget { kills: 2, full_disks: 1, ..NOTHING };
    let two = Budget { kills: 1, rounds: 1, ..NOTHING };
    let replaced = Budget { aborts: 1, take_overs: 1, ..NOTHING };
    for (flaw, budget, rules) in [
        (
            Flaw::ConfirmUnchecked,
            ALL_FAULTS,
            &[Rule::FellBackServesAgain, Rule::UnearnedConfirm][..],
        ),
        (Flaw::LoadIgnoresMarker, ALL_FAULTS, &[Rule::FellBackServesAgain]),
        (Flaw::StopBeforeDurable, ALL_FAULTS, &[Rule::OldStoppedBeforeCommit]),
        (Flaw::FallBackWithoutCompare, ALL_FAULTS, &[Rule::DiskAndProxyDisagree]),
        (Flaw::UndoRewritesOld, ALL_FAULTS, &[Rule::RoutesToStopped, Rule::FellBackServesAgain]),
        (Flaw::SwapBeforeMarker, ALL_FAULTS, &[Rule::FellBackServesAgain]),
        (Flaw::ExpectedAlone, ALL_FAULTS, &[Rule::FellBackServesAgain, Rule::RoutesToStopped]),
        (Flaw::DaemonRenames, ALL_FAULTS, &[Rule::UnearnedConfirm]),
        (Flaw::NonceCheckedOnLoad, ALL_FAULTS, &[Rule::ConfirmedWentBack]),
        (Flaw::OldInForceIsUndone, ALL_FAULTS, &[Rule::RoutesToStopped]),
        (Flaw::AttentionRests, ALL_FAULTS, &[Rule::EndsNeitherOldNorNew]),
        (Flaw::FallsToTheDead, ALL_FAULTS, &[Rule::LeftLiveForDead]),
        (Flaw::MarkerNamesNobody, two, &[Rule::ConfirmedWentBack]),
        (Flaw::JournalTakesOld, replaced, &[Rule::ConfirmedWentBack]),
        (Flaw::LeavesWithoutMarker, full, &[Rule::FellBackServesAgain]),
    ] {
        let violation = caught(flaw, budget);
        assert!(rules.contains(&violation.rule), "{flaw:?}: {}", violation.story());
    }
}
