//! Which fields concern one hop only, and what they say about the message.

use super::{Framing, Version};

/// More `Connection` fields than this are refused.
const CONNECTION_FIELDS_MAX: usize = 4;

/// Fields that the proxy treats itself.  All others pass as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `Host`
    Host,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Connection`
    Connection,
    /// `Upgrade`
    Upgrade,
    /// `Expect`
    Expect,
    /// `Keep-Alive`
    KeepAlive,
    /// `X-Cutover-Verify`: between the controller and us.
    Verify,
    /// Others that concern one hop.
    Hop,
    /// What a proxy says of the client; the client's own word is not passed on.
    Forwarded,
    /// Passed on.
    EndToEnd,
}

/// What `name` is to a proxy.
pub fn classify(name: &str) -> Field {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 if is("te") => Field::Hop,
        4 if is("host") => Field::Host,
        6 if is("expect") => Field::Expect,
        7 if is("upgrade") => Field::Upgrade,
        9 if is("forwarded") => Field::Forwarded,
        9 if is("x-real-ip") => Field::Forwarded,
        10 if is("connection") => Field::Connection,
        10 if is("keep-alive") => Field::KeepAlive,
        14 if is("content-length") => Field::ContentLength,
        14 if is("http2-settings") => Field::Hop,
        16 if is("proxy-connection") => Field::Hop,
        16 if is("x-cutover-verify") => Field::Verify,
        17 if is("transfer-encoding") => Field::TransferEncoding,
        19 if is("proxy-authorization") => Field::Hop,
        12.. if name.as_bytes()[..12].eq_ignore_ascii_case(b"x-forwarded-") => Field::Forwarded,
        _ => Field::EndToEnd,
    }
}

/// The length and connection fields contradict each other or themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// What the fields of one head say about the connection and the body.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// The one `Content-Length`.
    pub length: Option<u64>,
    /// `Transfer-Encoding: chunked`.
    pub chunked: bool,
    /// `Connection: close`.
    pub close: bool,
    /// `Connection: keep-alive`.
    pub keep_alive: bool,
    /// The protocols of `Upgrade`, if `Connection` names it too.
    pub upgrade: Option<&'a str>,
    /// `Expect: 100-continue`.
    pub expects_continue: bool,
    /// Seconds of `Keep-Alive: timeout=`.
    pub idle_timeout_s: Option<u64>,
    connection: [&'a str; CONNECTION_FIELDS_MAX],
    connection_count: usize,
    names_others: bool,
}

impl<'a> Facts<'a> {
    /// Reads all fields.  A repeated equal `Content-Length` is refused as a differing one is.
    pub fn gather(fields: &[httparse::Header<'a>], version: Version) -> Result<Self, Ambiguous> {
        let mut facts = Facts::default();
        let mut upgrade = None;
        let mut names_upgrade = false;
        for field in fields {
            match classify(field.name) {
                Field::ContentLength => facts.take_length(field.value)?,
                Field::TransferEncoding => {
                    let exact = field.value.eq_ignore_ascii_case(b"chunked");
                    if facts.chunked || !exact || version == Version::Http10 {
                        return Err(Ambiguous);
                    }
                    facts.chunked = true;
                }
                Field::Connection => names_upgrade |= facts.take_connection(field.value)?,
                Field::Upgrade => upgrade = std::str::from_utf8(field.value).ok(),
                Field::Expect => {
                    facts.expects_continue = field.value.eq_ignore_ascii_case(b"100-continue");
                }
                Field::KeepAlive => facts.idle_timeout_s = idle_timeout_s(field.value),
                _ => {}
            }
        }
        if facts.chunked && facts.length.is_some() {
            return Err(Ambiguous);
        }
        // A client that may speak HTTP/2 over clear text must not do so through us unseen.
        let is_h2c = |text: &str| text.to_ascii_lowercase().contains("h2c");
        facts.upgrade = upgrade.filter(|text| names_upgrade && !is_h2c(text));
        Ok(facts)
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), Ambiguous> {
        if self.length.is_some() {
            return Err(Ambiguous);
        }
        let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).map_err(|_| Ambiguous)?;
        match text.parse() {
            Ok(length) if digits => self.length = Some(length),
            _ => return Err(Ambiguous),
        }
        Ok(())
    }

    /// Whether it names `upgrade`.
    fn take_connection(&mut self, value: &'a [u8]) -> Result<bool, Ambiguous> {
        let text = std::str::from_utf8(value).map_err(|_| Ambiguous)?;
        let slot = self.connection.get_mut(self.connection_count).ok_or(Ambiguous)?;
        *slot = text;
        self.connection_count += 1;
        let mut names_upgrade = false;
        for token in text.split(',').map(str::trim) {
            if token.eq_ignore_ascii_case("close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case("keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case("upgrade") {
                names_upgrade = true;
            } else {
                self.names_others = true;
            }
        }
        Ok(names_upgrade)
    }

    /// Whether a `Connection` field names `name` as one for this hop.
    pub fn is_named(&self, name: &str) -> bool {
        self.names_others
            && self.connection[..self.connection_count]
                .iter()
                .flat_map(|text| text.split(','))
                .any(|token| token.trim().eq_ignore_ascii_case(name))
    }

    /// Whether the connection outlives the message, as far as the fields say.
    pub fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    /// The body's framing where nothing but the fields decides.
    pub fn framing(&self) -> Option<Framing> {
        match (self.chunked, self.length) {
            (true, _) => Some(Framing::Chunked),
            (false, Some(length)) => Some(Framing::Length(length)),
            (false, None) => None,
        }
    }
}

fn idle_timeout_s(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse().ok())
}
