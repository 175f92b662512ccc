//! Taking a staged generation.

use super::claims::Claims;
use super::{Controller, Environment, State, marker, monitor};
use crate::control::{Answer, RefusalReason};
use crate::route_file::{
    RouteFile, RouteTarget, generation_path, generations, is_environment_name, live_path,
};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// An order to install.
pub(super) struct Order {
    pub(super) environment: String,
    pub(super) generation: u64,
    pub(super) expects: u64,
    pub(super) epoch: u64,
}

/// Why nothing was changed.
pub(super) type Refused = (RefusalReason, String);

/// Puts the staged generation in force and answers when every thread serves by it.
pub(super) async fn install(controller: &Rc<Controller>, order: Order) -> Answer {
    let generation = order.generation;
    // Everything up to the swap is done without giving way to another order.
    let taken = take(&mut controller.state.borrow_mut(), &order, &controller.nonce);
    match taken {
        Ok(Taken::Already) => {}
        Ok(Taken::New) => {
            controller.publish();
            monitor::start(controller, &order.environment);
            tracing::info!(environment = order.environment, generation, "in force");
        }
        Err((reason, message)) => return Answer::Refused { reason, message },
    }
    if controller.settled().await {
        return Answer::Installed { generation };
    }
    let message = format!("a thread has not taken generation {generation} yet; ask again");
    Answer::Refused { reason: RefusalReason::Disk, message }
}

enum Taken {
    Already,
    New,
}

fn take(state: &mut State, order: &Order, nonce: &str) -> Result<Taken, Refused> {
    let name = &order.environment;
    if !is_environment_name(name) {
        return Err((RefusalReason::Malformed, format!("'{name}' is no environment's name")));
    }
    state.check_epoch(order.epoch)?;
    let known = state.environments.get(name);
    let in_force = known.map_or(0, |known| known.file.generation);
    if in_force == order.generation && order.generation > 0 {
        return Ok(Taken::Already);
    }
    check_number(known, order)?;
    let path = generation_path(&state.directory, name, order.generation);
    let staged = RouteFile::read(&path);
    let unfit = |message: String| (RefusalReason::Unfit, message);
    let left = known.and_then(|known| known.fell_back.as_ref()).map_or(0, |left| left.generation);
    if let Ok(staged) = &staged
        && staged.confirms.as_ref().is_some_and(|confirms| confirms.generation == left)
    {
        return Err((RefusalReason::FellBack, format!("{name}: generation {left} fell back")));
    }
    if in_force != order.expects {
        let message = format!("{name}: generation {in_force} is in force, not {}", order.expects);
        return Err((RefusalReason::Unexpected, message));
    }
    let staged = staged.map_err(|error| unfit(error.to_string()))?;
    check_identity(known, &staged, order)?;
    check_confirmation(known, &staged, nonce)?;
    Claims::of_others(state, name).add(&staged).map_err(unfit)?;
    let probation = staged.probation.as_ref();
    let current = known.map(|known| known.file.clone());
    let fallback = probation
        .map(|probation| fallback(&state.directory, &staged, probation.fallback, current.as_ref()))
        .transpose()
        .map_err(unfit)?;
    put_on_disk(&state.directory, &path, &staged, current.as_deref())
        .map_err(|error| (RefusalReason::Disk, format!("{name}: {error}")))?;
    adopt(state, staged, fallback);
    Ok(Taken::New)
}

impl State {
    /// Remembers the highest epoch, and refuses a lower one.
    pub(super) fn check_epoch(&mut self, epoch: u64) -> Result<(), Refused> {
        if epoch < self.epoch {
            let message = format!("epoch {epoch} is over: {} has spoken", self.epoch);
            return Err((RefusalReason::Epoch, message));
        }
        self.epoch = epoch;
        Ok(())
    }
}

fn check_number(known: Option<&Environment>, order: &Order) -> Result<(), Refused> {
    let Some(known) = known else { return Ok(()) };
    if let Some(left) = &known.fell_back
        && left.generation == order.generation
    {
        let message = format!("generation {} fell back: {}", left.generation, left.reason);
        return Err((RefusalReason::FellBack, message));
    }
    if order.generation <= known.highest {
        let message = format!(
            "generation {} is not above {}, the highest so far; reserve a new number",
            order.generation, known.highest
        );
        return Err((RefusalReason::Old, message));
    }
    Ok(())
}

fn check_identity(
    known: Option<&Environment>,
    staged: &RouteFile,
    order: &Order,
) -> Result<(), Refused> {
    if staged.environment != order.environment || staged.generation != order.generation {
        let message = format!(
            "the staged file is generation {} of {}",
            staged.generation, staged.environment
        );
        return Err((RefusalReason::Unfit, message));
    }
    let oldest = known.map_or(0, |known| known.epoch);
    if staged.epoch < oldest || staged.epoch > order.epoch {
        let message = format!(
            "the staged file is of epoch {}, not between {oldest} and {}; stage it again",
            staged.epoch, order.epoch
        );
        return Err((RefusalReason::Epoch, message));
    }
    Ok(())
}

fn check_confirmation(
    known: Option<&Environment>,
    staged: &RouteFile,
    nonce: &str,
) -> Result<(), Refused> {
    let Some(confirms) = &staged.confirms else { return Ok(()) };
    let on_probation = known.is_some_and(|known| {
        known.file.generation == confirms.generation && known.probation.is_some()
    });
    if !on_probation {
        let message = format!("generation {} is not on probation", confirms.generation);
        return Err((RefusalReason::Unexpected, message));
    }
    if confirms.nonce != nonce {
        let message = "the proxy was started again since; bake once more".to_owned();
        return Err((RefusalReason::Nonce, message));
    }
    Ok(())
}

/// The file to return to; `current` is what is in force.  0 stands for nothing at all.
pub(super) fn fallback(
    directory: &Path,
    file: &RouteFile,
    generation: u64,
    current: Option<&Arc<RouteFile>>,
) -> Result<Arc<RouteFile>, String> {
    if generation == 0 {
        let nothing = RouteFile {
            generation: 0,
            routes: Vec::new(),
            probation: None,
            confirms: None,
            hold: None,
            ..file.clone()
        };
        return Ok(Arc::new(nothing));
    }
    if let Some(current) = current.filter(|current| current.generation == generation) {
        return Ok(current.clone());
    }
    let path = generation_path(directory, &file.environment, generation);
    let found = RouteFile::read(&path).map_err(|error| error.to_string())?;
    if found.environment != file.environment || found.generation != generation {
        return Err(format!("{} is another generation than its name says", path.display()));
    }
    Ok(Arc::new(found))
}

/// Keeps what is in force, and makes the staged file the live one.
fn put_on_disk(
    directory: &Path,
    staged_path: &Path,
    staged: &RouteFile,
    current: Option<&RouteFile>,
) -> io::Result<()> {
    if let Some(current) = current.filter(|current| current.generation > 0) {
        let path = generation_path(directory, &current.environment, current.generation);
        if RouteFile::read(&path).ok().as_ref() != Some(current) {
            current.stage(directory)?;
        }
    }
    if staged.probation.is_some() {
        marker::reserve(directory, &staged.environment)?;
    }
    File::open(staged_path)?.sync_all()?;
    fs::rename(staged_path, live_path(directory, &staged.environment))?;
    // Once it is renamed a restart serves it, so from here on it is taken.
    if let Err(error) = File::open(directory).and_then(|directory| directory.sync_all()) {
        tracing::error!(%error, "the routes directory cannot be synchronised");
    }
    // What holds for good has no other file to return to: should the live one be damaged, a start
    // finds this one.  Without it everything works all the same.
    if staged.probation.is_none()
        && let Err(error) = staged.stage(directory)
    {
        tracing::warn!(%error, "there is no second copy of what is in force");
    }
    Ok(())
}

fn adopt(state: &mut State, staged: RouteFile, fallback: Option<Arc<RouteFile>>) {
    let name = staged.environment.clone();
    state.clear_alerts(&name);
    let staged = Arc::new(staged);
    let underway = state.underway(&staged, fallback);
    if underway.is_none() {
        marker::release(&state.directory, &name);
    }
    let directory = state.directory.clone();
    let environment = state.environments.entry(name).or_insert_with(|| Environment {
        file: staged.clone(),
        highest: 0,
        epoch: 0,
        fell_back: None,
        probation: None,
        gate: None,
    });
    let previous = environment.file.generation;
    environment.epoch = environment.epoch.max(staged.epoch);
    environment.settle(staged.clone());
    environment.probation = underway;
    let fallback = staged.probation.as_ref().map_or(previous, |probation| probation.fallback);
    remove_earlier(&directory, &staged, &[previous, fallback]);
}

/// Removes generations that can never be in force again.
fn remove_earlier(directory: &Path, staged: &RouteFile, keep: &[u64]) {
    let found = generations(directory, &staged.environment).unwrap_or_default();
    for generation in found {
        if generation < staged.generation && !keep.contains(&generation) {
            // One that stays does no harm.
            let _left =
                fs::remove_file(generation_path(directory, &staged.environment, generation));
        }
    }
}

impl RouteFile {
    /// All targets of all routes.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &RouteTarget> {
        self.routes.iter().flat_map(|route| &route.targets)
    }
}
