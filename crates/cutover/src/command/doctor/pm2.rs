//! What there is in PM2 beside our instances.

use crate::session::Session;
use drivers::runtime::pm2::Beside;
use model::failure::{Blame, Failure};
use std::env;

/// Names that are shown of each.
const NAMES_SHOWN_MAX: usize = 8;

/// Each PM2 that runs, or ran, an instance of ours.
///
/// # Errors
///
/// Where this program does not know its own path.
pub fn look(session: &Session) -> Result<Vec<Beside>, Failure> {
    let program = env::current_exe()
        .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
    Ok(drivers::local(session.root.clone(), program).pm2.beside())
}

/// A line for each thing that is worth knowing.
pub fn lines(found: &[Beside]) -> Vec<String> {
    let mut lines = vec![];
    for it in found {
        let mut say = |what: String| lines.push(format!("PM2 in {}: {what}", it.home.display()));
        if !it.answers {
            say("its daemon does not answer".to_owned());
            continue;
        }
        if it.as_root {
            say("it runs as root, and so does what runs in it without a `user`".to_owned());
        }
        if !it.foreign.is_empty() {
            let shown: Vec<&str> =
                it.foreign.iter().take(NAMES_SHOWN_MAX).map(String::as_str).collect();
            let more = match it.foreign.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            say(format!("{}{more}: not ours, and never touched", shown.join(", ")));
        }
        if it.has_page {
            say("`pm2 web` shows all its processes to whoever reaches port 9615".to_owned());
        }
        for path in &it.large_logs {
            say(format!("{} is large, and PM2 rotates nothing by itself", path.display()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beside_ours_is_told() {
        let quiet = Beside {
            home: "/p".into(),
            answers: true,
            as_root: false,
            foreign: vec![],
            has_page: false,
            large_logs: vec![],
        };
        assert!(lines(std::slice::from_ref(&quiet)).is_empty());
        let loud = Beside {
            as_root: true,
            foreign: vec!["api".to_owned(), "pm2-http-interface".to_owned()],
            has_page: true,
            large_logs: vec!["/p/logs/api.log".into()],
            ..quiet.clone()
        };
        let text = lines(&[loud]).join("\n");
        for wanted in ["as root", "api, pm2-http-interface: not ours", "9615", "/p/logs/api.log"] {
            assert!(text.contains(wanted), "{text}");
        }
        let silent = Beside { answers: false, ..quiet };
        assert_eq!(lines(&[silent]), ["PM2 in /p: its daemon does not answer"]);
    }
}
