//! Constructed deployments for tests of what is printed.

use crate::story::Story;
use daemon::api::words::{Changes, FileChanges, Files};
use model::{
    deployment::{
        DeploymentRecord, Finding, News, Overrides, Progress, Stage, StepRecord, Traffic,
    },
    failure::{Blame, Failure},
    id::{DeploymentId, Generation, InstanceId, ReleaseId},
    instance::{Instance, Slot},
    journal::{Outcome, Status},
    name::EnvironmentId,
    outlook::{Count, Outlook, Ports, RouteChanges},
    plan::{Kind, PLAN_VERSION, Plan, ReadyCheck, ReleaseLabel, Step},
    release::difference::{Difference, Names, Setting},
    service::{Millis, Readiness},
};

/// 2026-11-21 12:30:00 UTC.
pub const BEGAN_MS: u64 = 1_795_264_200_000;
/// Of the deployment.
pub const ID: &str = "01M7Z8D17TGJ99VGGCJGK73CF6";

/// `shop/production`.
pub fn environment() -> EnvironmentId {
    "shop/production".parse().unwrap()
}

/// A release of this version.
pub fn label(version: &str) -> ReleaseLabel {
    ReleaseLabel { id: ReleaseId(format!("R{version}")), version: version.to_owned() }
}

fn instance(number: u16) -> Instance {
    Instance {
        id: InstanceId(format!("shop.production.web.{number}.becp3kgb")),
        environment: environment(),
        service: "web".parse().unwrap(),
        release: label("1.3.0").id,
        version: "1.3.0".into(),
        number,
        slot: Slot::Green,
        port: Some(20_000 + number),
        socket: false,
    }
}

/// From 1.2.0 to 1.3.0: start, health, switch, manifest.
pub fn plan(kind: Kind) -> Plan {
    let check =
        ReadyCheck { readiness: Readiness::Port, start_timeout: Millis::seconds(60), health: None };
    let wait = |number| Step::Await { instance: instance(number), check: check.clone() };
    let (from, to, back) = (Generation(3), Generation(4), Generation(6));
    Plan {
        version: PLAN_VERSION,
        deployment: DeploymentId(ID.into()),
        environment: environment(),
        kind,
        from: (kind != Kind::Initial).then(|| label("1.2.0")),
        to: (kind != Kind::Stop).then(|| label("1.3.0")),
        stays: [].into(),
        steps: vec![
            Step::Start { instance: instance(1) },
            Step::Start { instance: instance(2) },
            wait(1),
            wait(2),
            Step::Switch { from, to, back, share: None },
            Step::Manifest,
        ],
        commit: 5,
    }
}

/// Seven files more, one less, and a variable.
pub fn changes() -> Changes {
    let files = |count: usize, names: &[&str]| Files {
        count,
        bytes: 300 * count as u64,
        names: names.iter().map(|it| (*it).to_owned()).collect(),
    };
    let names = Names { added: vec!["CART_URL".into()], ..Names::default() };
    let setting =
        Setting { key: "web.instances".into(), from: Some("2".into()), to: Some("3".into()) };
    Changes {
        same_content: Some(false),
        configuration: Difference {
            variables: [("web".to_owned(), names)].into(),
            settings: vec![setting],
            ..Difference::default()
        },
        files: Some(FileChanges {
            added: files(7, &["a", "b", "c", "d", "e\u{1b}[2J", "f", "g"]),
            changed: Files::default(),
            removed: files(1, &["old.js"]),
        }),
    }
}

/// One route and one instance more.
pub fn outlook() -> Outlook {
    Outlook {
        routes: RouteChanges {
            added: vec!["shop.test/api → web".into()],
            same: 1,
            ..RouteChanges::default()
        },
        instances: vec![Count { service: "web".into(), from: 2, to: 3 }],
        ports: Ports { taken: vec![20_001, 20_002], kept: vec![20_003], freed: vec![] },
        irreversible: vec!["4. hook migrate: what it did is not undone".into()],
    }
}

/// A release that does not become healthy.
pub fn unhealthy() -> Failure {
    Failure::new(Blame::Release, "get a good answer of web.2: 500 instead of 200")
        .hint("look at what /api/health needs")
        .evidence("GET http://127.0.0.1:20002/api/health\n→ 500 after 2 ms")
        .evidence("last lines of web.2:\n\u{1b}[31mno database\u{1b}[0m\u{7}")
}

/// Builds news, a moment after another.
pub struct Teller {
    lines: Vec<Progress>,
}

impl Teller {
    /// Accepted and planned.
    pub fn new(kind: Kind) -> Teller {
        let mut teller = Teller { lines: vec![] };
        let (deployment, environment) = (DeploymentId(ID.into()), environment());
        teller.tell(0, News::Accepted { deployment, environment });
        teller.tell(40, News::Planned { plan: Box::new(plan(kind)) });
        teller
    }

    /// So much after the beginning.
    pub fn tell(&mut self, after_ms: u64, news: News) {
        let sequence = self.lines.len() as u64 + 1;
        self.lines.push(Progress { sequence, at_ms: BEGAN_MS + after_ms, news });
    }

    /// A step of the plan comes to a status.
    pub fn step(&mut self, after_ms: u64, index: usize, status: Status) {
        let failure = (status == Status::Failed).then(unhealthy);
        let plan = plan(Kind::Update);
        let word = plan.steps[index].word().to_owned();
        let subject = match &plan.steps[index] {
            Step::Start { instance } | Step::Await { instance, .. } => instance.id.0.clone(),
            Step::Switch { to, .. } => to.to_string(),
            _ => "manifest.json".to_owned(),
        };
        self.tell(after_ms, News::Step { index, word, subject, status, failure });
    }

    /// A step begins and takes effect.
    pub fn done(&mut self, after_ms: u64, took_ms: u64, index: usize) {
        self.step(after_ms, index, Status::Running { attempt: 1 });
        self.step(after_ms + took_ms, index, Status::Done);
    }

    /// Ends.
    pub fn end(&mut self, after_ms: u64, outcome: Outcome, serving: &str) {
        let well = outcome.exit_code() == 0;
        let requests = if outcome == Outcome::Refused { 0 } else { 18_412 };
        let traffic = Traffic { requests, p99_us: 3_400, ..Traffic::default() };
        let warm_until = BEGAN_MS + 660_000;
        let warm = vec![(InstanceId("shop.production.web.1.aaaaaaaa".into()), warm_until)];
        let news = News::Ended {
            outcome,
            failure: (!well).then(unhealthy),
            traffic: Some(traffic),
            serving: Some(label(serving)),
            warm: if well { warm } else { vec![] },
        };
        self.tell(after_ms, news);
    }

    /// All lines.
    pub fn lines(self) -> Vec<Progress> {
        self.lines
    }
}

/// A deployment that goes well.
pub fn deployed(kind: Kind) -> Vec<Progress> {
    let mut teller = Teller::new(kind);
    teller.tell(50, News::Note { text: "copying \u{1b}[2Jfiles".into() });
    teller.step(100, 0, Status::Running { attempt: 1 });
    teller.step(110, 1, Status::Running { attempt: 1 });
    teller.step(190, 0, Status::Done);
    teller.step(200, 1, Status::Done);
    teller.done(200, 300, 2);
    teller.done(500, 20, 3);
    teller.done(530, 4, 4);
    teller.done(4100, 3, 5);
    teller.end(4200, Outcome::Deployed, "1.3.0");
    teller.lines()
}

/// One whose health check fails.
pub fn aborted() -> Vec<Progress> {
    let mut teller = Teller::new(Kind::Update);
    teller.done(100, 50, 0);
    teller.done(150, 50, 1);
    teller.done(200, 100, 2);
    teller.step(300, 3, Status::Running { attempt: 1 });
    teller.step(2300, 3, Status::Failed);
    for (at, index) in [3, 2, 1, 0].into_iter().enumerate() {
        let began = 2300 + 100 * at as u64;
        teller.step(began, index, Status::Undoing);
        teller.step(began + 90, index, Status::Undone);
    }
    teller.end(2800, Outcome::Aborted, "1.2.0");
    teller.lines()
}

/// One that preflight refuses.
pub fn refused() -> Vec<Progress> {
    let mut teller = Teller { lines: vec![] };
    let (deployment, environment) = (DeploymentId(ID.into()), environment());
    teller.tell(0, News::Accepted { deployment, environment });
    let failure = Failure::new(Blame::Platform, "find 1 GB free under /srv: 200 MB are")
        .hint("free some space there");
    let finding = Finding { failure, overridable: true };
    teller.tell(20, News::Found { finding, overridden: false });
    teller.end(30, Outcome::Refused, "1.2.0");
    teller.lines()
}

/// All that these news come to.
pub fn story(lines: &[Progress]) -> Story {
    let mut story = Story::default();
    for line in lines {
        story.take(line);
    }
    story
}

/// What is remembered of one that was aborted.
pub fn record(outcome: Outcome) -> DeploymentRecord {
    let step = |word: &str, subject: &str, status, took_ms: Option<u64>| StepRecord {
        word: word.into(),
        subject: subject.into(),
        status,
        started_at_ms: took_ms.map(|_| BEGAN_MS),
        ended_at_ms: took_ms.map(|it| BEGAN_MS + it),
        failure: (status == Status::Failed).then(unhealthy),
        verdict: None,
    };
    let well = outcome.exit_code() == 0;
    DeploymentRecord {
        id: DeploymentId(ID.into()),
        environment: environment(),
        kind: Kind::Update,
        stage: Stage::Ended(outcome),
        from: Some(label("1.2.0")),
        to: Some(label("1.3.0")),
        by: "ann".into(),
        reason: Some("fixes\u{1b}[31m the cart".into()),
        overrides: Overrides { force: true, ..Overrides::default() },
        started_at_ms: BEGAN_MS,
        ended_at_ms: Some(BEGAN_MS + 4200),
        failure: (!well).then(unhealthy),
        overridden: vec![],
        plan: None,
        steps: vec![
            step("start", "shop.production.web.1.becp3kgb", Status::Undone, Some(90)),
            step("health", "shop.production.web.2.becp3kgb", Status::Failed, Some(2000)),
            step("switch", "4", Status::Pending, None),
        ],
        traffic: Some(Traffic { requests: 18_412, held: 12, p99_us: 3_400, ..Traffic::default() }),
    }
}
