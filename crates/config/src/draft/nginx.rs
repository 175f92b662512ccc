//! What nginx does in front, as it was read.

use crate::{
    address, argv,
    report::{Field, Placed, Report, Table},
    scalar,
};
use model::nginx::text::is_plain;

/// In the place of the host in the paths of a certificate.
const DOMAIN: &str = "{domain}";

/// The key `nginx`.
#[derive(Clone, Debug, Default)]
pub(crate) struct NginxDraft {
    pub(crate) to: Option<Placed<Leads>>,
    pub(crate) listen: Option<Placed<Vec<Placed<String>>>>,
    pub(crate) standby: Option<Placed<String>>,
    pub(crate) tls: Option<TlsDraft>,
    pub(crate) acme: Option<Placed<String>>,
    pub(crate) default: Option<Placed<bool>>,
    pub(crate) body_bytes_max: Option<Placed<u64>>,
    pub(crate) directory: Option<Placed<String>>,
    pub(crate) program: Option<Placed<Vec<String>>>,
}

/// What its server blocks lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// Our proxy, which knows where each request goes.
    Proxy,
    /// The services themselves.
    Services,
    /// Instances that listen at sockets, by links, with our proxy behind them; and our proxy for
    /// all else.
    Sockets,
}

/// The key `nginx.tls`.
#[derive(Clone, Debug)]
pub(crate) struct TlsDraft {
    pub(crate) listen: Option<Placed<Vec<Placed<String>>>>,
    pub(crate) certificate: Placed<String>,
    pub(crate) key: Placed<String>,
}

impl NginxDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> NginxDraft {
        let mut draft = NginxDraft::default();
        let known = [
            "to",
            "listen",
            "standby",
            "tls",
            "acme",
            "default",
            "body_max",
            "directory",
            "program",
        ];
        let Some(table) = Table::read(field, &known, &[], report) else { return draft };
        let leads =
            [("proxy", Leads::Proxy), ("services", Leads::Services), ("sockets", Leads::Sockets)];
        draft.to = table.get("to").and_then(|it| scalar::choice(it, &leads, report));
        draft.listen = table.get("listen").and_then(|it| scalar::list(it, report, fixed_listen));
        draft.standby = table.get("standby").and_then(|it| fixed_listen(it, report));
        draft.tls = table.get("tls").and_then(|it| TlsDraft::read(it, report));
        draft.acme = table.get("acme").and_then(|it| challenges(it, report));
        draft.default = table.get("default").and_then(|it| scalar::switch(it, report));
        draft.body_bytes_max = table.get("body_max").and_then(|it| scalar::size(it, 0, report));
        draft.directory = table.get("directory").and_then(|it| whole_path(it, false, report));
        draft.program = table.get("program").and_then(|it| argv::command(it, report));
        draft
    }
}

impl TlsDraft {
    fn read(field: &Field<'_>, report: &mut Report) -> Option<TlsDraft> {
        let table = Table::read(field, &["listen", "certificate", "key"], &[], report)?;
        let listen = table.get("listen").and_then(|it| scalar::list(it, report, fixed_listen));
        let mut path = |key: &str| match table.get(key) {
            Some(given) => whole_path(given, true, report),
            None => {
                field
                    .error(report, format!("`tls` has no `{key}`"))
                    .hint(format!("add `{key}: /etc/letsencrypt/live/{DOMAIN}/….pem`"));
                None
            }
        };
        let (certificate, key) = (path("certificate"), path("key"));
        Some(TlsDraft { listen, certificate: certificate?, key: key? })
    }
}

/// An address and a port that the system does not choose.
fn fixed_listen(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = address::listen(field, report)?;
    if found.value.ends_with(":0") {
        field.error(report, format!("`{}` names no port", found.value)).hint("choose one");
        return None;
    }
    Some(found)
}

/// The directory of the challenges' files, or the address of who answers them.
fn challenges(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    if found.value.starts_with('/') {
        return whole_path(field, false, report);
    }
    fixed_listen(field, report)
}

/// A path from the root that means itself in a file of nginx.
fn whole_path(field: &Field<'_>, templated: bool, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let filled = match templated {
        true => found.value.replace(DOMAIN, "domain"),
        false => found.value.clone(),
    };
    let shown = found.value.escape_debug().to_string();
    if !filled.starts_with('/') {
        field.error(report, format!("`{shown}` is not a whole path")).hint("begin with `/`");
        return None;
    }
    if !is_plain(&filled) || filled.split('/').any(|it| it == "..") {
        field
            .error(report, format!("`{shown}` cannot stand in a file of nginx"))
            .hint("use letters, digits, `.`, `_`, `-` and `/`");
        return None;
    }
    Some(found)
}
