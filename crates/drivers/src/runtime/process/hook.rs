//! Hooks, each a one-off process that its deployment waits for.

use super::one_off::OneOffProcesses;
use crate::{blocking::blocking, clock::SystemClock};
use async_trait::async_trait;
use engine::port::{clock::Clock, hook::HookRunner, one_off::OneOffRunner, prober::Note};
use model::{
    failure::{Blame, Failure},
    hook::HookRun,
    id::Epoch,
    name::EnvironmentId,
    one_off::{Ended, FORMAT, Life, OneOff},
    release::Release,
};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

/// From one look at it to the next.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines of its output that are told; the rest is in its file.
const LINES_MAX: usize = 500;
/// Bytes of its output that are read at once.
const BYTES_MAX: u64 = 64 * 1024;
/// Lines that explain a failure.
const EVIDENCE_LINES: usize = 20;

#[async_trait]
impl HookRunner for OneOffProcesses {
    async fn run(
        &self,
        environment: &EnvironmentId,
        hook: &HookRun,
        release: &Release,
        epoch: Epoch,
        note: &Note,
    ) -> Result<(), Failure> {
        let one_off = one_off(environment, hook);
        let (this, to_begin, release) = (self.clone(), one_off.clone(), release.clone());
        let mut variables = hook.variables.clone();
        let directory = self.layout().release(environment, &hook.version);
        variables.insert("CUTOVER_RELEASE_DIR".into(), directory.display().to_string());
        blocking(move || this.begin_now(&to_begin, &release, epoch, &variables)).await?;
        let [out, error, _] = self.layout().one_off_logs(environment, &hook.id);
        let mut output = Output { tails: [Tail::new(out), Tail::new(error)], told: vec![] };
        loop {
            // Looked at before its output is read, so that nothing of that is left out.
            let seen = self.look(&hook.id).await?;
            output.tell(hook, note);
            match seen.map(|it| it.life) {
                Some(Life::Ended(ended)) => return judged(hook, &ended, &output.told),
                Some(Life::Begun | Life::Running { .. }) => {}
                None => {
                    let message = format!("run the hook {}: it is forgotten", hook.name);
                    return Err(Failure::new(Blame::Us, message));
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn stop(&self, hook: &HookRun, epoch: Epoch) -> Result<(), Failure> {
        match self.look(&hook.id).await? {
            Some(seen) if !matches!(seen.life, Life::Ended(_)) => {
                OneOffRunner::stop(self, &hook.id, epoch).await
            }
            _ => Ok(()),
        }
    }
}

fn one_off(environment: &EnvironmentId, hook: &HookRun) -> OneOff {
    OneOff {
        format: FORMAT,
        id: hook.id.clone(),
        environment: environment.clone(),
        service: hook.service.clone(),
        release: hook.release.clone(),
        version: hook.version.clone(),
        command: hook.command.clone(),
        time_limit_ms: Some(hook.timeout.0),
        // Its deployment waits for it, also across lives of the controller.
        detached: true,
        by: format!("hook {}", hook.name),
        begun_at_ms: SystemClock.now_ms(),
        scheduled: false,
    }
}

fn judged(hook: &HookRun, ended: &Ended, told: &[String]) -> Result<(), Failure> {
    let how = match (ended.timed_out, &ended.not_executed, ended.code, ended.signal) {
        (false, None, Some(0), _) => return Ok(()),
        (true, ..) => format!("it did not end within {} ms", hook.timeout.0),
        (_, Some(why), ..) => format!("it could not be executed: {why}"),
        (_, _, Some(code), _) => format!("exit code {code}"),
        (_, _, _, Some(signal)) => format!("signal {signal}"),
        (.., None) => "nobody knows how it ended".to_owned(),
    };
    let message = format!("run the hook {}: {how}", hook.name);
    let first = told.len().saturating_sub(EVIDENCE_LINES);
    let failure = Failure::new(Blame::Platform, message)
        .hint("`hooks` in the configuration says what is run there");
    Err(if told.is_empty() { failure } else { failure.evidence(told[first..].join("\n")) })
}

struct Output {
    tails: [Tail; 2],
    told: Vec<String>,
}

impl Output {
    fn tell(&mut self, hook: &HookRun, note: &Note) {
        for tail in &mut self.tails {
            for line in tail.lines() {
                if self.told.len() < LINES_MAX {
                    note(format!("{} | {line}", hook.name));
                } else if self.told.len() == LINES_MAX {
                    note(format!("{} | … the rest is in {}", hook.name, tail.path.display()));
                }
                if self.told.len() <= LINES_MAX {
                    self.told.push(line);
                }
            }
        }
    }
}

/// What a file says from where it was read last.
struct Tail {
    path: PathBuf,
    offset: u64,
    rest: Vec<u8>,
}

impl Tail {
    fn new(path: PathBuf) -> Tail {
        Tail { path, offset: 0, rest: vec![] }
    }

    /// Whole lines that came since.
    fn lines(&mut self) -> Vec<String> {
        let mut bytes = vec![];
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(BYTES_MAX).read_to_end(&mut bytes)
        });
        // It is not there before the first line; what cannot be read is in the file all the same.
        self.offset += read.unwrap_or(0) as u64;
        self.rest.extend(bytes);
        let Some(end) = self.rest.iter().rposition(|it| *it == b'\n') else { return vec![] };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        let text = String::from_utf8_lossy(&whole);
        text.lines().map(str::to_owned).collect()
    }
}
