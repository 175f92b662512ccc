//! What the route files and the run directories say by themselves: by it a journal is known to be
//! behind, and made anew.

use crate::{file, layout::Layout};
use model::{
    failure::Failure,
    id::{InstanceId, ReleaseId},
    instance::{Instance, Slot},
    name::{EnvironmentId, Name},
};
use proxy::route_file::RouteFile;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};
use supervise::spec::InstanceSpec;

/// What is there, whatever the journal knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// The highest epoch of a controller that wrote a route file or gave an instance an order.
    pub epoch: u64,
    /// By environment, the highest number of a generation.
    pub generations: BTreeMap<EnvironmentId, u64>,
    /// All that have a run directory whose record can be understood.
    pub instances: Vec<Instance>,
}

/// Looks, and changes nothing.  A damaged file says what its name says.
///
/// # Errors
///
/// Where a directory cannot be read.
pub fn look(layout: &Layout) -> Result<Ground, Failure> {
    let mut ground = Ground::default();
    let routes = layout.routes();
    for path in entries(&routes).map_err(|it| file::failure("read", &routes, &it))? {
        meet_routes(&path, &mut ground);
    }
    let run = layout.instances();
    for path in entries(&run).map_err(|it| file::failure("read", &run, &it))? {
        let told = fs::read_to_string(path.join("epoch")).unwrap_or_default();
        ground.epoch = ground.epoch.max(told.trim().parse().unwrap_or(0));
        ground.instances.extend(instance(layout, &path));
    }
    Ok(ground)
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let all = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        all => all?,
    };
    let mut paths = all.map(|it| Ok(it?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn meet_routes(path: &Path, ground: &mut Ground) {
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    // Hidden: a write that was cut short, and was never in force.
    let Some(parts) = parts(name).filter(|_| !name.starts_with('.')) else { return };
    let (environment, mut generation) = parts;
    if name.ends_with(".json")
        && let Ok(file) = RouteFile::read(path)
    {
        ground.epoch = ground.epoch.max(file.epoch);
        generation = generation.max(file.generation);
    }
    let highest = ground.generations.entry(environment).or_default();
    *highest = generation.max(*highest);
}

/// `PROJECT.ENVIRONMENT.json`, `PROJECT.ENVIRONMENT.N.json`, `PROJECT.ENVIRONMENT.fellback`.
fn parts(name: &str) -> Option<(EnvironmentId, u64)> {
    let stem = name.strip_suffix(".json").or_else(|| name.strip_suffix(".fellback"))?;
    let mut parts = stem.split('.');
    let (project, environment) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let generation = parts.next().map_or(Some(0), |it| it.parse().ok())?;
    Some((EnvironmentId { project, environment }, generation))
}

/// As its record and its variables have it.
fn instance(layout: &Layout, directory: &Path) -> Option<Instance> {
    let id = InstanceId(directory.file_name()?.to_str()?.to_owned());
    let bytes = fs::read(layout.instance_spec(&id)).ok()?;
    let spec: InstanceSpec = serde_json::from_slice(&bytes).ok()?;
    let told = |name: &str| spec.environment.get(name);
    let mut parts = id.0.split('.');
    let (project, environment) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let service: Name = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    let slot = match told("CUTOVER_SLOT")?.as_str() {
        "green" => Slot::Green,
        _ => Slot::Blue,
    };
    Some(Instance {
        environment: EnvironmentId { project, environment },
        service,
        release: ReleaseId(told("CUTOVER_RELEASE")?.clone()),
        version: told("CUTOVER_VERSION")?.clone(),
        number,
        slot,
        port: told("PORT").and_then(|it| it.parse().ok()),
        socket: spec.listen.is_some(),
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_environment_and_generation() {
        let read = |name| parts(name).map(|(environment, it)| (environment.to_string(), it));
        assert_eq!(read("shop.production.json"), Some(("shop/production".into(), 0)));
        assert_eq!(read("shop.production.12.json"), Some(("shop/production".into(), 12)));
        assert_eq!(read("shop.production.fellback"), Some(("shop/production".into(), 0)));
        assert_eq!(read("shop.json"), None);
        assert_eq!(read("shop.production.x.json"), None);
    }

    #[test]
    fn a_damaged_route_file_still_says_its_number() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let layout = Layout::new(root.path());
        assert_eq!(look(&layout).ok(), Some(Ground::default()), "nothing is there yet");
        fs::create_dir_all(layout.routes()).expect("it is ours");
        fs::create_dir_all(layout.instances().join("shop.production.web.1.x")).expect("ours");
        fs::write(layout.routes().join("shop.production.7.json"), "{").expect("it is ours");
        fs::write(layout.instances().join("shop.production.web.1.x/epoch"), "9").expect("ours");
        let ground = look(&layout).ok().unwrap_or_default();
        assert_eq!(ground.epoch, 9);
        assert_eq!(ground.generations.values().copied().collect::<Vec<_>>(), [7]);
        assert!(ground.instances.is_empty(), "it has no record");
    }
}
