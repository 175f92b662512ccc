//! What clients elsewhere see, as it was read.

use crate::{
    address,
    report::{Field, Report, Table},
    scalar,
    yaml::Value,
};
use model::{check::External, service::Millis};

const STATUS: u16 = 200;
/// As long as whoever renews by hand may need.
const EXPIRES_IN: Millis = Millis::seconds(14 * 86_400);
const EXPIRES_IN_MAX: Millis = Millis::seconds(398 * 86_400);
/// Of all trusted certificates together.
const TRUSTED_BYTES_MAX: usize = 64 * 1024;

/// An address, or `{ url, status, expires_in, trusted }`.
pub(super) fn read(field: &Field<'_>, report: &mut Report) -> Option<External> {
    if let Value::Scalar { .. } = &field.node.value {
        return by_default(field, report);
    }
    let known = ["url", "status", "expires_in", "trusted"];
    let table = Table::read(field, &known, &[], report)?;
    let Some(url) = table.get("url") else {
        field
            .error(report, "`external` has no address to ask")
            .hint("add `url: https://shop.example/`");
        return None;
    };
    let found = by_default(url, report);
    let status = table.get("status").and_then(|it| scalar::number::<u16>(it, 100..=599, report));
    let limit = Millis(0)..=EXPIRES_IN_MAX;
    let expires = table.get("expires_in").and_then(|it| scalar::time(it, limit, report));
    let trusted = table.get("trusted").and_then(|it| certificates(it, report));
    found.map(|it| External {
        status: status.map_or(it.status, |it| it.value),
        expires_in: expires.map_or(it.expires_in, |it| it.value),
        trusted,
        ..it
    })
}

fn by_default(field: &Field<'_>, report: &mut Report) -> Option<External> {
    let url = address::public_url(field, report)?;
    Some(External {
        tls: url.tls,
        host: url.host,
        port: url.port,
        path: url.path,
        status: STATUS,
        expires_in: EXPIRES_IN,
        trusted: None,
    })
}

/// Certificates in PEM; a key among them would be a secret in a file that everybody reads.
fn certificates(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let found = scalar::text(field, report)?.value;
    if found.contains("PRIVATE KEY") {
        field
            .error(report, "`trusted` holds a private key")
            .hint("give only the certificates, and take the key out of this file's history");
        return None;
    }
    if !found.contains("-----BEGIN CERTIFICATE-----") || found.len() > TRUSTED_BYTES_MAX {
        let wanted = "certificates in PEM, at most 64 KiB";
        field.wrong(report, wanted).hint("give the text between BEGIN and END CERTIFICATE, whole");
        return None;
    }
    Some(found)
}
