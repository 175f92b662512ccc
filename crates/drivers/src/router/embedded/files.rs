//! Route files: staged here, put in force by the proxy, and read where it cannot be asked.

use super::{EmbeddedRouter, translate};
use crate::file;
use engine::port::router::InForce;
use model::{
    failure::{Blame, Failure},
    id::{Epoch, Generation, InstanceId},
    name::EnvironmentId,
    plan::StagedRoutes,
    routes::Claim,
};
use proxy::{
    control::Status,
    route_file::{
        Confirms, FellBack, RouteFile, RouteFileError, is_environment_name, remove_abandoned,
        survivor,
    },
};
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

impl EmbeddedRouter {
    pub(super) fn stage_now(
        &self,
        environment: &EnvironmentId,
        staged: &[StagedRoutes],
        epoch: Epoch,
    ) -> Result<(), Failure> {
        for one in staged {
            self.stage_one(environment, one, None, epoch)?;
        }
        Ok(())
    }

    pub(super) fn stage_one(
        &self,
        environment: &EnvironmentId,
        staged: &StagedRoutes,
        confirms: Option<Confirms>,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let routes = translate::to_file(environment, staged, confirms, epoch)?;
        let directory = self.layout().routes();
        file::make_directory(&directory, file::MODE_PRIVATE_DIRECTORY)
            .and_then(|()| routes.stage(&directory))
            .map(drop)
            .map_err(|error| file::failure("stage routes in", &directory, &error))
    }

    pub(super) fn unstage_now(
        &self,
        environment: &EnvironmentId,
        generations: &[Generation],
    ) -> Result<(), Failure> {
        let in_force = self.in_force_now(environment)?;
        let marker = self.marker(environment)?;
        let needed = [
            in_force.routes.map(|it| it.generation),
            in_force.probation,
            marker.map(|it| Generation(it.fallback)),
        ];
        for generation in generations.iter().filter(|it| !needed.contains(&Some(**it))) {
            let path = self.layout().staged_routes(environment, *generation);
            file::remove(&path).map_err(|error| file::failure("remove", &path, &error))?;
        }
        let directory = self.layout().routes();
        remove_abandoned(&directory, &environment.stem())
            .map_err(|error| file::failure("clear up", &directory, &error))
    }

    pub(super) fn in_force_now(&self, environment: &EnvironmentId) -> Result<InForce, Failure> {
        match self.status_now()? {
            Some(status) => self.in_force_by(&status, environment),
            None => self.in_force_on_disk(environment),
        }
    }

    /// What is in force of an environment, as the proxy said of all of them.  Blocks.
    ///
    /// # Errors
    ///
    /// Where the route files cannot be read.
    pub fn in_force_by(
        &self,
        status: &Status,
        environment: &EnvironmentId,
    ) -> Result<InForce, Failure> {
        let nonce = status.nonce.clone();
        let Some(known) = status.environments.get(&environment.stem()) else {
            let highest = self.in_force_on_disk(environment)?.highest;
            return Ok(InForce { nonce, highest, alive: true, ..none() });
        };
        let routes = match known.generation {
            0 => None,
            generation => Some(self.read_generation(environment, Generation(generation))?),
        };
        Ok(InForce {
            routes: routes.map(|it| self.routes_of(&it)).transpose()?,
            highest: Generation(known.highest),
            probation: known.probation.as_ref().map(|it| Generation(it.fallback)),
            fell_back: known
                .fell_back
                .as_ref()
                .map(|it| (Generation(it.generation), it.reason.clone())),
            nonce,
            alive: true,
        })
    }

    /// As the proxy reads them when it starts: the marker outranks the generation that it names,
    /// and any that confirms it.
    fn in_force_on_disk(&self, environment: &EnvironmentId) -> Result<InForce, Failure> {
        let marker = self.marker(environment)?;
        let fell_back = marker.as_ref().map(|it| (Generation(it.generation), it.reason.clone()));
        let left = marker.as_ref().map(|it| it.generation);
        let Some(live) = self.live_or_survivor(environment, marker.as_ref())? else {
            let highest = Generation(left.unwrap_or(0));
            return Ok(InForce { fell_back, highest, ..none() });
        };
        let highest = Generation(live.generation.max(left.unwrap_or(0)));
        let confirms = live.confirms.as_ref().map(|it| it.generation);
        let is_left = left.is_some() && (left == Some(live.generation) || left == confirms);
        let (file, probation) = match &marker {
            // Before the first deployment there is nothing to return to.
            Some(FellBack { fallback: 0, .. }) if is_left => (None, None),
            Some(marker) if is_left => {
                (Some(self.read_generation(environment, Generation(marker.fallback))?), None)
            }
            _ => {
                let probation = live.probation.as_ref().map(|it| Generation(it.fallback));
                (Some(live), probation)
            }
        };
        let routes = file.map(|it| self.routes_of(&it)).transpose()?;
        Ok(InForce { routes, highest, probation, fell_back, ..none() })
    }

    /// What a proxy that starts now would serve, but for the marker.
    fn live_or_survivor(
        &self,
        environment: &EnvironmentId,
        marker: Option<&FellBack>,
    ) -> Result<Option<RouteFile>, Failure> {
        let live = read_routes(&self.layout().live_routes(environment));
        live.or_else(|failure| {
            let directory = self.layout().routes();
            survivor(&directory, &environment.stem(), marker).map(Some).ok_or(failure)
        })
    }

    /// The live file, or a staged one.
    pub(crate) fn read_generation(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
    ) -> Result<RouteFile, Failure> {
        let paths = [
            self.layout().live_routes(environment),
            self.layout().staged_routes(environment, generation),
        ];
        let mut damaged = None;
        for path in &paths {
            match read_routes(path) {
                Ok(Some(routes)) if routes.generation == generation.0 => return Ok(routes),
                Ok(_) => {}
                Err(failure) => damaged = damaged.or(Some(failure)),
            }
        }
        if let Some(failure) = damaged {
            return Err(failure);
        }
        let message = format!("find generation {generation} of {environment} on disk");
        Err(Failure::new(Blame::Platform, message)
            .hint("deploy again: a new generation is written then"))
    }

    fn marker(&self, environment: &EnvironmentId) -> Result<Option<FellBack>, Failure> {
        let path = self.layout().routes().join(format!("{}.fellback", environment.stem()));
        let failed = |error| file::failure("read", &path, &error);
        let bytes = file::read(&path).map_err(failed)?;
        bytes
            .map(|it| serde_json::from_slice(&it))
            .transpose()
            .map_err(|error| failed(error.into()))
    }

    /// Every target of every generation on disk.
    pub(super) fn targets_on_disk(&self) -> Result<Vec<(InstanceId, Option<u16>)>, Failure> {
        let mut targets = BTreeMap::new();
        for (_, routes) in self.routes_on_disk()? {
            for target in routes.routes.iter().flat_map(|it| &it.targets) {
                let port = target.address.rsplit_once(':').and_then(|(_, it)| it.parse().ok());
                targets.insert(InstanceId(target.instance.clone()), port);
            }
        }
        Ok(targets.into_iter().collect())
    }

    /// Every generation of every environment, with its file; damaged ones that can never serve
    /// again are left out.
    fn routes_on_disk(&self) -> Result<Vec<(PathBuf, RouteFile)>, Failure> {
        let mut all = vec![];
        for path in self.route_files()? {
            match read_routes(&path) {
                Ok(Some(routes)) => all.push((path, routes)),
                // Renamed since it was listed: it is listed under its new name in the next look.
                Ok(None) => {}
                // What is served in its stead has a file of its own.
                Err(_) if self.is_replaced(&path) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(all)
    }

    /// Whether the damaged file is a staged one, or a live one that another is served for.
    fn is_replaced(&self, path: &Path) -> bool {
        let stem = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
        let last = stem.rsplit('.').next().unwrap_or_default();
        let is_live = is_environment_name(stem) && !last.bytes().all(|it| it.is_ascii_digit());
        !is_live || survivor(&self.layout().routes(), stem, None).is_some()
    }

    fn route_files(&self) -> Result<Vec<PathBuf>, Failure> {
        let directory = self.layout().routes();
        let failed = |error| file::failure("read", &directory, &error);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(failed)?,
        };
        let mut paths = vec![];
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".json") && !name.starts_with('.') {
                paths.push(entry.path());
            }
        }
        Ok(paths)
    }

    pub(super) fn conflict_now(
        &self,
        environment: &EnvironmentId,
        claims: &[Claim],
    ) -> Result<Option<(Claim, String)>, Failure> {
        let own = environment.stem();
        for (path, file) in self.routes_on_disk()? {
            let is_live = path.file_stem().is_some_and(|it| it == file.environment.as_str());
            if !is_live || file.environment == own {
                continue;
            }
            let theirs = Claim::all(&file.hosts, file.routes.iter().map(|it| it.path.as_str()));
            if let Some(claim) = claims.iter().find(|it| theirs.contains(it)) {
                return Ok(Some((claim.clone(), file.environment.replacen('.', "/", 1))));
            }
        }
        Ok(None)
    }
}

fn none() -> InForce {
    InForce {
        routes: None,
        highest: Generation(0),
        probation: None,
        fell_back: None,
        nonce: String::new(),
        alive: false,
    }
}

/// None if there is no such file.
fn read_routes(path: &Path) -> Result<Option<RouteFile>, Failure> {
    match RouteFile::read(path) {
        Ok(routes) => Ok(Some(routes)),
        Err(RouteFileError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(Failure::new(Blame::Platform, format!("read a route file: {error}"))
            .hint("what is served goes on; deploy again to write it anew")),
    }
}
