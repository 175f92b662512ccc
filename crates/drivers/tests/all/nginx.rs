//! nginx itself, unprivileged, with a prefix and ports of its own.

use drivers::nginx::{Nginx, Trouble};
use model::nginx::{Front, Location, Tls, Upstream};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const MOMENT: Duration = Duration::from_secs(30);

/// A directory with a main file, and the master that reads it.
struct Stage {
    folder: TempDir,
    port: u16,
    master: Option<Child>,
}

impl Stage {
    fn new() -> Stage {
        let stage = Stage { folder: tempfile::tempdir().unwrap(), port: free_port(), master: None };
        stage.write_main(true);
        stage
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write_main(&self, included: bool) {
        let include = if included { self.nginx().include_line() } else { String::new() };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: Vec<String> =
            temporary.iter().map(|it| format!("{it}_temp_path {};", self.at(it))).collect();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let text = format!(
            "{user}\npid {};\nerror_log {};\nworker_processes 2;\nevents {{\n}}\nhttp {{\n\
             access_log off;\n{}\n{include}\n}}\n",
            self.at("pid"),
            self.at("error.log"),
            temporary.join("\n")
        );
        fs::write(self.at("nginx.conf"), text).unwrap();
    }

    fn program(&self) -> Vec<String> {
        let words = ["nginx", "-p", &self.at(""), "-c", &self.at("nginx.conf"), "-e"];
        words.into_iter().chain([self.at("error.log").as_str()]).map(str::to_owned).collect()
    }

    /// Without hosts.
    fn nginx(&self) -> Nginx {
        Nginx {
            directory: self.folder.path().join("ours"),
            program: self.program(),
            front: Front {
                listen: vec![format!("127.0.0.1:{}", self.port)],
                tls: None,
                challenges: None,
                answers_others: true,
                body_bytes_max: 0,
                upstreams: BTreeMap::new(),
                hosts: BTreeMap::new(),
            },
        }
    }

    fn start(&mut self) {
        let program = self.program();
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).args(["-g", "daemon off;"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.master = Some(command.spawn().unwrap());
        let pid = self.master.as_ref().unwrap().id().to_string();
        eventually("nginx runs", || {
            let said = fs::read_to_string(self.at("pid")).unwrap_or_default();
            (said.trim() == pid).then_some(())
        });
    }

    fn signal(&self, signal: Signal) {
        let master = self.master.as_ref().unwrap();
        kill_process(Pid::from_child(master), signal).unwrap();
    }

    /// Whether a signal to read its files waits for a master that is halted.
    fn is_told(&self) -> bool {
        let path = format!("/proc/{}/status", self.master.as_ref().unwrap().id());
        let text = fs::read_to_string(path).unwrap();
        let pending = text.lines().find_map(|it| it.strip_prefix("ShdPnd:")).unwrap();
        u64::from_str_radix(pending.trim(), 16).unwrap() & 1 == 1
    }

    fn workers(&self) -> Vec<u32> {
        let Some(master) = &self.master else { return vec![] };
        let path = format!("/proc/{0}/task/{0}/children", master.id());
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|it| it.parse().ok()).collect()
    }

    /// As a machine that loses power would.
    fn kill_all(&mut self) {
        let workers = self.workers();
        if let Some(mut master) = self.master.take() {
            let _ = master.kill();
            let _ = master.wait();
        }
        for pid in workers.into_iter().filter_map(|it| Pid::from_raw(it.cast_signed())) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn linked(&self) -> String {
        fs::read_link(self.at("ours/current")).unwrap().display().to_string()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// Leads one path of a host to an address.
fn lead(nginx: &mut Nginx, host: &str, path: &str, address: &str) {
    let name = format!("to.{}", address.replace(':', "."));
    let upstream = Upstream { servers: vec![address.to_owned()], standby: None, keepalive: false };
    nginx.front.upstreams.insert(name.clone(), upstream);
    let location = Location { path: path.to_owned(), upstream: name };
    nginx.front.hosts.entry(host.to_owned()).or_default().push(location);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(began.elapsed() < MOMENT, "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Answers with its name and the head it got; a handshake with 101, and then what it is sent.
fn backend(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            thread::spawn(move || answer(name, stream));
        }
    });
    address
}

fn answer(name: &str, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    if head.contains("Upgrade: websocket") {
        let accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Connection: upgrade\r\n\r\n";
        stream.write_all(accept.as_bytes())?;
        std::io::copy(&mut reader, &mut stream)?;
        return Ok(());
    }
    let body = format!("{name} {head}");
    let more = if head.contains("/framed") { "X-Frame-Options: DENY\r\n" } else { "" };
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\n{more}Content-Length: {length}\r\n\r\n{body}")
}

/// Head and body, as they came.
fn ask(port: u16, host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn body(port: u16, host: &str, path: &str) -> String {
    let text = ask(port, host, path);
    text.split_once("\r\n\r\n").map(|it| it.1.to_owned()).unwrap_or_default()
}

#[test]
fn files_are_put_in_force_and_what_was_changed_by_hand_is_left() {
    let mut stage = Stage::new();
    stage.start();
    let (one, two) = (backend("one"), backend("two"));
    let mut nginx = stage.nginx();
    lead(&mut nginx, "shop.example", "", &one);
    let first = nginx.apply(false).unwrap();
    assert_eq!((first.generation, first.unchanged), (1, false));
    assert!(body(stage.port, "shop.example", "/").starts_with("one GET / "));
    let again = nginx.apply(false).unwrap();
    assert_eq!((again.generation, again.unchanged), (1, true));

    lead(&mut nginx, "blog.example", "", &two);
    assert_eq!(nginx.apply(false).unwrap().generation, 2);
    assert!(body(stage.port, "blog.example", "/").starts_with("two GET / "));

    // By hand: a line more, a file gone, a file more.  Nothing is touched.
    let shop = stage.at("ours/current/conf.d/shop.example.conf");
    let text = fs::read_to_string(&shop).unwrap();
    fs::write(&shop, format!("{text}# a word of mine\n")).unwrap();
    let found = |nginx: &Nginx| match nginx.apply(false) {
        Err(Trouble::Edited(found)) => found.into_iter().map(|it| it.path).collect::<Vec<_>>(),
        other => panic!("not found: {other:?}"),
    };
    assert_eq!(found(&nginx), ["conf.d/shop.example.conf"]);
    fs::rename(stage.at("ours/current/conf.d/blog.example.conf"), stage.at("kept")).unwrap();
    fs::write(stage.at("ours/current/conf.d/mine.conf"), "# mine\n").unwrap();
    let all = ["conf.d/blog.example.conf", "conf.d/mine.conf", "conf.d/shop.example.conf"];
    assert_eq!(found(&nginx), all);
    assert_eq!(stage.linked(), "generations/000002");
    assert!(fs::read_to_string(&shop).unwrap().ends_with("# a word of mine\n"));

    // Told to go on: theirs stay in the generation before.
    assert_eq!(nginx.apply(true).unwrap().generation, 3);
    let before = stage.at("ours/generations/000002/conf.d/shop.example.conf");
    assert!(fs::read_to_string(before).unwrap().ends_with("# a word of mine\n"));
    assert!(body(stage.port, "blog.example", "/").starts_with("two "));
}

#[test]
fn what_nginx_does_not_take_leaves_what_was_there() {
    let mut stage = Stage::new();
    stage.write_main(false);
    stage.start();
    let one = backend("one");
    let mut nginx = stage.nginx();
    lead(&mut nginx, "shop.example", "", &one);
    // Nobody includes it.
    let Err(Trouble::Refused(failure)) = nginx.apply(false) else { panic!("not refused") };
    assert!(failure.hints.iter().any(|it| it.contains(&nginx.include_line())), "{failure:?}");
    assert!(!Path::new(&stage.at("ours/current")).exists());
    stage.write_main(true);
    let number = nginx.apply(false).unwrap().generation;

    // Refused by its test: the link is never moved.
    let mut wrong = nginx.clone();
    let nowhere = stage.at("no/{domain}.pem");
    let listen = vec![format!("127.0.0.1:{}", free_port())];
    wrong.front.tls = Some(Tls { listen, certificate: nowhere.clone(), key: nowhere });
    let Err(Trouble::Refused(failure)) = wrong.apply(false) else { panic!("not refused") };
    assert!(failure.evidence.iter().any(|it| it.contains("shop.example.pem")), "{failure:?}");
    assert_eq!(stage.linked(), format!("generations/{number:06}"));

    // Passes the test, and cannot be done: another has the port.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wrong = nginx.clone();
    wrong.front.listen.push(taken.local_addr().unwrap().to_string());
    lead(&mut wrong, "more.example", "", &one);
    let Err(Trouble::PutBack(failure)) = wrong.apply(false) else { panic!("not put back") };
    assert!(failure.message.contains(&format!("generation {number}")), "{failure:?}");
    assert_eq!(stage.linked(), format!("generations/{number:06}"));
    assert!(body(stage.port, "shop.example", "/").starts_with("one "));
    drop(taken);
    assert!(wrong.apply(false).unwrap().generation > number, "numbers are never used again");
    assert!(body(stage.port, "more.example", "/").starts_with("one "));
}

#[test]
fn a_master_that_dies_after_it_was_told_is_waited_for() {
    let mut stage = Stage::new();
    stage.start();
    let one = backend("one");
    let mut nginx = stage.nginx();
    lead(&mut nginx, "shop.example", "", &one);
    nginx.apply(false).unwrap();
    // It is told, and dies before it hears.
    stage.signal(Signal::STOP);
    lead(&mut nginx, "blog.example", "", &one);
    let applying = thread::spawn({
        let nginx = nginx.clone();
        move || nginx.apply(false)
    });
    eventually("it is told", || stage.is_told().then_some(()));
    assert_eq!(stage.linked(), "generations/000002");
    stage.kill_all();
    stage.start();
    let generation = applying.join().unwrap().unwrap().generation;
    assert_eq!(generation, 2);
    assert!(body(stage.port, "blog.example", "/").starts_with("one "));

    // We died before it was recorded.
    let record = stage.at("ours/applied.json");
    let text = fs::read_to_string(&record).unwrap();
    let earlier = text.replace(&format!("\"generation\":{generation}"), "\"generation\":1");
    assert_ne!(text, earlier);
    fs::write(&record, earlier).unwrap();
    let again = nginx.apply(false).unwrap();
    assert_eq!((again.generation, again.unchanged), (generation, true));
    assert_eq!(fs::read_to_string(&record).unwrap(), text);
}

#[test]
fn requests_come_where_the_configuration_says() {
    let mut stage = Stage::new();
    stage.start();
    let (front, api, deep) = (backend("front"), backend("api"), backend("deep"));
    let mut nginx = stage.nginx();
    for (path, address) in [("", &front), ("/api", &api), ("/api/deep", &deep)] {
        lead(&mut nginx, "shop.example", path, address);
    }
    // Who is to answer does not, and another stands by.
    let dead = format!("127.0.0.1:{}", free_port());
    lead(&mut nginx, "spare.example", "", &dead);
    let name = format!("to.{}", dead.replace(':', "."));
    nginx.front.upstreams.get_mut(&name).unwrap().standby = Some(front.clone());
    nginx.apply(false).unwrap();
    let cases = [
        ("/", "front GET / "),
        ("/apiary", "front GET /apiary "),
        ("/ap", "front GET /ap "),
        ("/api", "api GET /api "),
        ("/api/", "api GET /api/ "),
        ("/api?a=b", "api GET /api?a=b "),
        ("/api/x/../y%2Fz?q=1", "api GET /api/x/../y%2Fz?q=1 "),
        ("/api/deeper", "api GET /api/deeper "),
        ("/api/deep", "deep GET /api/deep "),
        ("/api/deep/x", "deep GET /api/deep/x "),
    ];
    for (path, expected) in cases {
        let said = body(stage.port, "shop.example", path);
        assert!(said.starts_with(expected), "{path}: {said}");
    }
    assert!(body(stage.port, "spare.example", "/x").starts_with("front GET /x "));

    let said = ask(stage.port, "shop.example", "/");
    for wanted in ["X-Content-Type-Options: nosniff", "X-Frame-Options: SAMEORIGIN"] {
        assert!(said.contains(wanted), "{said}");
    }
    for wanted in ["Host: shop.example", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http"] {
        assert!(said.contains(wanted), "{said}");
    }
    // The application's own word stands.
    let said = ask(stage.port, "shop.example", "/framed");
    assert!(said.contains("X-Frame-Options: DENY") && !said.contains("SAMEORIGIN"), "{said}");

    let mut stream = TcpStream::connect(("127.0.0.1", stage.port)).unwrap();
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    let shake = "GET /api/socket HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\n\r\n";
    stream.write_all(shake.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream.write_all(b"there and back").unwrap();
    let mut echo = [0; 14];
    reader.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"there and back");
}

#[test]
fn a_thousand_tenants_pass_its_test() {
    let stage = Stage::new();
    let mut nginx = stage.nginx();
    for number in 0..1000 {
        lead(&mut nginx, &format!("t{number}.example"), "", "127.0.0.1:9");
        lead(&mut nginx, &format!("t{number}.example"), "/api", "127.0.0.1:10");
    }
    let began = Instant::now();
    let files = nginx.files();
    println!("{} files: {:?}", files.len(), began.elapsed());
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "300 ms are the goal where nobody else works"
    );
    assert_eq!(files, nginx.files(), "the same comes to the same");
    let began = Instant::now();
    nginx.check(&stage.folder.path().join("scratch")).unwrap();
    println!("written and tested: {:?}", began.elapsed());
    let into = stage.folder.path().join("generated");
    let done = nginx.generate(&into, false).unwrap();
    assert_eq!((done.files, done.written, done.removed), (1001, 1001, 0));
    nginx.front.hosts.remove("t7.example");
    let done = nginx.generate(&into, false).unwrap();
    assert_eq!((done.files, done.written, done.removed), (1000, 0, 1));
    let edited = into.join("conf.d/t8.example.conf");
    fs::write(&edited, "# mine\n").unwrap();
    assert!(matches!(nginx.generate(&into, false), Err(Trouble::Edited(_))));
    assert_eq!(fs::read_to_string(&edited).unwrap(), "# mine\n");
}
