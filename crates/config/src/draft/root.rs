//! The whole file as it was read.

use crate::{
    address,
    draft::{
        alias::{self, AliasDraft},
        edge::{self, HttpsDraft},
        nginx::NginxDraft,
        project::{ProjectDraft, named},
        rate::LimitsDraft,
    },
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::Node,
};
use model::{edge::AccessLog, name::Name};

/// The whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct RootDraft {
    /// Where the embedded proxy listens, if it is said.
    pub(crate) listen: Option<Placed<Vec<Placed<String>>>>,
    /// Where and how it ends TLS.
    pub(crate) https: Option<HttpsDraft>,
    /// Whether responses get the headers that protect browsers.
    pub(crate) security_headers: Option<Placed<bool>>,
    /// Whether and how requests are logged.
    pub(crate) access_log: Option<Placed<Option<AccessLog>>>,
    /// How many requests a client may send.
    pub(crate) limits: Option<LimitsDraft>,
    /// Who is believed what it says of its clients, if it is said.
    pub(crate) trusted: Option<Placed<Vec<Placed<String>>>>,
    /// What stands in front of the proxy.
    pub(crate) nginx: Option<NginxDraft>,
    pub(crate) projects: Vec<(Name, ProjectDraft)>,
    pub(crate) aliases: Vec<AliasDraft>,
}

impl RootDraft {
    pub(crate) fn read(root: &Node, report: &mut Report) -> RootDraft {
        let mut draft = RootDraft::default();
        let field = Field::root(root);
        let elsewhere = [
            ("services", "to a project: `projects: { shop: { services: … } }`"),
            ("environments", "to a project: `projects: { shop: { environments: … } }`"),
            ("source", "to a project: `projects: { shop: { source: … } }`"),
            ("listen", "under `proxy`"),
        ];
        let known = ["proxy", "projects", "aliases", "nginx"];
        let Some(table) = Table::read(&field, &known, &elsewhere, report) else { return draft };
        if let Some(proxy) = table.get("proxy") {
            draft.read_proxy(proxy, report);
        }
        draft.nginx = table.get("nginx").map(|it| NginxDraft::read(it, report));
        if let Some(aliases) = table.get("aliases") {
            draft.aliases = alias::aliases(aliases, report);
        }
        match table.get("projects") {
            Some(projects) => {
                for (name, inner) in named(projects, "projects", report) {
                    draft.projects.push((name, ProjectDraft::read(&inner, report)));
                }
            }
            None if table.gives("projects") => {}
            None => {
                let hint = "begin with `projects:`; `cutover init` writes an example";
                field.error(report, "there is no `projects`").hint(hint);
            }
        }
        draft
    }

    fn read_proxy(&mut self, field: &Field<'_>, report: &mut Report) {
        let known = ["listen", "https", "security_headers", "access_log", "trusted", "limits"];
        let elsewhere = [("tls", "under `https`: `https: { listen: …, certificates: … }`")];
        let Some(table) = Table::read(field, &known, &elsewhere, report) else { return };
        self.trusted = table.get("trusted").and_then(|it| scalar::list(it, report, address::peers));
        self.listen = table.get("listen").and_then(|it| scalar::list(it, report, address::listen));
        if let Some(listen) = &self.listen {
            for (index, item) in listen.value.iter().enumerate() {
                if listen.value[..index].iter().any(|it| it.value == item.value) {
                    let message = format!("`{}` is given twice", item.value);
                    report.error(item.place, item.path.clone(), message).hint("keep one");
                }
            }
        }
        self.https = table.get("https").map(|it| HttpsDraft::read(it, report));
        self.access_log = edge::access_log(&table, report);
        self.limits = table.get("limits").and_then(|it| LimitsDraft::read(it, report));
        let headers = table.get("security_headers");
        self.security_headers = headers.and_then(|it| scalar::switch(it, report));
    }
}
