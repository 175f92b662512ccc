//! A state directory of its own, and what is needed to run something in it.

use drivers::{Local, layout::Layout, local};
use model::{
    id::{DeploymentId, Epoch, Generation, InstanceId, ReleaseId},
    instance::{Instance, Slot},
    name::EnvironmentId,
    plan::{Probation, ReadyCheck, StagedRoutes},
    pm2::{Pm2Spec, RuntimeSpec},
    release::{Release, Source},
    routes::{PathRoute, Routes},
    service::{
        EnvironmentSpec, HealthSpec, Limits, Millis, Probe, Readiness, Rolling, ServiceSpec,
        StopSignal, Strategy, VersionScheme,
    },
    systemd::SystemdSpec,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};
use supervise::{HolderAsk, client};
use tempfile::TempDir;
use testkit::pm2::Pm2;

pub const EPOCH: Epoch = Epoch(1);
const PROGRAM: &str = env!("CARGO_BIN_EXE_drivers-test-host");

pub struct World {
    pub local: Local,
    pub layout: Layout,
    pub environment: EnvironmentId,
    /// What runs its instances.
    runtime: RuntimeSpec,
    /// Ended before the files are removed.
    pm2: Option<Pm2>,
    directory: TempDir,
}

impl World {
    pub fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        // As a state directory under which instances of other users run.
        let passable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), passable).unwrap();
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        World {
            local: local(root.clone(), PathBuf::from(PROGRAM)),
            layout: Layout::new(&root),
            environment: "shop/production".parse().unwrap(),
            runtime: RuntimeSpec::Process,
            pm2: None,
            directory,
        }
    }

    /// One whose instances run in a PM2 of their own.
    pub fn in_pm2() -> World {
        World::in_pm2_with(|_| {})
    }

    /// One whose instances are units of the systemd that runs this machine.
    pub fn in_systemd() -> World {
        let mut world = World::new();
        world.runtime = RuntimeSpec::Systemd(SystemdSpec::default());
        world
    }

    pub fn in_pm2_with(change: impl FnOnce(&mut Pm2Spec)) -> World {
        let mut world = World::new();
        let pm2 = Pm2::new(&world.layout.pm2_home());
        let program = testkit::pm2::program().canonicalize().unwrap();
        let mut spec =
            Pm2Spec { program: program.to_str().unwrap().to_owned(), ..Pm2Spec::default() };
        change(&mut spec);
        world.runtime = RuntimeSpec::Pm2(spec);
        world.pm2 = Some(pm2);
        world
    }

    pub fn pm2(&self) -> &Pm2 {
        self.pm2.as_ref().unwrap()
    }

    /// A directory outside the state directory.
    pub fn outside(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A release of the test's application, recorded and staged.
    pub async fn release(&self, version: &str, mode: &str) -> Release {
        self.release_with(version, mode, |_| {}).await
    }

    pub async fn release_with(
        &self,
        version: &str,
        mode: &str,
        change: impl FnOnce(&mut ServiceSpec),
    ) -> Release {
        let source = self.outside(&format!("source-{version}"));
        fs::write(source.join("app.py"), include_str!("app.py")).unwrap();
        let upload = ulid(version);
        let mut packed = vec![];
        drivers::releases::send::pack(&source, None, &mut packed).unwrap();
        let deployment = DeploymentId(upload.clone());
        self.local.releases.receive(&self.environment, &deployment, packed.as_slice()).unwrap();
        let source = Source::Upload { upload, described: "a test".to_owned(), commit: None };
        let mut service = service(mode);
        service.runtime = self.runtime.clone();
        change(&mut service);
        self.staged(version, service, &source).await
    }

    pub async fn staged(&self, version: &str, service: ServiceSpec, source: &Source) -> Release {
        use engine::port::releases::Releases;
        let releases = &self.local.releases;
        let artifact = releases.inspect(&self.environment, source).await.unwrap();
        let release = Release {
            id: ReleaseId(ulid(version)),
            version: version.to_owned(),
            artifact,
            spec: self.spec(service),
            left: [].into(),
            migrated: [].into(),
            created_at_ms: 1_795_267_321_123,
        };
        releases.record(&release).await.unwrap();
        releases.stage(&self.environment, &release.id, version, source).await.unwrap();
        release
    }

    pub fn spec(&self, service: ServiceSpec) -> EnvironmentSpec {
        EnvironmentSpec {
            id: self.environment.clone(),
            domains: vec!["shop.test".to_owned()],
            version: VersionScheme::Any,
            keep_releases: 5,
            disk_free_bytes: None,
            services: vec![service],
            listen: vec!["127.0.0.1:0".to_owned()],
            trusted: None,
            edge: None,
            front: None,
            shared: Default::default(),
            control: Default::default(),
            backup: None,
            builds: vec![],
            requires: [].into(),
        }
    }

    pub fn instance(&self, release: &Release, number: u16) -> Instance {
        let short = &release.id.0[18..];
        Instance {
            id: InstanceId(format!("shop.production.web.{number}.{short}")),
            environment: self.environment.clone(),
            service: "web".parse().unwrap(),
            release: release.id.clone(),
            version: release.version.clone(),
            number,
            slot: Slot::Green,
            port: Some(free_port()),
            socket: false,
        }
    }

    /// A release in `mode` and one instance of it that was started.
    pub async fn started(&self, mode: &str) -> (Release, Instance) {
        let release = self.release("1.0.0", mode).await;
        let instance = self.instance(&release, 1);
        self.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
        (release, instance)
    }

    /// As `started`, of a service that has neither routes nor a port.
    pub async fn worker(&self, mode: &str) -> (Release, Instance) {
        let works = |it: &mut ServiceSpec| {
            it.routes.clear();
            it.readiness = Readiness::Running;
            it.command.pop();
        };
        let release = self.release_with(&format!("1.0.0-{mode}"), mode, works).await;
        let instance = Instance { port: None, ..self.instance(&release, 1) };
        self.local.runtime.start(&instance, &release, EPOCH).await.unwrap();
        (release, instance)
    }

    pub fn routes(&self, generation: u64, instances: &[&Instance]) -> Routes {
        let path = PathRoute {
            weights: vec![],
            path: "/".to_owned(),
            service: "web".parse().unwrap(),
            instances: instances.iter().map(|it| (*it).clone()).collect(),
            files: None,
            upstream_keepalive: true,
            links: None,
        };
        Routes {
            generation: Generation(generation),
            hosts: vec!["shop.test".to_owned()],
            paths: vec![path],
            hold: None,
        }
    }

    /// The address that the proxy accepts on.
    pub fn public_address(&self) -> String {
        let root = self.layout.root();
        client::read_holder_status(root).unwrap().addresses[0].clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever a failed test left is ended here; each may be gone already.
        self.pm2 = None;
        end_lost(&self.layout);
        end_all(&self.layout);
        end_all(&self.layout.one_off());
        let root = self.layout.root();
        let _ = client::ask_holder(root, &HolderAsk::Stop, Duration::from_secs(20));
    }
}

/// What PM2 ran, and lost.
fn end_lost(layout: &Layout) {
    for entry in fs::read_dir(layout.instances()).into_iter().flatten().flatten() {
        let spec = fs::read(entry.path().join("spec.json")).unwrap_or_default();
        let spec: serde_json::Value = serde_json::from_slice(&spec).unwrap_or_default();
        if entry.path().join("pm2.json").exists() {
            for kin in supervise::kin::of_token(spec["token"].as_str().unwrap_or_default()) {
                kin.send(9);
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn end_all(layout: &Layout) {
    let root = layout.root();
    let entries = fs::read_dir(layout.instances()).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().into_string().unwrap_or_default();
        let stop = supervise::message::Ask::Stop { epoch: u64::MAX };
        let wait = Duration::from_secs(20);
        if client::ask(root, &name, &stop, wait).is_err()
            && client::spawn(PROGRAM.as_ref(), root, &name, true).is_ok()
        {
            let stopped = || client::ask(root, &name, &stop, wait).is_ok();
            let until = Instant::now() + Duration::from_secs(5);
            while !stopped() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

pub fn staged(routes: Routes, fallback: Option<u64>, expires_ms: u64) -> StagedRoutes {
    let expires = Millis(expires_ms);
    let probation = fallback.map(|it| Probation { fallback: Generation(it), expires });
    StagedRoutes { routes, probation }
}

pub fn service(mode: &str) -> ServiceSpec {
    ServiceSpec {
        name: "web".parse().unwrap(),
        command: ["python3", "app.py", "--release={release}", "{version}:{port}"]
            .map(str::to_owned)
            .to_vec(),
        instances: 1,
        files: None,
        schedule: None,
        routes: vec!["/".to_owned()],
        port: None,
        socket: None,
        readiness: Readiness::Port,
        health: None,
        smoke: vec![],
        checks: vec![],
        strategy: Strategy::BlueGreen,
        rolling: Rolling::default(),
        canary: Default::default(),
        verdict: Default::default(),
        drain: Millis::seconds(5),
        stop_signal: StopSignal::SigTerm,
        quiet_signal: None,
        runtime: Default::default(),
        grace: Millis(1_000),
        start_timeout: Millis::seconds(10),
        bake: Millis::seconds(1),
        keep_warm: Millis(0),
        limits: Limits::default(),
        user: None,
        env: BTreeMap::from([("MODE".to_owned(), mode.to_owned())]),
        secret_env: vec![],
        upstream_keepalive: true,
        migrate: None,
    }
}

pub fn port_check(start_timeout_ms: u64) -> ReadyCheck {
    ReadyCheck { readiness: Readiness::Port, start_timeout: Millis(start_timeout_ms), health: None }
}

/// GET /health: 200 within 300 ms, two tries at most 50 ms apart.
pub fn health_check() -> ReadyCheck {
    let health = HealthSpec {
        probe: Probe::Http { path: "/health".to_owned(), status: 200 },
        interval: Millis(50),
        timeout: Millis(300),
        successes: 1,
        tries: 2,
    };
    ReadyCheck { health: Some(health), ..port_check(10_000) }
}

/// 26 characters that begin as all do, and differ by `text`.
pub fn ulid(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| char::from(b'0' + byte % 10)).collect();
    format!("01JD{digits:0>22}")
}

pub fn free_port() -> u16 {
    // Each test is a process of its own: what one took is not free for the others.
    static TAKEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut taken = TAKEN.lock().unwrap();
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if !taken.contains(&port) {
            taken.push(port);
            return port;
        }
    }
}

/// Status and body of a plain GET.
pub fn get(address: &str, host: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    (status, text.split_once("\r\n\r\n").map(|it| it.1.to_owned()).unwrap_or_default())
}

pub fn silent(_: String) {}

/// Waits until it is so.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
