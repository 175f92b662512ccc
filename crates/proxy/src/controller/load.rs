//! What is served after a start: the live files, unless a marker or a broken file says otherwise.

use super::claims::Claims;
use super::{Environment, State, install};
use crate::route_file::{
    FORMAT, FellBack, RouteFile, claimed_generation, environment_of, is_outranked, live_path,
    read_marker, read_own, routes_directory, survivor,
};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Reads all environments under `root`.  A broken one falls back to an earlier generation of its
/// own; no environment is lost because of another.
pub(crate) fn load(root: &Path, threads: usize) -> io::Result<State> {
    let directory = routes_directory(root);
    fs::create_dir_all(&directory)?;
    let mut state = State::new(directory, threads);
    read(&mut state)?;
    Ok(state)
}

/// Reads all environments again.  What has not changed stays as it is, with what waits in its hold.
pub(super) fn read(state: &mut State) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&state.directory)? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(environment_of).map(str::to_owned));
    }
    names.sort();
    let mut before = std::mem::take(&mut state.environments);
    let mut claims = Claims::default();
    for name in names {
        let mut environment = load_environment(state, &name);
        if let Err(message) = claims.add(&environment.file) {
            state.alert(&name, format!("{name} is not served: {message}"));
            environment = lost(&name, environment.highest, environment.fell_back);
        }
        state.epoch = state.epoch.max(environment.epoch);
        // What is lost on disk is served on by whoever has it.
        let same = |it: &Environment| {
            let is_lost = environment.file.generation == 0;
            let on_probation = environment.probation.is_some();
            is_lost || it.file == environment.file && it.probation.is_some() == on_probation
        };
        let kept = before.remove(&name).filter(same).unwrap_or(environment);
        state.environments.insert(name, kept);
    }
    Ok(())
}

fn load_environment(state: &mut State, name: &str) -> Environment {
    let directory = state.directory.clone();
    let marker = match read_marker(&directory, name) {
        Ok(marker) => marker,
        Err(error) => {
            state.alert(
                name,
                format!("{name}: the marker of its last fall-back is unreadable: {error}"),
            );
            None
        }
    };
    let path = live_path(&directory, name);
    let mut highest = marker.as_ref().map_or(0, |marker| marker.generation.max(marker.fallback));
    let mut epoch = 0;
    let file = match read_own(&path, name) {
        Ok(file) => {
            highest = highest.max(file.generation);
            epoch = file.epoch;
            outranked(&directory, file, marker.as_ref())
        }
        Err(message) => {
            let broken = fs::read(&path).ok().and_then(|bytes| claimed_generation(&bytes));
            highest = highest.max(broken.unwrap_or(0));
            let kept = survivor(&directory, name, marker.as_ref()).ok_or(message.clone());
            if let Ok(file) = &kept {
                let serves = file.generation;
                state.alert(name, format!("{message}; generation {serves} is served instead"));
            }
            kept
        }
    };
    let mut environment = match file {
        Ok(file) => begin(state, file, highest, marker),
        Err(message) => {
            state.alert(name, format!("{name} is not served, install a generation: {message}"));
            lost(name, highest, marker)
        }
    };
    environment.epoch = environment.epoch.max(epoch);
    environment
}

/// An environment of which only the numbers are known.
fn lost(name: &str, highest: u64, fell_back: Option<FellBack>) -> Environment {
    let nothing = RouteFile {
        format: FORMAT,
        environment: name.to_owned(),
        generation: 0,
        epoch: 0,
        boot_id: String::new(),
        hosts: Vec::new(),
        routes: Vec::new(),
        probation: None,
        confirms: None,
        hold: None,
        checksum: String::new(),
    };
    Environment {
        file: Arc::new(nothing),
        highest,
        epoch: 0,
        fell_back,
        probation: None,
        gate: None,
    }
}

fn begin(
    state: &mut State,
    file: RouteFile,
    highest: u64,
    marker: Option<FellBack>,
) -> Environment {
    let file = Arc::new(file);
    let mut environment = Environment {
        file: file.clone(),
        highest,
        epoch: file.epoch,
        fell_back: marker,
        probation: None,
        gate: None,
    };
    environment.settle(file.clone());
    // A generation that was returned to has its own probation behind it.
    let returned = environment.fell_back.as_ref().is_some_and(|m| m.fallback >= file.generation);
    if let Some(probation) = file.probation.as_ref().filter(|_| !returned) {
        // The time that was used up before is not known: it starts again in full.
        let fallback = install::fallback(&state.directory, &file, probation.fallback, None);
        if let Err(message) = &fallback {
            state.alert(&file.environment, format!("there is no way back: {message}"));
        }
        environment.probation = state.underway(&file, fallback.ok());
    }
    environment
}

/// The live file, or what the marker says is served in its stead.
fn outranked(
    directory: &Path,
    file: RouteFile,
    marker: Option<&FellBack>,
) -> Result<RouteFile, String> {
    let Some(marker) = marker.filter(|marker| is_outranked(&file, marker)) else {
        return Ok(file);
    };
    let fallback = install::fallback(directory, &file, marker.fallback, None);
    fallback.map(|fallback| (*fallback).clone()).map_err(|message| {
        format!(
            "generation {} was left ({}), and what it returned to is lost: {message}",
            file.generation, marker.reason
        )
    })
}
