//! An application of TypeScript and Prisma: built on the host from its repository, its database
//! backed up and migrated, run by PM2's cluster behind nginx, and all of that going wrong.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]
#![allow(clippy::print_stdout, reason = "its figures are for people")]

use serde_json::Value;
use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use testkit::{
    app::get_from,
    argv::Watch,
    database::{PASSWORD, Server, said},
    load::{Load, Summary},
    nginx::Nginx,
    pm2::Pm2,
    ports,
    repository::Repository,
    stand::{HOST, Layout, Ran, Stand, TARGET, assert_clean},
};

const ABORTED: i32 = 3;
const ROLLED_BACK: i32 = 4;
const ATTENTION: i32 = 5;
/// For packages to be fetched from a registry, on a busy machine.
const DEPLOY_MAX: Duration = Duration::from_secs(300);
/// From the switch to a bad release until the one before serves again, and all is tidy.
const WAY_BACK_MAX: Duration = Duration::from_secs(20);
/// What a machine needs to reach a registry, where it needs anything.
const REACH: [&str; 3] = ["NODE_EXTRA_CA_CERTS", "HTTPS_PROXY", "NPM_CONFIG_REGISTRY"];
/// What a build does not have room for, and what a deployment asks for has.
const ROOM_LEFT_BYTES: u64 = 80 << 20;
const NOTED: &str = "prisma/migrations/20240924090000_note/migration.sql";
const BROKEN: &str = "prisma/migrations/20240925090000_total/migration.sql";

/// A small file system; unmounted when it is dropped.
struct Small(TempDir);

impl Small {
    fn new() -> Small {
        let directory = tempfile::Builder::new().prefix("cutover-built-").tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3g", "tmpfs"]).arg(directory.path());
        assert!(mount.status().unwrap().success(), "only root may mount");
        Small(directory)
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Leaves so much room.
    fn fill(&self, left_bytes: u64) {
        let file = File::create(self.filler()).unwrap();
        let free = rustix::fs::statvfs(self.0.path()).unwrap();
        let bytes = (free.f_bavail * free.f_frsize).saturating_sub(left_bytes);
        rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: what still uses it is ended by the stand, whichever is dropped first.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// In the order in which they are to be dropped.
struct Shop {
    stand: Stand,
    nginx: Nginx,
    address: SocketAddr,
    _pm2: Pm2,
    repository: Repository,
    server: Server,
    small: Small,
}

impl Shop {
    fn new() -> Shop {
        let (small, server) = (Small::new(), Server::postgresql());
        let root = Some(small.0.path().join("state"));
        let stand = Stand::new(Layout { root, ..Layout::default() });
        let folder = stand.folder.path();
        let repository = Repository::of("builds/prisma", &folder.join("repository"));
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, ports::free()).into();
        let ours = folder.join("ours");
        let text = configuration(&stand, &repository, &server, address, &ours);
        fs::write(stand.config(), text).unwrap();
        fs::write(folder.join("ecosystem.config.js"), ECOSYSTEM).unwrap();
        fs::create_dir_all(ours.join("none")).unwrap();
        let nginx = Nginx::start(folder, &format!("include {}/current/*/*.conf;", ours.display()));
        let pm2 = Pm2::new(&stand.root.join("pm2"));
        Shop { stand, nginx, address, _pm2: pm2, repository, server, small }
    }

    fn deploy(&self, version: &str, more: &[&str]) -> Ran {
        let words = [&["deploy", TARGET, version, "--yes"], more].concat();
        self.stand.cutover_within(&words, DEPLOY_MAX)
    }

    fn sql(&self, text: &str) -> String {
        said(self.server.postgresql_client("postgres"), text).trim().to_owned()
    }

    /// What the public is told of itself: version and commit.
    fn answers(&self) -> (String, String) {
        let answer = get_from(self.address, HOST, "/api/version").unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|it| it.1.to_owned()).unwrap_or_default();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let said = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        (said("version"), said("commit"))
    }

    /// Visitors and buyers, by nginx.
    fn load(&self) -> Load {
        self.stand.load_with(|it| {
            it.target = self.address;
            (it.get_clients, it.post_clients, it.connect_clients) = (2, 2, 1);
            (it.websocket_clients, it.event_clients) = (0, 0);
            (it.rate, it.body_bytes_max) = (Some(60.0), 32 << 10);
            it.post_log = vec![];
        })
    }

    fn shown(&self) -> Value {
        let ran = self.stand.cutover(&["--json", "show", "latest"]).expect(0);
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.text()))
    }

    fn backups(&self) -> usize {
        let ran = self.stand.cutover(&["--json", "backup", "list", TARGET]).expect(0);
        serde_json::from_str::<Vec<Value>>(&ran.out).unwrap().len()
    }

    fn releases(&self) -> Vec<String> {
        let at = self.stand.root.join("projects/shop/production/releases");
        let names =
            fs::read_dir(at).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut all: Vec<String> = names.collect();
        all.sort();
        all
    }
}

const PERFORMANCE: &str =
    "{ path: /, response_ms: 2000, memory_percent: 80, cpu_percent: 90, window: 500ms }";
const ECOSYSTEM: &str = "module.exports = {
  apps: [{
    name: 'shop-production',
    script: 'npm',
    args: 'start',
    instances: 2,
    exec_mode: 'cluster',
    max_memory_restart: '1G',
    wait_ready: true,
    listen_timeout: 60000,
    kill_timeout: 5000,
  }],
};
";

fn configuration(
    stand: &Stand,
    repository: &Repository,
    server: &Server,
    address: SocketAddr,
    ours: &Path,
) -> String {
    let words = serde_json::to_string(&Nginx::program(stand.folder.path())).unwrap();
    let pm2 = testkit::pm2::program().canonicalize().unwrap();
    let password: String = PASSWORD.bytes().map(|it| format!("%{it:02X}")).collect();
    let url =
        format!("postgresql://shop:{password}@/postgres?host={}", server.directory().display());
    let reach = REACH.iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
    let reach: String = reach.map(|(name, value)| format!(", {name}: {value:?}")).collect();
    format!(
        r#"proxy: {{ listen: ["{proxy}"] }}
nginx: {{ listen: ["{address}"], directory: {ours}, program: {words} }}
projects:
  shop:
    source: {{ git: {{ url: "{repository}", ref: main }} }}
    requires: {{ node: ">=20.15", git: ">=2" }}
    build:
      clean: [build-cache, dist]
      install: npm ci --ignore-scripts --no-audit --no-fund
      commands: [npm run build]
    services:
      web:
        runtime: pm2
        pm2: {{ program: {pm2}, ecosystem: ecosystem.config.js }}
        command: [node, dist/server.js]
        instances: 1
        routes: [/]
        health: {{ path: /api/health, interval: 500ms }}
        checks:
          - {{ endpoints: [/, /api/orders], name: api }}
          - {{ http: [{{ get: /api/orders, matches: orders }}], name: orders, after: true }}
          - version: true
          - commit: {{ path: /api/version, field: commit }}
          - performance: {PERFORMANCE}
        migrate: prisma
        bake: 300ms
        drain: 2s
        grace: 5s
        keep_warm: 60s
        env: {{ DATABASE_URL: "{url}" }}
    environments:
      production:
        domains: [{HOST}]
        version: semver
        disk_free: 32M
        env:
          build: {{ PRISMA_QUERY_ENGINE_LIBRARY: /bin/true{reach} }}
          run: {{ NODE_ENV: production, PRISMA_QUERY_ENGINE_LIBRARY: /bin/true }}
        backup: {{ databases: {{ main: {{ kind: postgresql, url_from: DATABASE_URL }} }} }}
"#,
        proxy = stand.address,
        ours = ours.display(),
        repository = repository.path.display(),
        pm2 = pm2.display(),
    )
}

#[test]
fn a_shop_is_built_migrated_and_taken_back() {
    let shop = Shop::new();
    let first = shop.repository.git(&["rev-parse", "HEAD"]);
    let ran = shop.deploy("1.0.0", &[]).expect(0).text();
    assert!(ran.contains("migrate | "), "{ran}");
    shop.stand.cutover(&["nginx", "apply"]).expect(0);
    assert_eq!(shop.answers(), ("1.0.0".to_owned(), first.trim().to_owned()));
    assert_eq!(shop.backups(), 1, "also before the first there was a database");

    let load = shop.load();
    update(&shop);
    let mut sold = bad_under_traffic(&shop, load);
    sold += half_a_migration(&shop);
    sold += hurried_and_back(&shop);
    full_disk(&shop);
    // Every order that a client was told of is there, once.
    assert_eq!(shop.sql("SELECT count(*) FROM orders"), sold.to_string());
    assert!(shop.nginx.asked("\"cutover\"") >= 4, "{}", shop.nginx.asked("\"cutover\""));
}

/// What would be done is shown; then it is done, and nobody notices.
fn update(shop: &Shop) {
    let note = (NOTED, "ALTER TABLE orders ADD COLUMN note text;\n");
    let commit = shop.repository.commit(&[note]);
    let before = (shop.releases(), shop.backups());
    let shown = shop.deploy("1.1.0", &["--dry-run"]).expect(0).text();
    assert!(shown.contains("nothing was done"), "{shown}");
    for step in ["Back up", "Build", "Migrate the database of web"] {
        assert!(shown.contains(step), "{step}: {shown}");
    }
    assert_eq!((shop.releases(), shop.backups()), before);
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'orders'";
    assert_eq!(shop.sql(columns), "2");

    let watch = Watch::begin(PASSWORD);
    let ran = shop.deploy("1.1.0", &[]).expect(0);
    let (ran, took) = (ran.text(), ran.took);
    println!("built, backed up, migrated and switched in {took:?}");
    let seen = watch.seen();
    assert!(seen.telling.is_empty(), "everybody can read it: {:?}", seen.telling);
    assert!(seen.programs.contains("node"), "{:?}", seen.programs);
    assert!(ran.contains("not installed again"), "{ran}");
    assert!(ran.contains("All migrations have been successfully applied"), "{ran}");
    assert_eq!(shop.answers(), ("1.1.0".to_owned(), commit));
    assert_eq!((shop.sql(columns), shop.backups()), ("3".to_owned(), 2));
}

/// Healthy until it is asked through the proxy: it is left by itself, and soon.
fn bad_under_traffic(shop: &Shop, load: Load) -> u64 {
    let bad = "export const behaviour: string = 'api';\n";
    shop.repository.commit(&[("src/behaviour.ts", bad)]);
    let ran = shop.deploy("1.2.0", &["--skip-migrate"]).expect(ROLLED_BACK);
    assert!(ran.text().contains("orders"), "{}", ran.text());
    assert_eq!(shop.answers().0, "1.1.0");
    let shown = shop.shown();
    let steps = shown["steps"].as_array().unwrap();
    let switch = steps.iter().find(|it| it["word"] == "switch").unwrap();
    let ended_ms = shown["ended_at_ms"].as_u64().unwrap();
    let way_back = Duration::from_millis(ended_ms - switch["started_at_ms"].as_u64().unwrap());
    println!("from the switch to a bad release until all is as before: {way_back:?}");
    assert!(way_back < WAY_BACK_MAX, "{way_back:?}");
    stopped(load)
}

/// A migration that fails in its middle: the one before serves, and somebody has to look.
fn half_a_migration(shop: &Shop) -> u64 {
    let good = ("src/behaviour.ts", "export const behaviour: string = 'none';\n");
    let halves = "ALTER TABLE orders ADD COLUMN total integer;\nSELECT 1/0;\n";
    let load = shop.load();
    shop.repository.commit(&[good, (BROKEN, halves)]);
    let ran = shop.deploy("1.3.0", &[]).expect(ATTENTION).text();
    assert!(ran.contains("division by zero") && ran.contains("--release 1.3.0"), "{ran}");
    assert!(ran.contains("20240925090000_total"), "{ran}");
    let status = ["migrate", "status", TARGET, "--release", "1.3.0"];
    let said = shop.stand.cutover(&status).expect(ATTENTION).text();
    assert!(said.contains("have failed"), "{said}");
    assert_eq!(shop.answers().0, "1.1.0");

    // What was done of it is undone by hand, and said so as `prisma migrate resolve` would.
    shop.sql("ALTER TABLE orders DROP COLUMN total");
    shop.sql(
        "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL AND \
         migration_name = '20240925090000_total'",
    );
    shop.stand.cutover(&["abort", TARGET]).expect(0);
    stopped(load)
}

/// Left out is what is asked to be, and it is remembered; then back, and back further.
fn hurried_and_back(shop: &Shop) -> u64 {
    let load = shop.load();
    let whole = "ALTER TABLE orders ADD COLUMN total integer;\n";
    shop.repository.commit(&[(BROKEN, whole)]);
    let before = shop.backups();
    let left_out = ["--skip-backup", "--skip-migrate", "--skip-health-check", "--force"];
    let ran = shop.deploy("1.4.0", &left_out).expect(0).text();
    assert!(ran.contains("--skip-backup") && ran.contains("--skip-health-check"), "{ran}");
    let shown = shop.stand.cutover(&["show", "latest"]).expect(0).text();
    for word in left_out {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert_eq!((shop.answers().0.as_str(), shop.backups()), ("1.4.0", before));
    shop.stand.cutover_within(&["rollback", TARGET], DEPLOY_MAX).expect(0);
    assert_eq!(shop.answers().0, "1.1.0");
    let further = ["rollback", TARGET, "--to", "1.0.0"];
    shop.stand.cutover_within(&further, DEPLOY_MAX).expect(0);
    assert_eq!(shop.answers().0, "1.0.0");
    stopped(load)
}

/// No room for what a build makes: nothing is left of it.
fn full_disk(shop: &Shop) {
    shop.small.fill(ROOM_LEFT_BYTES);
    shop.repository.commit(&[]);
    let before = shop.releases();
    let said = shop.deploy("1.5.0", &[]).expect(ABORTED).text();
    assert!(said.contains("build 1.5.0") && said.contains("1.0.0, all the time"), "{said}");
    assert_eq!((shop.answers().0.as_str(), shop.releases()), ("1.0.0", before));
    fs::remove_file(shop.small.filler()).unwrap();
}

/// Nothing failed; so many orders were taken.
fn stopped(load: Load) -> u64 {
    let summary: Summary = load.stop().unwrap();
    assert_clean(&summary);
    assert_eq!(summary.posts.sent, summary.posts.acknowledged, "{summary:#?}");
    println!("requests: {}, longest gap: {} ms", summary.requests, summary.longest_gap_ms);
    summary.posts.acknowledged
}
