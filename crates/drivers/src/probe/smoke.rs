//! Requests that a candidate must answer before it gets traffic.

use super::{
    LocalProber,
    health::{other_status, unheard},
    http::{Question, Response},
};
use crate::runtime::process::placeholders_filled;
use model::{
    failure::{Blame, Failure},
    instance::Instance,
    release::Release,
    service::SmokeTest,
};
use serde_json::Value;
use std::time::Duration;

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(10);

impl LocalProber {
    pub(super) async fn all_smoke_tests(
        &self,
        instance: &Instance,
        release: &Release,
        tests: &[SmokeTest],
    ) -> Result<(), Failure> {
        let fill = |text: &str| placeholders_filled(text, instance, release);
        for test in tests {
            let question = Question {
                method: test.method.clone(),
                address: self.own_address(instance).await?,
                host: None,
                path: fill(&test.path),
                verify: None,
                timeout: TIMEOUT,
            };
            let judged = match question.ask().await {
                Ok(response) => judged(&question, &response, test, fill),
                Err(silence) => Err(unheard(&question, &silence)),
            };
            if let Err(failure) = judged {
                return Err(self.explained(instance, failure).await);
            }
        }
        Ok(())
    }
}

fn judged(
    question: &Question,
    response: &Response,
    test: &SmokeTest,
    fill: impl Fn(&str) -> String,
) -> Result<(), Failure> {
    if response.status != test.status {
        return Err(other_status(question, response, test.status));
    }
    let refused = |what: String| {
        Failure::new(Blame::Release, format!("try {question}: {what}"))
            .evidence(format!("{question}\n{}", response.shown()))
    };
    let body = String::from_utf8_lossy(&response.body);
    if let Some(text) = test.contains.as_deref().map(&fill)
        && !body.contains(&text)
    {
        return Err(refused(format!("its body does not contain `{text}`")));
    }
    if test.json.is_empty() {
        return Ok(());
    }
    let document: Value = serde_json::from_str(&body)
        .map_err(|error| refused(format!("its body is not JSON: {error}")))?;
    for (path, wanted) in &test.json {
        let wanted = match wanted {
            Value::String(text) => Value::String(fill(text)),
            other => other.clone(),
        };
        let found = field(&document, path)
            .ok_or_else(|| refused(format!("there is no `{path}`, which must be {wanted}")))?;
        if *found != wanted {
            return Err(refused(format!("`{path}` is {found} instead of {wanted}")));
        }
    }
    Ok(())
}

/// By a path of names, and of numbers in lists, joined by dots.
fn field<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(document, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => value.get(part),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn test(json: &[(&str, Value)], contains: Option<&str>) -> SmokeTest {
        SmokeTest {
            method: "GET".to_owned(),
            path: "/api".to_owned(),
            status: 200,
            contains: contains.map(str::to_owned),
            json: json.iter().map(|(it, value)| ((*it).to_owned(), value.clone())).collect(),
        }
    }

    fn verdict(body: &str, test: &SmokeTest) -> Result<(), String> {
        let question = Question::get("127.0.0.1:1", "/api", TIMEOUT);
        let body = body.as_bytes().to_vec();
        let response = Response { status: 200, headers: vec![], body, elapsed: Duration::ZERO };
        let fill = |text: &str| text.replace("{version}", "1.2.0");
        judged(&question, &response, test, fill).map_err(|failure| failure.message)
    }

    #[test]
    fn json_fields_are_compared_with_placeholders_filled() {
        let body = json!({ "version": "1.2.0", "checks": [{ "ok": true }] }).to_string();
        let good = [("version", json!("{version}")), ("checks.0.ok", json!(true))];
        assert_eq!(verdict(&body, &test(&good, Some("checks"))), Ok(()));
        let wrong = verdict(&body, &test(&[("version", json!("1.1.0"))], None)).unwrap_err();
        assert!(wrong.ends_with("`version` is \"1.2.0\" instead of \"1.1.0\""), "{wrong}");
        let missing = verdict(&body, &test(&[("checks.1.ok", json!(true))], None)).unwrap_err();
        assert!(missing.contains("there is no `checks.1.ok`"), "{missing}");
        assert!(verdict("<html>", &test(&good, None)).unwrap_err().contains("not JSON"));
        assert!(verdict(&body, &test(&[], Some("{version}?"))).is_err());
        assert_eq!(verdict("<html>", &test(&[], None)), Ok(()));
    }
}
