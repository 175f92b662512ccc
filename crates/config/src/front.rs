//! What nginx is to be told: every host, and who answers for each path of it.

use crate::{
    document::Document,
    draft::{
        environment::EnvironmentDraft,
        nginx::{Leads, NginxDraft},
        project::ProjectDraft,
        service::{ServiceDraft, StrategyDraft},
    },
    judge,
    problem::{Problem, Severity, any_error},
    report::{Placed, Report},
};
use model::{
    name::Name,
    nginx::{Challenges, Front, FrontSpec, Location, Tls, Upstream, text::is_plain},
    service::{ServiceSpec, Socket, Strategy},
};
use std::{collections::BTreeMap, net::SocketAddr};

/// Where our files are when nobody says.
const DIRECTORY: &str = "/etc/nginx/cutover";
/// What is run when nobody says.
const PROGRAM: &str = "nginx";
/// Clear HTTP, when nobody says.
const LISTEN: &str = "0.0.0.0:80";
/// TLS, when nobody says.
const LISTEN_TLS: &str = "0.0.0.0:443";
/// What the system allows.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Who may say for whom a request came, where nginx stands in front on this machine.
const TRUSTED: [&str; 2] = ["127.0.0.1", "::1"];

/// What nginx is told, and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Fronting {
    /// What it is told.
    pub front: Front,
    /// The directory of our files, from the root.
    pub directory: String,
    /// nginx and its arguments; at least one word.
    pub program: Vec<String>,
    /// Warnings and notes.
    pub notes: Vec<Problem>,
}

impl Document {
    /// What nginx is to be told of all projects.
    ///
    /// # Errors
    /// All problems: of the file, and of words that cannot stand in a file of nginx.
    ///
    /// `links` is the directory of the links to sockets, in the state directory.
    pub fn fronting(&self, is_root: bool, links: &str) -> Result<Fronting, Vec<Problem>> {
        if any_error(self.problems()) {
            return Err(self.problems().to_vec());
        }
        let mut report = Report::new(&self.file, self.source.clone());
        let unsaid = NginxDraft::default();
        let draft = self.root.nginx.as_ref().unwrap_or(&unsaid);
        let listens = self.listen(is_root);
        let proxy = listens.first().map(|it| reached(it)).unwrap_or_default();
        if self.root.nginx.is_none() && self.root.listen.is_none() {
            unnamed_proxy(&proxy, &mut report);
        }
        let links = links.to_owned();
        let mut hosts = Hosts { draft, proxy, links, report, front: empty(draft) };
        for (project, inner) in &self.root.projects {
            for (name, environment) in &inner.environments {
                hosts.take(project, inner, name, environment);
            }
        }
        let Hosts { front, report, .. } = hosts;
        let problems = report.finish();
        if any_error(&problems) {
            return Err(problems);
        }
        let (directory, program) = (directory(draft), program(draft));
        Ok(Fronting { front, directory, program, notes: problems })
    }

    /// nginx as it stands in front of the proxy; None: nothing is said of it, or it leads past it.
    pub(crate) fn front(&self) -> Option<FrontSpec> {
        let draft = self.root.nginx.as_ref()?;
        if draft.to.as_ref().is_some_and(|it| it.value == Leads::Services) {
            return None;
        }
        let Front { listen, tls, .. } = empty(draft);
        let directory = directory(draft);
        let program = program(draft);
        Some(FrontSpec {
            directory,
            program,
            listen,
            listen_tls: tls.map_or(vec![], |it| it.listen),
        })
    }

    /// Says of services that listen at sockets by how many links nginx goes straight there.
    pub(crate) fn lead_past_the_proxy(
        &self,
        environment: &EnvironmentDraft,
        services: &mut [ServiceSpec],
    ) {
        let asked = self.root.nginx.as_ref().and_then(|it| it.to.as_ref());
        if environment.domains().is_empty() || asked.is_none_or(|it| it.value != Leads::Sockets) {
            return;
        }
        let led = |it: &&mut ServiceSpec| !it.routes.is_empty() && it.strategy != Strategy::Canary;
        for service in services.iter_mut().filter(led) {
            let links = Some(service.instances.max(1));
            service.socket = service.socket.map(|_| Socket { links });
        }
    }

    /// Whose word the proxy takes on who its clients are; None: nothing is said, and what was said
    /// before holds.
    pub fn trusted(&self) -> Option<Vec<String>> {
        match &self.root.trusted {
            Some(given) => Some(given.value.iter().map(|it| it.value.clone()).collect()),
            None if self.root.nginx.is_some() => Some(TRUSTED.map(str::to_owned).to_vec()),
            None => None,
        }
    }
}

/// Reports ports that nginx and the proxy would both have.
pub(crate) fn conflicts(
    nginx: Option<&NginxDraft>,
    proxy: Option<&Placed<Vec<Placed<String>>>>,
    report: &mut Report,
) {
    let (Some(nginx), Some(proxy)) = (nginx, proxy) else { return };
    let front = empty(nginx);
    let tls = front.tls.iter().flat_map(|it| &it.listen);
    let taken: Vec<SocketAddr> =
        front.listen.iter().chain(tls).filter_map(|it| it.parse().ok()).collect();
    for item in &proxy.value {
        let Ok(address) = item.value.parse::<SocketAddr>() else { continue };
        let shares = |it: &&SocketAddr| {
            it.port() == address.port()
                && (it.ip() == address.ip()
                    || it.ip().is_unspecified()
                    || address.ip().is_unspecified())
        };
        if let Some(other) = taken.iter().find(shares) {
            let message = format!("nginx listens at {other}, so the proxy cannot at {address}");
            report
                .error(item.place, item.path.clone(), message)
                .hint("let the proxy listen where only nginx comes: `127.0.0.1:8080`");
        }
    }
    let Some(first) = proxy.value.first().filter(|it| it.value.ends_with(":0")) else { return };
    report
        .error(first.place, first.path.clone(), "nginx leads here, and the port is not fixed")
        .hint("choose one: `127.0.0.1:8080`");
}

fn unnamed_proxy(proxy: &str, report: &mut Report) {
    let message = format!("nginx will lead to {proxy}, where the proxy listens when nobody says");
    report
        .add(Severity::Warning, Default::default(), "", message)
        .hint("say so: `nginx: { to: proxy }`, and `proxy: { listen: [\"127.0.0.1:8080\"] }`");
}

fn directory(draft: &NginxDraft) -> String {
    let given = draft.directory.as_ref().map_or(DIRECTORY, |it| it.value.as_str());
    given.trim_end_matches('/').to_owned()
}

fn program(draft: &NginxDraft) -> Vec<String> {
    let given = draft.program.as_ref().map(|it| it.value.clone());
    given.unwrap_or_else(|| vec![PROGRAM.to_owned()])
}

fn is_canary(service: &ServiceDraft) -> bool {
    service.strategy.as_ref().is_some_and(|it| it.value == StrategyDraft::Canary)
}

/// An address that is listened at everywhere is reached on this machine.
fn reached(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(it)) if it.ip().is_unspecified() => format!("127.0.0.1:{}", it.port()),
        Ok(SocketAddr::V6(it)) if it.ip().is_unspecified() => format!("[::1]:{}", it.port()),
        _ => listen.to_owned(),
    }
}

/// Without hosts.
fn empty(draft: &NginxDraft) -> Front {
    let listen = |given: Option<&Placed<Vec<Placed<String>>>>, otherwise: &str| match given {
        Some(given) => given.value.iter().map(|it| it.value.clone()).collect(),
        None => vec![otherwise.to_owned()],
    };
    let challenges = draft.acme.as_ref().map(|it| match it.value.starts_with('/') {
        true => Challenges::Directory(it.value.clone()),
        false => Challenges::Address(it.value.clone()),
    });
    Front {
        listen: listen(draft.listen.as_ref(), LISTEN),
        tls: draft.tls.as_ref().map(|it| Tls {
            listen: listen(it.listen.as_ref(), LISTEN_TLS),
            certificate: it.certificate.value.clone(),
            key: it.key.value.clone(),
        }),
        challenges,
        answers_others: draft.default.as_ref().is_none_or(|it| it.value),
        body_bytes_max: draft.body_bytes_max.as_ref().map_or(0, |it| it.value),
        upstreams: BTreeMap::new(),
        hosts: BTreeMap::new(),
    }
}

struct Hosts<'d> {
    draft: &'d NginxDraft,
    /// Where the proxy is reached.
    proxy: String,
    /// The directory of links to sockets.
    links: String,
    report: Report,
    front: Front,
}

impl Hosts<'_> {
    fn take(
        &mut self,
        project: &Name,
        inner: &ProjectDraft,
        name: &Name,
        environment: &EnvironmentDraft,
    ) {
        if environment.domains().is_empty() {
            return;
        }
        let tenant = format!("{project}.{name}");
        let locations = match self.draft.to.as_ref().map_or(Leads::Proxy, |it| it.value) {
            Leads::Proxy => self.by_proxy(tenant),
            Leads::Sockets => self.by_sockets(tenant, name, inner, environment),
            Leads::Services => self.services(&tenant, name, inner, environment),
        };
        for domain in environment.domains() {
            if domain.value == "*" && self.front.tls.is_some() {
                let message = "nginx has no certificate for hosts that nobody names";
                self.report
                    .add(Severity::Warning, domain.place, domain.path.clone(), message)
                    .hint("name each host; `*` is answered without TLS");
            }
            let all = self.front.hosts.entry(domain.value.clone()).or_default();
            // A host that two environments share leads to the proxy once.
            let new = locations.iter().filter(|it| !all.iter().any(|own| own.path == it.path));
            let new: Vec<Location> = new.cloned().collect();
            all.extend(new);
            // The longest path first, for who reads it; nginx takes the longest anyhow.
            all.sort_by(|one, other| {
                other.path.len().cmp(&one.path.len()).then_with(|| one.path.cmp(&other.path))
            });
        }
    }

    fn by_proxy(&mut self, tenant: String) -> Vec<Location> {
        self.upstream(&tenant, vec![self.proxy.clone()], self.standby(), true);
        vec![Location { path: String::new(), upstream: tenant }]
    }

    /// Straight to who listens at sockets, and to the proxy where nobody does, or all refuse.
    fn by_sockets(
        &mut self,
        tenant: String,
        environment: &Name,
        inner: &ProjectDraft,
        over: &EnvironmentDraft,
    ) -> Vec<Location> {
        let mut locations = vec![];
        for (name, service) in judge::laid(inner, over) {
            let upstream = match service.at_socket() {
                Some(listen) if !service.routes().is_empty() && is_canary(&service) => {
                    self.say_who_shares_out(&name, listen);
                    tenant.clone()
                }
                Some(listen) if !service.routes().is_empty() => {
                    self.say_what_is_lost(&name, listen);
                    let count = judge::instances(&service, environment).max(1);
                    let link = |it| format!("unix:{}/{tenant}/{name}.{it}", self.links);
                    let links: Vec<String> = (1..=count).map(link).collect();
                    let upstream = format!("{tenant}.{name}");
                    self.expect_short(&links, listen);
                    self.upstream(&upstream, links, Some(self.proxy.clone()), false);
                    upstream
                }
                _ => tenant.clone(),
            };
            locations.extend(self.locations(&service, &upstream));
        }
        let rest = self.by_proxy(tenant);
        let has_root = locations.iter().any(|it| it.path.is_empty());
        locations.extend(rest.into_iter().filter(|_| !has_root));
        locations
    }

    fn say_what_is_lost(&mut self, name: &Name, listen: &Placed<bool>) {
        let message = format!(
            "nginx goes straight to `{name}`: its requests are not counted by release, and answers \
             that fail lead no release back"
        );
        self.report
            .add(Severity::Note, listen.place, listen.path.clone(), message)
            .hint("`nginx: { to: proxy }` leads them by the proxy, which counts them");
    }

    fn say_who_shares_out(&mut self, name: &Name, listen: &Placed<bool>) {
        let message = format!(
            "nginx leads to `{name}` by the proxy: the shares of `strategy: canary` are the proxy's"
        );
        self.report
            .add(Severity::Note, listen.place, listen.path.clone(), message)
            .hint("use `blue-green` or `rolling`, and nginx goes straight there");
    }

    fn expect_short(&mut self, links: &[String], listen: &Placed<bool>) {
        let paths = links.iter().map(|it| it.strip_prefix("unix:").unwrap_or(it));
        let longest = paths.max_by_key(|it| it.len()).unwrap_or_default().to_owned();
        let message = if longest.len() > SOCKET_PATH_BYTES_MAX {
            format!(
                "the link {longest} has {} bytes, and a socket's path {SOCKET_PATH_BYTES_MAX}",
                longest.len()
            )
        } else if !is_plain(&longest) || longest.contains(':') {
            format!("the link {longest} cannot stand in a file of nginx")
        } else {
            return;
        };
        self.report
            .error(listen.place, listen.path.clone(), message)
            .hint("use another state directory (`--root`), or lead to the proxy");
    }

    fn services(
        &mut self,
        tenant: &str,
        environment: &Name,
        inner: &ProjectDraft,
        over: &EnvironmentDraft,
    ) -> Vec<Location> {
        if let Some(standby) = &self.draft.standby {
            self.report
                .error(standby.place, standby.path.clone(), "`standby` goes with `to: proxy`")
                .hint("take it out, or lead to the proxy");
        }
        let mut locations = Vec::new();
        for (name, service) in judge::laid(inner, over) {
            if service.routes().is_empty() {
                continue;
            }
            let Some(server) = self.server(&name, &service, environment) else { continue };
            let upstream = format!("{tenant}.{name}");
            self.upstream(&upstream, vec![server], None, false);
            locations.extend(self.locations(&service, &upstream));
        }
        locations
    }

    /// One for each route of the service.
    fn locations(&mut self, service: &ServiceDraft, upstream: &str) -> Vec<Location> {
        let mut locations = Vec::new();
        for route in service.routes() {
            if is_plain(&route.value) && !route.value.contains('%') {
                let path = route.value.trim_end_matches('/').to_owned();
                locations.push(Location { path, upstream: upstream.to_owned() });
                continue;
            }
            let message = format!("the path `{}` cannot stand in a file of nginx", route.value);
            self.report
                .error(route.place, route.path.clone(), message)
                .hint("use letters, digits and `-._~/`, or lead to the proxy");
        }
        locations
    }

    /// An address of the service that outlives a release.
    fn server(
        &mut self,
        name: &Name,
        service: &ServiceDraft,
        environment: &Name,
    ) -> Option<String> {
        if let Some(container) = &service.container {
            let (container, port) = &container.value;
            return Some(format!("{container}-{environment}:{port}"));
        }
        if let Some(port) = &service.port {
            return Some(format!("127.0.0.1:{}", port.value));
        }
        let message = format!("nginx cannot lead to `{name}`: each release has another port");
        let at = service.routes.as_ref().map_or(service.place, |it| it.place);
        self.report
            .error(at, service.path.clone(), message)
            .hint("lead to the proxy: `nginx: { to: proxy }`");
        None
    }

    fn standby(&self) -> Option<String> {
        self.draft.standby.as_ref().map(|it| it.value.clone())
    }

    fn upstream(
        &mut self,
        name: &str,
        servers: Vec<String>,
        standby: Option<String>,
        keepalive: bool,
    ) {
        self.front.upstreams.insert(name.to_owned(), Upstream { servers, standby, keepalive });
    }
}
