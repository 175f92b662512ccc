//! The URL of a database, as applications are given it.

use std::collections::BTreeMap;

/// Its parts, decoded.  It holds a password: it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// Before `://`, without what comes after a `+`.
    pub(super) scheme: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// A name, an address, or the directory of a socket.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    /// The database's name.
    pub(super) name: String,
    /// What follows a `?`.
    pub(super) parameters: BTreeMap<String, String>,
}

impl Url {
    /// Why not goes on from "its URL": nothing of the URL is in it.
    pub(super) fn parse(text: &str) -> Result<Url, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("has no `://`")?;
        let scheme = scheme.split('+').next().unwrap_or_default().to_ascii_lowercase();
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (user, password) = match login.map(|it| it.split_once(':').unwrap_or((it, ""))) {
            Some((user, password)) => (given(user)?, given(password)?),
            None => (None, None),
        };
        let (host, port) = host_and_port(place)?;
        let pairs = query.split('&').filter(|it| !it.is_empty());
        let pair = |it: &str| {
            let (name, value) = it.split_once('=').unwrap_or((it, ""));
            Ok((decoded(name)?, decoded(value)?))
        };
        let parameters: BTreeMap<String, String> =
            pairs.map(pair).collect::<Result<_, &'static str>>()?;
        let parameter = |name: &str| parameters.get(name).cloned().filter(|it| !it.is_empty());
        let name = given(path)?.or_else(|| parameter("dbname"));
        let url = Url {
            scheme,
            user: user.or_else(|| parameter("user")),
            password: password.or_else(|| parameter("password")),
            host: given(host)?.or_else(|| parameter("host")).or_else(|| parameter("socket")),
            port: port.or_else(|| parameter("port").and_then(|it| it.parse().ok())),
            name: name.ok_or("names no database")?,
            parameters,
        };
        url.judged()
    }

    /// None of its parts may be taken for an option, or end a line of a file.
    fn judged(self) -> Result<Url, &'static str> {
        let named = [Some(&self.name), self.user.as_ref(), self.host.as_ref()];
        let words: Vec<&String> =
            named.into_iter().flatten().chain(self.parameters.values()).collect();
        if words.iter().any(|it| it.starts_with('-')) {
            return Err("has a part that begins with `-`");
        }
        let mut all = words.into_iter().chain(&self.password);
        if all.any(|it| it.chars().any(char::is_control)) {
            return Err("has a control character");
        }
        Ok(self)
    }

    /// Whether the host is the directory of a socket.
    pub(super) fn is_socket(&self) -> bool {
        self.host.as_ref().is_some_and(|it| it.starts_with('/'))
    }
}

fn host_and_port(place: &str) -> Result<(&str, Option<u16>), &'static str> {
    const PORT: &str = "has a port that is no number";
    if let Some(rest) = place.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("has an address without `]`")?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().map_err(|_| PORT)?),
            None => None,
        };
        return Ok((host, port));
    }
    match place.rsplit_once(':') {
        Some((host, "")) => Ok((host, None)),
        Some((host, port)) => Ok((host, Some(port.parse().map_err(|_| PORT)?))),
        None => Ok((place, None)),
    }
}

fn given(text: &str) -> Result<Option<String>, &'static str> {
    decoded(text).map(|it| Some(it).filter(|it| !it.is_empty()))
}

fn decoded(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "has a `%` that two hexadecimal digits do not follow";
    let mut bytes = vec![];
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let mut digit = || {
            let digit = rest.next().and_then(|it| char::from(*it).to_digit(16)).ok_or(WRONG)?;
            u8::try_from(digit).map_err(|_| WRONG)
        };
        bytes.push(digit()? << 4 | digit()?);
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_understood() {
        let url = Url::parse("postgresql+asyncpg://shop:p%40ss%2Fw:rd@db.example:5433/shop").ok();
        let url = url.expect("it is a URL");
        assert_eq!(url.scheme, "postgresql");
        assert_eq!(url.user.as_deref(), Some("shop"));
        assert_eq!(url.password.as_deref(), Some("p@ss/w:rd"));
        assert_eq!((url.host.as_deref(), url.port), (Some("db.example"), Some(5433)));
        assert_eq!(url.name, "shop");
        let url = Url::parse("postgres:///shop?host=/run/postgresql&sslmode=disable").ok();
        let url = url.expect("it is a URL");
        assert!(url.is_socket() && url.password.is_none());
        assert_eq!(url.parameters["sslmode"], "disable");
        let url = Url::parse("mysql://root@[::1]:3307/shop").expect("it is a URL");
        assert_eq!((url.host.as_deref(), url.port), (Some("::1"), Some(3307)));
    }

    #[test]
    fn what_could_be_an_option_or_a_second_line_is_refused() {
        for text in [
            "shop",
            "postgres://host/",
            "postgres://host/--version",
            "postgres://-u@host/shop",
            "postgres://host/shop%0aDROP",
            "postgres://user:a%0ab@host/shop",
            "postgres://host:port/shop",
            "postgres://host/shop?host=--x",
            "postgres://host/%zz",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
