//! nginx as it stands in front, looked at before a deployment: nothing of it is changed.

use super::Nginx;
use model::{
    failure::{Blame, Failure},
    nginx::{Front, FrontSpec},
};
use std::collections::BTreeMap;

/// Files that are named in one sentence.
const NAMED_MAX: usize = 3;

impl Nginx {
    /// The one that stands in front, without what it is to be told.
    pub fn standing(front: &FrontSpec) -> Nginx {
        Nginx {
            directory: front.directory.clone().into(),
            program: front.program.clone(),
            front: Front {
                listen: front.listen.clone(),
                tls: None,
                challenges: None,
                answers_others: false,
                body_bytes_max: 0,
                upstreams: BTreeMap::new(),
                hosts: BTreeMap::new(),
            },
        }
    }

    /// Whether it was told of the host, by name or as one that nobody names.
    ///
    /// # Errors
    /// When our files cannot be read.
    pub fn leads(&self, host: &str) -> Result<Led, Failure> {
        let files = self.host()?.files;
        let has = |name: &str| files.contains_key(&format!("conf.d/{name}.conf"));
        Ok(match (has(host), has("_")) {
            (true, _) => Led::ByName,
            (false, true) => Led::ByNone,
            (false, false) => Led::Nowhere,
        })
    }

    /// What speaks against a deployment behind it: files that were changed by hand, a configuration
    /// that it would not take, hosts that it was not told of, and that it serves by something else.
    /// Nothing where it was never told anything: it does not stand in front yet.
    pub fn troubles(&self, hosts: &[String]) -> Vec<Failure> {
        let host = match self.host() {
            Ok(host) => host,
            Err(failure) => return vec![failure],
        };
        let Some(generation) = host.generation else { return vec![] };
        let mut all = vec![];
        if !host.edited.is_empty() {
            all.push(edited(&host.edited));
        }
        let file = |host: &String| match host.as_str() {
            "*" => "conf.d/_.conf".to_owned(),
            host => format!("conf.d/{host}.conf"),
        };
        let known = |it: &&String| {
            let path = file(it);
            host.files.contains_key(&path) || host.edited.contains(&path)
        };
        let unknown: Vec<&String> = hosts.iter().filter(|it| !known(it)).collect();
        if let Some(first) = unknown.first() {
            let message = format!("be reached as {first}: nginx was not told of it");
            all.push(
                Failure::new(Blame::Request, message)
                    .hint("`cutover nginx apply` tells it; `cutover nginx diff` shows what"),
            );
        }
        match self.test_whole() {
            Ok(true) => {}
            Ok(false) => all.push(
                Failure::new(Blame::Request, "be included: nginx reads none of our files")
                    .hint(format!("add this line to the block `http`: {}", self.include_line())),
            ),
            Err(failure) => all.push(failure.hint("mend it, then see `cutover nginx check`")),
        }
        all.extend(self.unlike(generation));
        all
    }

    /// That it does not serve by the generation that the link leads to.
    fn unlike(&self, generation: u64) -> Option<Failure> {
        let message = match self.live().map(|it| it.generation) {
            Some(live) if live == generation => return None,
            Some(live) => {
                format!("be served by generation {generation} of nginx's files: it is {live}")
            }
            None => {
                let at = self.front.listen.first().map_or("its address", String::as_str);
                format!("be reached through nginx: it does not answer at {at}")
            }
        };
        let failure = Failure::new(Blame::Platform, message);
        Some(failure.hint("see that nginx runs; then `cutover nginx apply` tells it again"))
    }
}

/// How a host comes to nginx's file for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Led {
    /// It has one of its own.
    ByName,
    /// That of all hosts that nobody names, which has no TLS.
    ByNone,
    /// There is none.
    Nowhere,
}

fn edited(paths: &[String]) -> Failure {
    let named: Vec<&str> = paths.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = match paths.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "trust nginx's files: {}{more} changed by hand, and left as they are",
        named.join(", ")
    );
    Failure::new(Blame::Request, message)
        .hint("`cutover nginx diff` shows what was changed")
        .hint("bring what is wanted of it into the configuration, then `cutover nginx apply`")
}
