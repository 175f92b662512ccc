//! Which authority issues certificates, as it was read.

use super::edge::whole_path;
use crate::{
    address,
    report::{Field, Place, Placed, Report, Table},
    scalar,
};
use model::edge::{Acme, Challenge};
use std::collections::BTreeSet;

/// Who is asked when nobody says.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
const PORT: u16 = 443;

/// The key `proxy.https.acme`.
#[derive(Clone, Debug)]
pub(crate) struct AcmeDraft {
    /// Without hosts.
    pub(crate) acme: Acme,
    pub(crate) place: Place,
    pub(crate) path: String,
}

impl AcmeDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<AcmeDraft> {
        let known = ["terms_agreed", "email", "directory", "root", "challenge"];
        let table = Table::read(field, &known, &[], report)?;
        let agreed = table.get("terms_agreed").map(|it| scalar::switch(it, report));
        match agreed {
            Some(Some(Placed { value: true, .. }) | None) => {}
            Some(Some(_)) | None => {
                let message = "nobody has agreed to the authority's terms";
                let at = table.get("terms_agreed").unwrap_or(field);
                at.error(report, message).hint("read them, then write `terms_agreed: yes`");
            }
        }
        let words = [("http", Challenge::Http), ("tls-alpn", Challenge::TlsAlpn)];
        let challenge = table.get("challenge").and_then(|it| scalar::choice(it, &words, report));
        let directory = table.get("directory").and_then(|it| directory(it, report));
        let acme = Acme {
            hosts: BTreeSet::new(),
            directory: directory.unwrap_or_else(|| DIRECTORY.to_owned()),
            email: table.get("email").and_then(|it| email(it, report)),
            root: table.get("root").and_then(|it| whole_path(it, report)),
            challenge: challenge.map_or(Challenge::Http, |it| it.value),
        };
        Some(AcmeDraft { acme, place: field.place, path: field.path.clone() })
    }

    /// Whether the authority can be asked for a certificate of this host.
    pub(crate) fn issues(&self, host: &str) -> bool {
        let last = host.rsplit('.').next().unwrap_or_default();
        let is_address = last.bytes().all(|it| it.is_ascii_digit());
        // A name without a dot is known to nobody but an authority of one's own.
        let is_known = host.contains('.') || self.acme.root.is_some();
        host != "*" && !is_address && is_known
    }
}

fn directory(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let found = address::public_url(field, report)?;
    if !found.tls {
        field
            .error(report, "an authority is asked over TLS only")
            .hint("begin with `https://`; `root` names a certificate of your own");
        return None;
    }
    let port = if found.port == PORT { String::new() } else { format!(":{}", found.port) };
    Some(format!("https://{}{port}{}", found.host, found.path))
}

fn email(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let found = scalar::word(field, report)?;
    let is_plain = |it: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte);
        !it.is_empty() && it.bytes().all(known)
    };
    let parts = found.value.split_once('@');
    if parts.is_some_and(|(user, host)| is_plain(user) && is_plain(host)) {
        return Some(found.value);
    }
    let message = format!("`{}` is not an address of mail", found.value.escape_debug());
    field.error(report, message).hint("write `somebody@shop.example`");
    None
}
