//! Host names as the route table knows them.

use std::borrow::Cow;

/// The host of `authority`, lower case, without port and trailing dot; `None` if it is not one.
pub fn normalise(authority: &str) -> Option<Cow<'_, str>> {
    let (host, port) = split_port(authority)?;
    if let Some(port) = port
        && (port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return None;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || !host.bytes().all(is_host_byte) {
        return None;
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(Cow::Owned(host.to_ascii_lowercase()));
    }
    Some(Cow::Borrowed(host))
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let end = rest.find(']')?;
        let host = &authority[..end + 2];
        let inside = &rest[..end];
        if inside.is_empty() || !inside.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
        {
            return None;
        }
        return match &authority[end + 2..] {
            "" => Some((host, None)),
            after => after.strip_prefix(':').map(|port| (host, Some(port))),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=[]:".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn hosts_are_compared_in_one_form() {
        for (given, expected) in [
            ("example.test", Some("example.test")),
            ("Example.TEST", Some("example.test")),
            ("example.test.", Some("example.test")),
            ("example.test:8080", Some("example.test")),
            ("example.test.:8080", Some("example.test")),
            ("example.test:", Some("example.test")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("[::1]x", None),
            ("[]", None),
            ("", None),
            (".", None),
            (":80", None),
            ("a:b", None),
            ("a:999999", None),
            ("a b", None),
            ("a/b", None),
            ("user@a", None),
            ("a:80:80", None),
        ] {
            assert_eq!(normalise(given).as_deref(), expected, "{given:?}");
        }
    }
}
