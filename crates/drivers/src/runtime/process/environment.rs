//! What an instance is told: its command, its variables, its directory.

use super::ProcessRuntime;
use crate::{account, host, layout::Layout};
use model::{
    failure::{Blame, Failure},
    instance::Instance,
    release::Release,
    service::ServiceSpec,
};
use std::{collections::BTreeMap, path::PathBuf};

/// Where instances listen.
pub(crate) const HOST: &str = "127.0.0.1";

/// The instance's service, as its release has it.
pub(crate) fn service_of<'a>(
    instance: &Instance,
    release: &'a Release,
) -> Result<&'a ServiceSpec, Failure> {
    release.spec.services.iter().find(|it| it.name == instance.service).ok_or_else(|| {
        let message = format!(
            "find service {} in release {} of {}",
            instance.service, release.version, instance.environment
        );
        Failure::new(Blame::Us, message)
    })
}

/// `text` with `{version} {commit} {port} {release} {environment}` filled in.
///
/// `{port}` is all that PORT is: also the path of a socket.
pub(crate) fn placeholders_filled(
    layout: &Layout,
    text: &str,
    instance: &Instance,
    release: &Release,
) -> String {
    let port = place(layout, instance).unwrap_or_default();
    let values = [
        ("{version}", release.version.as_str()),
        ("{commit}", release.artifact.commit.as_deref().unwrap_or_default()),
        ("{port}", port.as_str()),
        ("{release}", release.id.0.as_str()),
        ("{environment}", instance.environment.environment.as_str()),
    ];
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    // One pass: what is filled in is never looked at again.
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        rest = &rest[open..];
        match values.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                filled.push_str(value);
                rest = &rest[name.len()..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// What PORT says: a port, or the path of a socket; none: it listens nowhere.
fn place(layout: &Layout, instance: &Instance) -> Option<String> {
    let socket = || layout.socket(&instance.id).display().to_string();
    instance.port.map(|it| it.to_string()).or_else(|| instance.socket.then(socket))
}

/// All of an instance's variables but those that its `supervise` adds.
pub(crate) fn variables(
    layout: &Layout,
    instance: &Instance,
    release: &Release,
) -> Result<BTreeMap<String, String>, Failure> {
    let service = service_of(instance, release)?;
    let home = match &service.user {
        Some(user) => account::account(user)?.home,
        None => account::own_home(),
    };
    let deployed_at = i64::try_from(release.created_at_ms)
        .ok()
        .and_then(|it| jiff::Timestamp::from_millisecond(it).ok())
        .map(|it| it.to_string())
        .unwrap_or_default();
    let injected = [
        ("PATH", host::PATH.to_owned()),
        ("LANG", host::LANG.to_owned()),
        ("HOME", home.to_string_lossy().into_owned()),
        ("HOST", HOST.to_owned()),
        ("PORT", place(layout, instance).unwrap_or_default()),
        ("CUTOVER_PROJECT", instance.environment.project.to_string()),
        ("CUTOVER_ENVIRONMENT", instance.environment.environment.to_string()),
        ("CUTOVER_SERVICE", instance.service.to_string()),
        ("CUTOVER_INSTANCE", instance.id.to_string()),
        ("CUTOVER_RELEASE", release.id.to_string()),
        ("CUTOVER_VERSION", release.version.clone()),
        ("CUTOVER_COMMIT", release.artifact.commit.clone().unwrap_or_default()),
        ("CUTOVER_SLOT", instance.slot.to_string()),
        ("CUTOVER_DEPLOYED_AT", deployed_at),
    ];
    let mut variables: BTreeMap<String, String> =
        injected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if !instance.listens() {
        variables.remove("PORT");
    }
    if instance.socket {
        // A path has no host, and who has both listens at a port.
        variables.remove("HOST");
    }
    for (name, value) in &service.env {
        // A secret is what it is, braces and all; and masked as such.
        let value = match service.secret_env.contains(name) {
            true => value.clone(),
            false => placeholders_filled(layout, value, instance, release),
        };
        variables.insert(name.clone(), value);
    }
    Ok(variables)
}

impl ProcessRuntime {
    /// The release's real path, not the link that moves.
    pub(crate) fn directory(&self, instance: &Instance) -> PathBuf {
        self.layout().release(&instance.environment, &instance.version)
    }
}
