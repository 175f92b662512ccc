//! One installation under load, and what must hold of it after a fault.

use super::{evidence, going::Going, traces};
use crate::{
    load::{FaultKind, Load, Options, Summary},
    stand::{Layout, Ran, Stand, TARGET, alive},
    time::{eventually, within},
};
use serde_json::Value;
use std::{fs, thread, time::Duration};

/// What serves before the fault.
pub(crate) const FIRST: &str = "1.0.0";
/// What is deployed in its midst.
pub(crate) const SECOND: &str = "2.0.0";
/// For what was interrupted to be dealt with by the next life of the daemon.
const SETTLE_WAIT: Duration = Duration::from_secs(90);
/// For what is left over to be cleared up.
const TIDY_WAIT: Duration = Duration::from_secs(30);
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Requests that must come through after the fault before the load is summed up.
const AFTER_REQUESTS: u64 = 50;
const AFTER_WAIT: Duration = Duration::from_secs(30);
/// Connections that the proxy may keep to instances for a while after the load has gone.
const DESCRIPTORS_KEPT_MAX: usize = 256;
/// And when that while is over.
const DESCRIPTORS_STAY_MAX: usize = 8;
const KEPT_WAIT: Duration = Duration::from_secs(45);

/// An installation whose deployments are over soon: open streams end with the drain.
pub(crate) fn quick() -> Layout {
    Layout { bake_s: 0.5, drain_s: 1.0, ..Layout::default() }
}

/// What of the load may fail: what was in flight in a process that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) requests: u64,
    pub(crate) streams: u64,
}

impl Allowed {
    /// Nothing.
    pub(crate) const NONE: Self = Self { requests: 0, streams: 0 };
    /// One request of each client, and both streams: the usual load's, when the process died
    /// through which all of it went.
    pub(crate) const IN_FLIGHT: Self = Self { requests: 9, streams: 2 };
    /// Whatever; for rows in which nothing can serve for a while.
    pub(crate) const ANY: Self = Self { requests: u64::MAX, streams: u64::MAX };
}

/// An installation with a release that serves.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) stand: Stand,
    load: Option<Load>,
    /// Of the proxy before the load, and which proxy that was.
    descriptors: Option<(u32, usize)>,
    said: String,
    /// Of the load that was summed up last: the longest time without an answer.
    pub(crate) gap_ms: f64,
}

impl Scene {
    /// The first release serves, and nobody asks it yet.
    pub(crate) fn quiet(layout: Layout, breakage: &str) -> Self {
        Self::on(Stand::new(layout), breakage)
    }

    /// The first release serves on a stand that was made ready before.
    pub(crate) fn on(stand: Stand, breakage: &str) -> Self {
        let mut scene =
            Self { stand, load: None, descriptors: None, said: String::new(), gap_ms: 0.0 };
        let ran = scene.stand.deploy(FIRST, breakage);
        scene.said = ran.text();
        ran.expect(0);
        scene
    }

    /// The first release serves the usual load.
    pub(crate) fn new(layout: Layout) -> Self {
        let mut scene = Self::quiet(layout, "");
        scene.load(|_| ());
        scene
    }

    /// Starts the usual load, changed.
    pub(crate) fn load(&mut self, change: impl FnOnce(&mut Options)) {
        let proxy = self.stand.pid_of("proxy");
        self.descriptors = proxy.map(|it| (it, descriptors(it)));
        self.load = Some(self.stand.load_with(change));
    }

    /// The running load.
    pub(crate) fn loaded(&self) -> &Load {
        self.load.as_ref().expect("the row has started the load")
    }

    /// Ends the load without asking what became of it.
    pub(crate) fn drop_load(&mut self) {
        self.load = None;
    }

    /// Starts the deployment of the second release.
    pub(crate) fn deploy(&self, breakage: &str) -> Going {
        Going::deploy(&self.stand, SECOND, breakage, &[])
    }

    /// Remembers what a verb said, for who reads of a failure.
    pub(crate) fn remember(&mut self, ran: &Ran) {
        self.said += &ran.text();
    }

    /// A daemon runs, and has dealt with what an earlier one left.
    pub(crate) fn settled(&self) -> Value {
        eventually("the deployment comes to an end", SETTLE_WAIT, || {
            let status = self.stand.status();
            if status["controller"].is_null() {
                // Refused: another start was faster.
                self.stand.cutover(&["daemon", "start"]);
                return None;
            }
            let environment = &status["environments"][0];
            let busy = status["controller"]["recovering"] == true
                || environment["state"] == "deploying"
                || !environment["probation"].is_null();
            (!busy).then(|| environment.clone())
        })
    }

    /// How the latest deployment ended, as the journal says.
    pub(crate) fn outcome(&self) -> String {
        let record = self.latest();
        let outcome = record["stage"]["ended"].as_str();
        outcome.unwrap_or_else(|| panic!("it has not ended: {}", record["stage"])).to_owned()
    }

    /// The journal's record of the latest deployment.
    pub(crate) fn latest(&self) -> Value {
        let ran = self.stand.cutover(&["--json", "show", "latest", TARGET]);
        serde_json::from_str(&ran.out).unwrap_or_else(|it| panic!("{it}: {}", ran.text()))
    }

    /// After the deployment of `new` over `old`: settles, and checks all that must hold.  `ran` is
    /// the verb that asked for it, where it was not killed.  Returns the outcome.
    pub(crate) fn check(
        &mut self,
        old: &str,
        new: &str,
        ran: Option<&Ran>,
        allowed: Allowed,
    ) -> String {
        if let Some(ran) = ran {
            self.remember(ran);
        }
        self.settled();
        // The daemon died before it took the deployment on: then there is none.
        let taken = ran.is_none_or(|it| it.code != Some(7) || it.out.contains("\"accepted\""));
        let outcome = if taken { self.outcome() } else { "not taken".to_owned() };
        if let Some(ran) = ran.filter(|_| taken) {
            let text = ran.text();
            assert_eq!(ran.code, Some(exit_code(&outcome)), "journal: {outcome}; {text}");
        }
        assert_ne!(outcome, "needs_attention", "{}", self.latest()["failure"]);
        let served = if outcome.starts_with("deployed") { new } else { old };
        self.serves(served);
        let back = served == old;
        let summary = self.finish(allowed);
        if let Some(summary) = summary {
            moved_as_routes_did(&summary, old, new, back);
        }
        outcome
    }

    /// The version answers, status says so, and nothing else is left.
    pub(crate) fn serves(&self, version: &str) {
        self.stand.until_answers(version, ANSWER_WAIT);
        let said = within(ANSWER_WAIT, || (self.stand.serving() == [version]).then_some(()));
        assert!(said.is_some(), "{version} answers, status says {:?}", self.stand.serving());
        self.tidy();
    }

    /// Nothing is there but what serves, or is kept warm.
    pub(crate) fn tidy(&self) {
        let tidy = within(TIDY_WAIT, || traces::left_over(&self.stand).is_empty().then_some(()));
        if tidy.is_none() {
            panic!("left over: {}", traces::left_over(&self.stand).join("; "));
        }
    }

    /// Ends the load, if one runs, and checks every request's fate.
    pub(crate) fn finish(&mut self, allowed: Allowed) -> Option<Summary> {
        let load = self.load.take()?;
        load.until_more(AFTER_REQUESTS, AFTER_WAIT);
        let summary = load.stop().expect("the load sums up");
        self.gap_ms = summary.longest_gap_ms;
        let posts = &summary.posts;
        assert!(posts.compared, "the POST log was not compared");
        assert_eq!((posts.lost, posts.doubled), (0, 0), "POSTs lost and doubled: {posts:?}");
        if summary.failed > allowed.requests || summary.streams_failed > allowed.streams {
            let streams = summary.streams.iter().filter(|it| it.end.failed());
            panic!(
                "{} requests and {} streams failed, {allowed:?} may; {:?}; first: {:?}; {:?}",
                summary.failed,
                summary.streams_failed,
                summary.failures,
                summary.first_failures.first(),
                streams.take(2).collect::<Vec<_>>(),
            );
        }
        if allowed != Allowed::ANY {
            let refused = summary.failures.get(&FaultKind::Refused).copied().unwrap_or(0);
            assert_eq!(refused, 0, "connections were refused");
        }
        self.no_descriptor_leaks();
        Some(summary)
    }

    fn no_descriptor_leaks(&self) {
        self.descriptors_within(DESCRIPTORS_KEPT_MAX, TIDY_WAIT);
    }

    /// Once kept connections are old, the proxy has the descriptors that it had before the load.
    pub(crate) fn no_descriptor_stays(&self) {
        self.descriptors_within(DESCRIPTORS_STAY_MAX, KEPT_WAIT);
    }

    fn descriptors_within(&self, more: usize, wait: Duration) {
        let Some((proxy, before)) = self.descriptors else { return };
        if alive(proxy) {
            let fits = within(wait, || (descriptors(proxy) <= before + more).then_some(()));
            let now = descriptors(proxy);
            assert!(fits.is_some(), "the proxy has {now} descriptors, {before} before the load");
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if thread::panicking() {
            let load = self.load.as_ref().map(|it| format!("{:?}", it.progress()));
            let said = format!("{}\n{}", load.unwrap_or_default(), self.said);
            // Without evidence the reason of the failure still stands.
            let _ = evidence::keep(&self.stand, &said);
        }
    }
}

/// The exit code that tells a deployment's outcome.
pub(crate) fn exit_code(outcome: &str) -> i32 {
    match outcome {
        "deployed" | "deployed_untidy" => 0,
        "refused" => 2,
        "aborted" => 3,
        "rolled_back" => 4,
        "needs_attention" => 5,
        other => panic!("unknown outcome {other}"),
    }
}

/// No connection saw the new and then the old again, unless the routes went back.
fn moved_as_routes_did(summary: &Summary, old: &str, new: &str, back: bool) {
    for sequence in summary.sequences.keys() {
        let seen: Vec<&str> = sequence.split(',').collect();
        let fits = match seen.as_slice() {
            [one] => *one == old || *one == new,
            [first, second] => {
                (*first == old && *second == new) || (back && *first == new && *second == old)
            }
            [first, second, third] => back && *first == old && *second == new && *third == old,
            _ => false,
        };
        assert!(fits, "a connection saw {sequence}");
    }
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
