//! What the proxy does of itself at the edge, as it was read.

use super::acme::AcmeDraft;
use crate::{
    address,
    report::{Field, Placed, Report, Table},
    scalar,
};
use model::{
    edge::{AccessLog, CertificateFiles},
    service::Millis,
};

/// Browsers keep it; longer than two years says nothing more.
const HSTS_MAX: Millis = Millis::seconds(2 * 365 * 24 * 3600);

/// The key `proxy.https`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpsDraft {
    pub(crate) listen: Option<Placed<Vec<Placed<String>>>>,
    /// By host, or `*.` and a part of one.
    pub(crate) certificates: Vec<(Placed<String>, CertificateFiles)>,
    /// Who issues those that are not named there.
    pub(crate) acme: Option<AcmeDraft>,
    pub(crate) over: OverDraft,
}

/// What an environment may say otherwise: its key `https`.
#[derive(Clone, Debug, Default)]
pub(crate) struct OverDraft {
    pub(crate) redirect: Option<Placed<bool>>,
    pub(crate) hsts: Option<Placed<Millis>>,
    /// Whether an authority is asked for certificates of its hosts.
    pub(crate) acme: Option<Placed<bool>>,
}

impl HttpsDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> HttpsDraft {
        let mut draft = HttpsDraft::default();
        let known = ["listen", "certificates", "acme", "redirect", "hsts"];
        let Some(table) = Table::read(field, &known, &[], report) else { return draft };
        draft.listen = table.get("listen").and_then(|it| scalar::list(it, report, address::listen));
        draft.over = OverDraft::take(&table, report);
        draft.acme = table.get("acme").and_then(|it| AcmeDraft::read(it, report));
        if let Some(certificates) = table.get("certificates") {
            let wanted = "a mapping of hosts to `{ certificate: …, key: … }`";
            for (host, files) in certificates.entries(report, wanted) {
                let known = address::certificate_host(&host, &files, report);
                let files = files_of(&host, &files, report);
                draft.certificates.extend(known.zip(files));
            }
        }
        draft
    }
}

impl OverDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> OverDraft {
        let elsewhere = [
            ("certificates", "to `proxy: { https: … }`, which all environments share"),
            ("listen", "to `proxy: { https: … }`, which all environments share"),
        ];
        let known = ["redirect", "hsts", "acme"];
        let Some(table) = Table::read(field, &known, &elsewhere, report) else {
            return OverDraft::default();
        };
        let acme = table.get("acme").and_then(|it| scalar::switch(it, report));
        OverDraft { acme, ..OverDraft::take(&table, report) }
    }

    fn take(table: &Table<'_>, report: &mut Report) -> OverDraft {
        let hsts = table.get("hsts");
        OverDraft {
            redirect: table.get("redirect").and_then(|it| scalar::switch(it, report)),
            hsts: hsts.and_then(|it| scalar::time(it, Millis(0)..=HSTS_MAX, report)),
            acme: None,
        }
    }
}

/// The key `access_log`.
pub(crate) fn access_log(
    table: &Table<'_>,
    report: &mut Report,
) -> Option<Placed<Option<AccessLog>>> {
    let words = [("text", Some(AccessLog::Text)), ("json", Some(AccessLog::Json)), ("none", None)];
    table.get("access_log").and_then(|it| scalar::choice(it, &words, report))
}

fn files_of(host: &str, field: &Field<'_>, report: &mut Report) -> Option<CertificateFiles> {
    let table = Table::read(field, &["certificate", "key"], &[], report)?;
    let mut path = |key: &str| match table.get(key) {
        Some(given) => whole_path(given, report),
        None if table.gives(key) => None,
        None => {
            let message = format!("`{}` has no `{key}`", host.escape_debug());
            field.error(report, message).hint(format!("add `{key}: /etc/….pem`"));
            None
        }
    };
    let (certificate, key) = (path("certificate"), path("key"));
    Some(CertificateFiles { certificate: certificate?, key: key? })
}

/// A path from the root.
pub(crate) fn whole_path(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let found = scalar::word(field, report)?;
    let shown = found.value.escape_debug().to_string();
    if !found.value.starts_with('/') || found.value.split('/').any(|it| it == "..") {
        field
            .error(report, format!("`{shown}` is not a whole path"))
            .hint("begin with `/`, and write no `..`");
        return None;
    }
    Some(found.value)
}
