//! Our side: an installation of its own, asked by its command line alone.

use super::{
    APP, INSTANCES,
    figures::{Figures, Side},
    segment::Segment,
};
use crate::{control, memory};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    thread,
    time::{Duration, Instant},
};
use testkit::stand::{HOST, Layout, Ran, Stand, TARGET};

/// In KiB: less is no change.
const STABLE_KIB: u64 = 64;
const STABLE_FOR: Duration = Duration::from_secs(5);
const STABLE_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An installation that serves.
pub struct Ours {
    stand: Stand,
    serves: String,
}

impl Ours {
    /// Installs it and deploys the first release.
    pub fn install() -> Result<Self> {
        let stand = Stand::new(Layout {
            app: APP,
            instances: INSTANCES,
            bake_s: 0.0,
            keep_warm_s: 300.0,
            ..Layout::default()
        });
        let serves = "1.0.0".to_owned();
        let ours = Self { stand, serves };
        ours.deploy("1.0.0")?;
        Ok(ours)
    }

    /// A deployment of new content, a warm rollback, and a deployment of the content that is kept.
    pub fn measure(&mut self, run: u64, figures: &mut Figures) -> Result<()> {
        let (old, new) = (self.serves.clone(), format!("1.{run}.0"));
        self.stand.release(&new, "");
        let first = self.segment(|ours| ours.deploy(&new))?;
        first.note(&mut figures.ours);
        figures.stage_ms.push(self.step_ms("stage")?);
        figures.start_to_routed_ms.push(self.start_to_routed_ms()?);

        let (release, _) = self.serving()?;
        let back = self.segment(|ours| ours.rollback())?;
        back.note(&mut figures.ours);
        let routed_ms = self.counters(&release)?.last_routed_at_ms as f64;
        figures.rollback_routed_ms.push(routed_ms - back.began_ms);
        figures.ours.rollback_ms.push(back.last_request_ms(&new)?);
        ensure!(self.serving()?.1 == old, "the rollback went to {:?}", self.serving());

        let again = self.segment(|ours| ours.deploy(&new))?;
        let side: &mut Side = &mut figures.ours;
        again.note(side);
        side.first_answer_ms.push(again.first_answer_ms(&new)?);
        side.command_ms.push(again.command_ms);
        self.serves = new;
        Ok(())
    }

    /// Once all three have been quiet for a while.
    pub fn measure_memory(&self, figures: &mut Figures) {
        let began = Instant::now();
        let (mut last, mut since) = (self.memory(), Instant::now());
        while since.elapsed() < STABLE_FOR && began.elapsed() < STABLE_WITHIN {
            thread::sleep(LOOK_EVERY);
            let now = self.memory();
            let moved = now.iter().zip(last).any(|(now, last)| now.abs_diff(last) > STABLE_KIB);
            if moved {
                (last, since) = (now, Instant::now());
            }
        }
        [figures.daemon_kib, figures.proxy_kib, figures.supervise_kib] = last;
    }

    /// Daemon, proxy, and the mean of the holders.
    fn memory(&self) -> [u64; 3] {
        let processes = self.stand.processes();
        let of = |word: &str| {
            let named = processes.iter().filter(|it| it.1.iter().any(|it| it == word));
            let all: Vec<u64> = named.map(|it| memory::pss_kib(it.0)).collect();
            all.iter().sum::<u64>() / (all.len().max(1) as u64)
        };
        [of("daemon"), of("proxy"), of("supervise")]
    }

    fn segment(&self, change: impl FnOnce(&Self) -> Result<()>) -> Result<Segment> {
        Segment::run(self.stand.address, HOST, || change(self))
    }

    fn deploy(&self, version: &str) -> Result<()> {
        let directory = self.stand.folder.path().join(format!("v{version}"));
        if !directory.exists() {
            self.stand.release(version, "");
        }
        let from = directory.display().to_string();
        let words = ["deploy", TARGET, version, "--from", &from, "--skip-smoke"];
        expect(&self.stand.cutover(&words), "the deployment")
    }

    fn rollback(&self) -> Result<()> {
        expect(&self.stand.cutover(&["rollback", TARGET]), "the rollback")
    }

    /// Id and version of the release that serves.
    fn serving(&self) -> Result<(String, String)> {
        let environment = self.stand.environment();
        let label = &environment["serving"][0];
        let text = |it: &Value| it.as_str().map(str::to_owned);
        let both = text(&label["id"]).zip(text(&label["version"]));
        both.with_context(|| format!("nothing serves: {environment}"))
    }

    fn counters(&self, release: &str) -> Result<control::Counters> {
        let mut status = control::status(&self.stand.root)?;
        let name = TARGET.replace('/', ".");
        let environment = status.environments.get_mut(&name);
        let counters = environment.and_then(|it| it.releases.remove(release));
        counters.with_context(|| format!("the proxy does not know {release}"))
    }

    /// From the start of the instance's process to the first request that was sent to it.
    fn start_to_routed_ms(&self) -> Result<f64> {
        let (release, _) = self.serving()?;
        let environment = self.stand.environment();
        let instances = environment["instances"].as_array().cloned().unwrap_or_default();
        let serving = instances.iter().filter(|it| it["role"] == "serving");
        let started_ms = serving.filter_map(|it| it["since_ms"].as_u64()).min();
        let started_ms = started_ms.context("no instance says since when it runs")?;
        let routed_ms = self.counters(&release)?.first_routed_at_ms;
        ensure!(routed_ms > started_ms, "routed at {routed_ms}, started at {started_ms}");
        Ok((routed_ms - started_ms) as f64)
    }

    /// How long a step of the latest deployment took.
    fn step_ms(&self, word: &str) -> Result<f64> {
        let shown = self.stand.cutover(&["--json", "show", TARGET]);
        let record: Value = serde_json::from_str(&shown.out).with_context(|| shown.text())?;
        let steps = record["steps"].as_array().cloned().unwrap_or_default();
        let step = steps.iter().find(|it| it["word"] == word);
        let times =
            step.and_then(|it| Some((it["started_at_ms"].as_u64()?, it["ended_at_ms"].as_u64()?)));
        let (from, to) = times.with_context(|| format!("no step `{word}` in {record}"))?;
        Ok((to - from) as f64)
    }
}

fn expect(ran: &Ran, what: &str) -> Result<()> {
    ensure!(ran.code == Some(0), "{what} ended with {:?}: {}", ran.code, ran.text());
    Ok(())
}
