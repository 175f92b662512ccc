//! Tells the proxy what it does of itself for an environment's hosts.

use super::{EmbeddedRouter, ask::ANSWER_WAIT};
use crate::{acme, file};
use model::{
    edge::{AccessLog, Edge},
    failure::{Blame, Failure},
    name::EnvironmentId,
};
use proxy::{
    access::Format,
    certificate,
    challenge::{acme_directory, issued_path},
    control::{Answer, Ask, CertificateStatus},
    edge::{CertificateFiles, EdgeFile, FORMAT, edge_directory, edge_path, edge_text},
    rate::Rate,
};
use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

impl EmbeddedRouter {
    /// The file is what counts: a proxy that starts later reads it.
    pub(super) fn edge_now(
        &self,
        environment: &EnvironmentId,
        edge: Option<&Edge>,
    ) -> Result<Vec<String>, Failure> {
        let root = self.layout().root();
        let path = edge_path(root, &environment.stem());
        acme::want(root, environment, edge.and_then(|it| it.acme.as_ref()))
            .map_err(|it| file::failure("write below", &acme_directory(root), &it))?;
        match edge {
            None if !path.exists() => return Ok(vec![]),
            None => file::remove(&path).map_err(|it| file::failure("remove", &path, &it))?,
            Some(edge) => {
                let wrong =
                    |why| Failure::new(Blame::Request, format!("serve {environment}: {why}"));
                let text = edge_text(&translated(edge, root)).map_err(wrong)?;
                let mode = file::MODE_PRIVATE_DIRECTORY;
                file::make_directory(&self.layout().proxy(), mode)
                    .and_then(|()| file::make_directory(&edge_directory(root), mode))
                    .and_then(|()| file::write(&path, &text, file::MODE_PRIVATE))
                    .map_err(|it| file::failure("write", &path, &it))?;
            }
        }
        let told = self.certificates_now()?;
        let own = told.into_iter().filter(|it| it.environment == environment.stem());
        Ok(own.filter_map(|it| Some(format!("{}: {}", it.host, it.trouble?))).collect())
    }

    /// Has all certificates read anew; what is presented.
    pub(super) fn certificates_now(&self) -> Result<Vec<CertificateStatus>, Failure> {
        let failed = |why: String| {
            Failure::new(Blame::Platform, format!("have the proxy read its certificates: {why}"))
        };
        match proxy::client::ask(self.layout().root(), &Ask::Edges, ANSWER_WAIT) {
            Ok(Answer::Edges { certificates, .. }) => Ok(certificates),
            Ok(Answer::Refused { message, .. }) => {
                // It may be of an earlier build, and must not hold up a deployment.
                tracing::warn!(message, "the proxy reads its certificates when it starts again");
                Ok(vec![])
            }
            Ok(_) => Err(failed("it gave another answer".to_owned())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

fn translated(edge: &Edge, root: &Path) -> EdgeFile {
    let own = edge.certificates.iter().map(|(host, it)| (host.clone(), files(it)));
    let issued = edge.acme.iter().flat_map(|it| &it.hosts).map(|host| {
        let both = issued_path(root, host);
        (host.clone(), CertificateFiles { certificate: both.clone(), key: both })
    });
    EdgeFile {
        format: FORMAT,
        certificates: issued.chain(own).collect(),
        redirect: edge.redirect,
        hsts_s: edge.hsts_s,
        protects: edge.protects,
        rate: edge.rate.map(|it| Rate { per_second: it.per_second, burst: it.burst }),
        access_log: edge.access_log.map(|it| match it {
            AccessLog::Text => Format::Text,
            AccessLog::Json => Format::Json,
        }),
    }
}

fn files(given: &model::edge::CertificateFiles) -> CertificateFiles {
    CertificateFiles {
        certificate: PathBuf::from(&given.certificate),
        key: PathBuf::from(&given.key),
    }
}

/// Why certificates cannot be presented, each with its host.
pub(super) fn trouble(edge: &Edge) -> Vec<String> {
    let looked = looked_at(edge).into_iter();
    looked.filter_map(|(host, it)| Some(format!("{host}: {}", it.err()?))).collect()
}

/// Looks at each certificate as it lies on disk.
pub fn looked_at(edge: &Edge) -> Vec<(String, Result<certificate::Facts, String>)> {
    let all = edge.certificates.iter();
    all.map(|(host, it)| (host.clone(), looked_at_one(&files(it), host))).collect()
}

/// Looks at one as it lies on disk.
///
/// # Errors
///
/// In words, when it cannot be presented.
pub fn looked_at_one(files: &CertificateFiles, host: &str) -> Result<certificate::Facts, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    certificate::look(files, host, now_s).map_err(|trouble| trouble.to_string())
}
