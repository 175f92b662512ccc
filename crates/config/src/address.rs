//! Names and addresses of the outside: hosts, path prefixes, listening addresses, repositories.

use crate::{
    report::{Field, Placed, Report},
    scalar,
};
use model::release::holds_password;
use std::net::{IpAddr, SocketAddr};

/// A host name in lower case, or `*`.
pub(crate) fn domain(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let host = found.value.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    if host == "*" || is_host(host) {
        return Some(found.with(host.to_owned()));
    }
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
    let bare = bare.split(['/', ':']).next().unwrap_or_default();
    let message = format!("`{}` is not a host name", found.value);
    let reported = field.error(report, message);
    if !host.is_ascii() {
        reported.hint("write it in its ASCII form, which begins with `xn--`");
    } else if host.starts_with("*.") {
        reported.hint("name each host, or give `*` for every host that nobody else names");
    } else if bare != host && is_host(bare) {
        reported.hint(format!("write only the name: `{bare}`"));
    } else {
        reported.hint("a host name is letters, digits, `-` and dots: `shop.example`");
    }
    None
}

/// A host name, or `*.` and the rest of one: the key of a certificate.
pub(crate) fn certificate_host(
    key: &str,
    field: &Field<'_>,
    report: &mut Report,
) -> Option<Placed<String>> {
    let host = key.to_ascii_lowercase();
    if is_host(host.strip_prefix("*.").unwrap_or(&host)) {
        return Some(field.placed(host));
    }
    let message = format!("`{}` is not a host name", key.escape_debug());
    field.error(report, message).hint("write `shop.example`, or `\"*.shop.example\"`");
    None
}

fn is_host(text: &str) -> bool {
    let label = |it: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&it.len())
            && it.bytes().all(inner)
            && !it.starts_with('-')
            && !it.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// A path prefix without its trailing slash.
pub(crate) fn route(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = request_path(field, report)?;
    let text = found.value.as_str();
    if text.contains(['?', '#']) {
        field.error(report, format!("`{text}` holds a `?` or `#`: a route is a path only"));
        return None;
    }
    if text.contains('*') {
        field
            .error(report, format!("`{text}` holds a `*`"))
            .hint("a route covers all paths below it: leave the `*` out");
        return None;
    }
    if text.split('/').any(|it| it == "." || it == "..") || text.contains("//") {
        field.error(report, format!("`{text}` holds an empty, `.` or `..` segment"));
        return None;
    }
    let trimmed = if text == "/" { text } else { text.trim_end_matches('/') };
    Some(found.with(trimmed.to_owned()))
}

/// What a client asks for, in its parts.
pub(crate) struct PublicUrl {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// `https://shop.example/path`, with or without a port; nobody's name and password in it.
pub(crate) fn public_url(field: &Field<'_>, report: &mut Report) -> Option<PublicUrl> {
    let text = scalar::word(field, report)?.value;
    let rest = [("https://", true), ("http://", false)]
        .into_iter()
        .find_map(|(scheme, tls)| Some((text.strip_prefix(scheme)?, tls)));
    let Some((rest, tls)) = rest else {
        field
            .wrong(report, "an address that begins with `https://` or `http://`")
            .hint(format!("write `https://{}`", text.trim_start_matches('/')));
        return None;
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|it| *it != 0)),
        None => (authority, Some(if tls { 443 } else { 80 })),
    };
    let host = host.to_ascii_lowercase();
    let (Some(port), true) = (port, is_host(&host)) else {
        field
            .error(report, format!("`{authority}` is not a host name, with or without a port"))
            .hint("write it as clients do: `https://shop.example/`");
        return None;
    };
    if path.contains('#') || !path.bytes().all(|it| it.is_ascii_graphic()) {
        field.error(report, format!("`{path}` holds what no request's path has"));
        return None;
    }
    Some(PublicUrl { tls, host, port, path: path.to_owned() })
}

/// The path of a request: led by `/`, visible ASCII.
pub(crate) fn request_path(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let text = found.value.as_str();
    if !text.starts_with('/') {
        let bare = text.split_once("://").and_then(|(_, it)| it.split_once('/'));
        let path = bare.map_or(text, |(_, it)| it);
        field
            .error(report, format!("`{text}` must begin with `/`"))
            .hint(format!("write `/{path}`"));
        return None;
    }
    if !text.bytes().all(|it| it.is_ascii_graphic()) {
        field
            .error(report, format!("`{text}` holds a space or another character that no URL has"))
            .hint("escape it as `%20` and the like");
        return None;
    }
    Some(found)
}

/// An address and port to listen at.  Port 0 lets the system choose.
pub(crate) fn listen(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    if found.value.parse::<SocketAddr>().is_ok() {
        return Some(found);
    }
    let text = &found.value;
    let reported = field.error(report, format!("`{text}` is not an address and port to listen at"));
    let port = text.rsplit(':').next().unwrap_or_default();
    match port.parse::<u16>() {
        Ok(port) if text.starts_with("localhost") => {
            reported.hint(format!("write `127.0.0.1:{port}`"));
        }
        Ok(port) => reported.hint(format!("write `0.0.0.0:{port}` or `127.0.0.1:{port}`")),
        Err(_) => reported.hint("write it as `127.0.0.1:8080` or `[::]:80`"),
    }
    None
}

/// An address, or a range of them: `10.0.0.0/8`.
pub(crate) fn peers(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let (address, bits) = match found.value.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (found.value.as_str(), None),
    };
    let most = address.parse::<IpAddr>().ok().map(|it| if it.is_ipv4() { 32 } else { 128 });
    let bits = bits.map_or(Some(0), |it| it.parse::<u8>().ok());
    match (most, bits) {
        (Some(most), Some(bits)) if bits <= most => Some(found),
        _ => {
            let message = format!("`{}` is not an address or a range of them", found.value);
            field.error(report, message).hint("write it as `127.0.0.1` or `10.0.0.0/8`");
            None
        }
    }
}

/// A repository as `git` takes it, without the forms in which a URL names a program to run.
pub(crate) fn repository(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let text = found.value.as_str();
    // Before all that shows the text.
    if holds_password(text) {
        report.hide(field.node.place);
        field
            .error(report, "the repository's url holds a password or a token")
            .hint("use an SSH key or git's credential helper: other users can see a url");
        return None;
    }
    if text.starts_with('-') {
        field.error(report, format!("`{text}` would be taken for an option: it begins with `-`"));
        return None;
    }
    let known = ["https", "http", "ssh", "git", "file", "git+ssh"];
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let helper = rest.split('/').next().is_some_and(|it| it.contains("::") && !it.contains('['));
    if helper || !(scheme.is_empty() || known.contains(&scheme)) {
        field
            .error(report, format!("`{text}` is not a repository that is fetched from"))
            .hint("use https://…, ssh://…, user@host:path, or a path");
        return None;
    }
    // ssh takes a host that begins with `-` for an option.
    let host = rest.rsplit_once('@').map_or(rest, |(_, it)| it);
    if host.starts_with('-') || text.chars().any(char::is_control) {
        field.error(report, format!("`{}` is not a repository", text.escape_debug()));
        return None;
    }
    Some(found)
}

/// A branch, tag or commit.
pub(crate) fn reference(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let text = found.value.as_str();
    let odd = |it: char| it.is_control() || it.is_whitespace() || "~^:?*[\\".contains(it);
    if text.starts_with('-') {
        field.error(report, format!("`{text}` would be taken for an option: it begins with `-`"));
        return None;
    }
    if text.contains(odd) || text.contains("..") || text.contains("@{") {
        field
            .error(report, format!("`{}` is not a branch, tag or commit", text.escape_debug()))
            .hint("name it as `git branch` or `git tag` shows it");
        return None;
    }
    Some(found)
}

/// The name of a user of this machine, or a numeric id.
pub(crate) fn user(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let bytes = found.value.as_bytes();
    let inner = |it: &u8| it.is_ascii_alphanumeric() || b"_-.".contains(it);
    let fits = bytes.len() <= 32 && bytes.iter().all(inner) && bytes.first() != Some(&b'-');
    if !fits {
        let message = format!("`{}` is not the name of a user", found.value.escape_debug());
        field.error(report, message);
        return None;
    }
    Some(found)
}
