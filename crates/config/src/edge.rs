//! What the proxy does of itself at the edge: where it ends TLS, and with which certificates.

use crate::{
    document::Document,
    draft::{edge::HttpsDraft, environment::EnvironmentDraft, root::RootDraft},
    problem::Severity,
    report::Report,
};
use model::{
    edge::{Acme, CertificateFiles, Edge, SECURE, covers},
    name::EnvironmentId,
};

/// As root, when nobody says.
const LISTEN_ROOT: &str = "0.0.0.0:443";
/// As anybody else.
const LISTEN: &str = "127.0.0.1:8443";

impl Document {
    /// Where the proxy ends TLS, in the form that its holder takes.
    pub(crate) fn listen_secure(&self, is_root: bool) -> Vec<String> {
        let Some(https) = &self.root.https else { return vec![] };
        let given = https.listen.iter().flat_map(|it| &it.value).map(|it| it.value.clone());
        let mut all: Vec<String> = given.collect();
        if all.is_empty() {
            all.push(if is_root { LISTEN_ROOT } else { LISTEN }.to_owned());
        }
        all.iter().map(|it| format!("{SECURE}{it}")).collect()
    }

    /// What the proxy does of itself for each environment; None: nothing.
    pub fn edges(&self) -> Vec<(EnvironmentId, Option<Edge>)> {
        let all = self.root.projects.iter().flat_map(|(project, inner)| {
            let named = inner.environments.iter();
            named.map(|(name, it)| {
                let environment = name.clone();
                (EnvironmentId { project: project.clone(), environment }, self.edge(it))
            })
        });
        all.collect()
    }

    /// What it does for one environment; None: nothing.
    pub(crate) fn edge(&self, environment: &EnvironmentDraft) -> Option<Edge> {
        let root = &self.root;
        let headers = environment.security_headers.as_ref().or(root.security_headers.as_ref());
        let log = environment.access_log.as_ref().or(root.access_log.as_ref());
        let mut edge = Edge {
            protects: headers.is_some_and(|it| it.value),
            access_log: log.and_then(|it| it.value),
            rate: environment.limits.as_ref().or(root.limits.as_ref()).and_then(|it| it.rate),
            ..Edge::default()
        };
        if let Some(https) = &root.https {
            let over = &environment.https;
            let redirect = over.redirect.as_ref().or(https.over.redirect.as_ref());
            edge.redirect = redirect.is_none_or(|it| it.value);
            let hsts = over.hsts.as_ref().or(https.over.hsts.as_ref());
            edge.hsts_s = hsts.map_or(0, |it| it.value.0 / 1000);
            for domain in environment.domains() {
                let found = certificate(https, &domain.value);
                let files = found.map(|(host, files)| (host.clone(), files.clone()));
                edge.certificates.extend(files);
            }
            edge.acme = issued(https, environment);
        }
        (edge != Edge::default()).then_some(edge)
    }
}

/// The host's own, else one that covers it.
fn certificate<'d>(
    https: &'d HttpsDraft,
    host: &str,
) -> Option<(&'d String, &'d CertificateFiles)> {
    let all = || https.certificates.iter().map(|(name, files)| (&name.value, files));
    all().find(|it| it.0 == host).or_else(|| all().find(|it| covers(it.0, host)))
}

/// Those of its hosts that an authority issues certificates for.
fn issued(https: &HttpsDraft, environment: &EnvironmentDraft) -> Option<Acme> {
    let draft = https.acme.as_ref()?;
    let names = environment.domains().iter().map(|it| &it.value);
    let hosts = names.filter(|it| is_issued(https, environment, it)).cloned().collect();
    let acme = Acme { hosts, ..draft.acme.clone() };
    (!acme.hosts.is_empty()).then_some(acme)
}

fn is_issued(https: &HttpsDraft, environment: &EnvironmentDraft, host: &str) -> bool {
    let wanted = environment.https.acme.as_ref().is_none_or(|it| it.value);
    let known = https.acme.as_ref().is_some_and(|it| it.issues(host));
    wanted && known && certificate(https, host).is_none()
}

/// Reports hosts without a certificate, certificates without a host, and keys that go for nothing.
pub(crate) fn judge(root: &RootDraft, report: &mut Report) {
    let environments = || root.projects.iter().flat_map(|it| &it.1.environments).map(|(_, it)| it);
    let Some(https) = &root.https else {
        for environment in environments() {
            let over = &environment.https;
            let redirect = over.redirect.as_ref().map(|it| (it.place, &it.path));
            let hsts = over.hsts.as_ref().map(|it| (it.place, &it.path));
            let acme = over.acme.as_ref().map(|it| (it.place, &it.path));
            for (place, path) in redirect.into_iter().chain(hsts).chain(acme) {
                let message = "the proxy ends no TLS, so this goes for nothing";
                report.error(place, path.clone(), message).hint("add `proxy: { https: … }`");
            }
        }
        return;
    };
    both(root, https, report);
    let hosts = || environments().flat_map(|it| it.domains());
    let pairs = || environments().flat_map(|it| it.domains().iter().map(move |host| (it, host)));
    if let Some(acme) = &https.acme
        && !pairs().any(|(it, host)| is_issued(https, it, &host.value))
    {
        let message = "there is no host that a certificate is to be issued for";
        report
            .add(Severity::Warning, acme.place, acme.path.clone(), message)
            .hint("add one to the `domains` of an environment, or take `acme` out");
    }
    for (environment, host) in pairs() {
        let host_has = certificate(https, &host.value).is_some();
        if host_has || is_issued(https, environment, &host.value) {
            continue;
        }
        let message = format!("`{}` has no certificate: it is refused over TLS", host.value);
        let reported = report.add(Severity::Warning, host.place, host.path.clone(), message);
        reported.hint("add it to `proxy: { https: { certificates: … } }`");
    }
    for (name, _) in &https.certificates {
        if !hosts().any(|it| covers(&name.value, &it.value)) {
            let message = format!("no environment has the host `{}`", name.value);
            report
                .add(Severity::Warning, name.place, name.path.clone(), message)
                .hint("add it to the `domains` of one, or take the certificate out");
        }
    }
}

/// One address cannot be both.
fn both(root: &RootDraft, https: &HttpsDraft, report: &mut Report) {
    let clear = || root.listen.iter().flat_map(|it| &it.value);
    for item in https.listen.iter().flat_map(|it| &it.value) {
        if !item.value.ends_with(":0") && clear().any(|it| it.value == item.value) {
            let message = format!("`{}` is given for clear HTTP as well", item.value);
            report.error(item.place, item.path.clone(), message).hint("choose another port");
        }
    }
}
