//! Sequences of requests: what one captures, the later ones use.

use super::{
    LocalProber,
    fill::Filler,
    health::{other_status, unheard},
    http::{Question, Response},
};
use model::{
    failure::{Blame, Failure},
    instance::Instance,
    release::Release,
    service::{Body, Capture, SmokeTest},
};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Of a captured value.
const CAPTURE_BYTES_MAX: usize = 64 * 1024;
/// Characters of a request's body that are shown.
const BODY_CHARACTERS_SHOWN: usize = 300;

/// Where requests of a sequence go.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// `127.0.0.1:20001`.
    pub(super) address: String,
    /// Sent as `Host`; none: the address.
    pub(super) host: Option<String>,
    /// Sent to the proxy, which counts such a request apart.
    pub(super) verify: Option<String>,
}

impl LocalProber {
    pub(super) async fn all_smoke_tests(
        &self,
        instance: &Instance,
        release: &Release,
        tests: &[SmokeTest],
    ) -> Result<(), Failure> {
        let address = self.own_address(instance).await?;
        let way = Way { address, host: None, verify: None };
        self.sequence(instance, release, &way, tests).await
    }

    /// Sends them in order.  No value that was filled in is in the failure.
    pub(super) async fn sequence(
        &self,
        instance: &Instance,
        release: &Release,
        way: &Way,
        tests: &[SmokeTest],
    ) -> Result<(), Failure> {
        let mut filler = Filler::new(self.layout(), instance, release)?;
        for (index, test) in tests.iter().enumerate() {
            if let Err(failure) = one(&mut filler, way, test).await {
                let failure = self.explained(instance, failure).await;
                let failure = match tests.len() {
                    1 => failure,
                    all => Failure {
                        message: format!("{} (request {} of {all})", failure.message, index + 1),
                        ..failure
                    },
                };
                return Err(filler.hidden(failure));
            }
        }
        Ok(())
    }
}

async fn one(filler: &mut Filler<'_>, way: &Way, test: &SmokeTest) -> Result<(), Failure> {
    let question = question(filler, way, test).map_err(|what| {
        let message = format!("send {} {}: {what}", test.method, test.path);
        Failure::new(Blame::Request, message).hint("set it in `env` or in an env file")
    })?;
    let sent = sent(test);
    let response = match question.ask().await {
        Ok(response) => response,
        Err(silence) => return Err(unheard(&question, &silence).evidence(sent)),
    };
    judged(&question, &response, test, filler).map_err(|failure| failure.evidence(sent))
}

/// The request as it is sent.
fn question(filler: &mut Filler<'_>, way: &Way, test: &SmokeTest) -> Result<Question, String> {
    let mut headers = vec![];
    for (name, value) in &test.headers {
        headers.push((name.clone(), filler.text(value)?));
    }
    let (kind, body) = match &test.body {
        None => (None, String::new()),
        Some(Body::Text(text)) => (Some("text/plain; charset=utf-8"), filler.text(text)?),
        Some(Body::Json(value)) => (Some("application/json"), filler.json(value)?.to_string()),
        Some(Body::Form(fields)) => {
            (Some("application/x-www-form-urlencoded"), filler.form(fields)?)
        }
    };
    if let Some(kind) = kind
        && !headers.iter().any(|(it, _)| it == "content-type")
    {
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    let host = test.headers.get("host").map(|it| filler.text(it)).transpose()?;
    Ok(Question {
        scheme: "http",
        method: test.method.clone(),
        address: way.address.clone(),
        host: way.host.clone().or(host),
        path: filler.url(&test.path)?,
        headers,
        body: body.into_bytes(),
        shown: Some(test.path.clone()),
        verify: way.verify.clone(),
        timeout: test.timeout.duration(),
    })
}

/// What was sent, as it was configured: without what was filled in.
fn sent(test: &SmokeTest) -> String {
    let mut text = format!("sent {} {}", test.method, test.path);
    for (name, value) in &test.headers {
        text.push_str(&format!("\n{name}: {value}"));
    }
    let body = match &test.body {
        None => return text,
        Some(Body::Text(body)) => body.clone(),
        Some(Body::Json(body)) => body.to_string(),
        Some(Body::Form(fields)) => {
            let fields: Vec<String> = fields.iter().map(|(k, it)| format!("{k}={it}")).collect();
            fields.join("&")
        }
    };
    let body: String = body.chars().take(BODY_CHARACTERS_SHOWN).collect();
    format!("{text}\n| {body}")
}

fn judged(
    question: &Question,
    response: &Response,
    test: &SmokeTest,
    filler: &mut Filler<'_>,
) -> Result<(), Failure> {
    if response.status != test.status {
        return Err(other_status(question, response, test.status));
    }
    let refused = |what: String| {
        Failure::new(Blame::Release, format!("try {question}: {what}"))
            .evidence(format!("{question}\n{}", response.shown()))
    };
    for (name, wanted) in &test.expect_headers {
        let wanted = filler.text(wanted).map_err(&refused)?;
        match response.header(name) {
            Some(found) if found == wanted => {}
            Some(found) => {
                return Err(refused(format!("`{name}` is `{found}` instead of `{wanted}`")));
            }
            None => return Err(refused(format!("there is no `{name}`, wanted: `{wanted}`"))),
        }
    }
    let body = String::from_utf8_lossy(&response.body);
    if let Some(text) = &test.contains {
        let text = filler.text(text).map_err(&refused)?;
        if !body.contains(&text) {
            return Err(refused(format!("its body does not contain `{text}`")));
        }
    }
    if let Some(text) = &test.matches
        && !pattern(text)?.is_match(&body)
    {
        return Err(refused(format!("its body does not match `{text}`")));
    }
    let of_json = |it: &Capture| matches!(it, Capture::Json(_));
    let document = if test.json.is_empty() && !test.capture.values().any(of_json) {
        Value::Null
    } else {
        serde_json::from_str(&body)
            .map_err(|error| refused(format!("its body is not JSON: {error}")))?
    };
    for (path, wanted) in &test.json {
        let wanted = filler.json(wanted).map_err(&refused)?;
        let found = field(&document, path)
            .ok_or_else(|| refused(format!("there is no `{path}`, which must be {wanted}")))?;
        if *found != wanted {
            return Err(refused(format!("`{path}` is {found} instead of {wanted}")));
        }
    }
    for (name, capture) in &test.capture {
        let value = captured(response, &document, capture)
            .map_err(|what| refused(format!("there is nothing to capture as `{name}`: {what}")))?;
        filler.capture(name, value);
    }
    Ok(())
}

fn captured(response: &Response, document: &Value, capture: &Capture) -> Result<String, String> {
    let found = match capture {
        Capture::Json(path) => match field(document, path) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            Some(_) => return Err(format!("`{path}` is neither text nor number")),
            None => return Err(format!("no field `{path}`")),
        },
        Capture::Header(name) => {
            response.header(name).ok_or_else(|| format!("no header `{name}`"))?.to_owned()
        }
        Capture::Cookie(name) => {
            cookie(response, name).ok_or_else(|| format!("no cookie `{name}`"))?.to_owned()
        }
    };
    if found.len() > CAPTURE_BYTES_MAX {
        return Err(format!("it is longer than {CAPTURE_BYTES_MAX} bytes"));
    }
    Ok(found)
}

fn cookie<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let set = response.headers.iter().filter(|(it, _)| it == "set-cookie");
    set.filter_map(|(_, value)| value.split(';').next()?.split_once('='))
        .find(|(it, _)| it.trim() == name)
        .map(|(_, value)| value.trim())
}

/// A regular expression whose time is linear in the text.
pub(super) fn pattern(text: &str) -> Result<Regex, Failure> {
    RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| {
        Failure::new(Blame::Request, format!("understand the pattern `{text}`: {error}"))
    })
}

/// By a path of names, and of numbers in lists, joined by dots.
pub(super) fn field<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(document, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => value.get(part),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn values_are_found_where_they_are_said_to_be() {
        let document = json!({ "data": [{ "token": "t1", "n": 3, "deep": {} }] });
        let headers = [
            ("location", "/orders/7"),
            ("set-cookie", "other=1; Path=/"),
            ("set-cookie", "session=abc=; HttpOnly"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let response = Response { status: 200, headers, body: vec![], elapsed: Duration::ZERO };
        let found = |capture: &Capture| captured(&response, &document, capture);
        let json = |path: &str| found(&Capture::Json(path.to_owned()));
        assert_eq!(json("data.0.token"), Ok("t1".to_owned()));
        assert_eq!(json("data.0.n"), Ok("3".to_owned()));
        assert!(json("data.0.deep").unwrap_err().contains("neither text nor number"));
        assert!(json("data.1.token").unwrap_err().contains("no field `data.1.token`"));
        assert_eq!(found(&Capture::Header("location".to_owned())), Ok("/orders/7".to_owned()));
        assert_eq!(found(&Capture::Cookie("session".to_owned())), Ok("abc=".to_owned()));
        assert!(found(&Capture::Cookie("sess".to_owned())).unwrap_err().contains("no cookie"));
    }

    #[test]
    fn a_pattern_that_is_too_big_is_refused() {
        assert!(pattern("a{1000}{1000}").unwrap_err().message.contains("understand the pattern"));
        assert!(pattern("build [0-9a-f]{7}").unwrap().is_match("build 0123abc"));
    }
}
