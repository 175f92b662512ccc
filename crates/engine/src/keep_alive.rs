//! What serves is started again when nobody else does it, and left when it crashes again and again.

use crate::{
    deploy::Engine,
    observe::Sight,
    port::runtime::Life,
    recover::{bring_back, to_run},
};
use model::{
    deployment::{Change, DeploymentRecord, Overrides, Request, Stage},
    failure::Failure,
    id::DeploymentId,
    name::EnvironmentId,
    release::Standing,
};

/// Crashes of one instance after which its release is left.
const CRASHES_MAX: u32 = 2;
/// After the commit; later crashes are restarted for ever.
const WATCHED_MS: u64 = 60_000;
/// Who asks for a rollback that nobody asked for.
const BY: &str = "cutover";
/// Crockford's base 32.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_DIGITS: u32 = 10;
const OTHER_DIGITS: u32 = 16;

impl Engine {
    /// Starts what serves and does not run, and returns the rollbacks to run: of releases that
    /// crashed twice within a minute of their commit.  To be called again and again.
    ///
    /// # Errors
    ///
    /// Where the journal, the router or the runtime cannot be asked.
    pub async fn keep_alive(&self) -> Result<Vec<Request>, Failure> {
        if let Err(failure) = self.ports.router.keep_alive().await {
            tracing::warn!("failed to {}", failure.message);
        }
        let unfinished = self.ports.journal.unfinished().await?;
        let mut requests = vec![];
        for environment in self.environments(&unfinished).await? {
            let record = unfinished.iter().find(|it| it.environment == environment);
            // A deployment on its way minds its instances itself.
            if record.is_none_or(|it| matches!(it.stage, Stage::Ended(_))) {
                requests.extend(self.tend(&environment, record).await?);
            }
        }
        Ok(requests)
    }

    async fn tend(
        &self,
        environment: &EnvironmentId,
        attention: Option<&DeploymentRecord>,
    ) -> Result<Option<Request>, Failure> {
        let _turn = self.turn(environment).await;
        let unfinished = self.ports.journal.unfinished().await?;
        let mut mine = unfinished.iter().filter(|it| it.environment == *environment);
        if mine.any(|it| !matches!(it.stage, Stage::Ended(_))) {
            return Ok(None);
        }
        let roster = self.roster(environment).await?;
        let sight = Sight::with(&self.ports, environment, roster).await?;
        for instance in to_run(&sight, attention) {
            let life = sight.life(&instance.id);
            if let Err(failure) = bring_back(&self.ports, &instance, life).await {
                tracing::warn!(instance = %instance.id, "failed to {}", failure.message);
            }
        }
        self.give_up(environment, &sight).await
    }

    /// Whether what was committed a moment ago crashes, and there is something to go back to.
    async fn give_up(
        &self,
        environment: &EnvironmentId,
        sight: &Sight,
    ) -> Result<Option<Request>, Failure> {
        let (Some(committed_ms), Some(current)) =
            (sight.roster.committed_at_ms, &sight.roster.current)
        else {
            return Ok(None);
        };
        // One rollback is enough: what it went back to was good once.
        if sight.roster.by.as_deref() == Some(BY) {
            return Ok(None);
        }
        let crashed = sight.active().into_iter().find(|it| {
            it.release == current.id && crashes(sight.life(&it.id), committed_ms) >= CRASHES_MAX
        });
        let Some(crashed) = crashed else { return Ok(None) };
        let standings = self.ports.journal.standings(environment).await?;
        let earlier = standings
            .iter()
            .any(|(id, _, standing)| *id != current.id && *standing == Standing::Accepted);
        // The same commit always asks under the same id, so that it asks once.
        let deployment = derived_id(committed_ms, &format!("{environment} {}", current.id));
        if !earlier || self.ports.journal.deployment(&deployment).await?.is_some() {
            return Ok(None);
        }
        let minute = WATCHED_MS / 1000;
        let reason =
            format!("{} crashed {CRASHES_MAX} times within {minute} s of its commit", crashed.id);
        Ok(Some(Request {
            deployment,
            environment: environment.clone(),
            change: Change::Rollback { to: None, with_data: false },
            by: BY.to_owned(),
            reason: Some(reason),
            overrides: Overrides::default(),
        }))
    }
}

/// How often it ended by itself, if the last time was soon after the commit.
fn crashes(life: &Life, committed_ms: u64) -> u32 {
    let soon = |at_ms: u64| at_ms.saturating_sub(committed_ms) <= WATCHED_MS;
    match life {
        Life::Running(it) if soon(it.since_ms) => it.restarts,
        Life::Exited(it) if soon(it.at_ms) => it.restarts.saturating_add(1),
        _ => 0,
    }
}

/// A well-formed id that is the same for the same time and text.
fn derived_id(time_ms: u64, text: &str) -> DeploymentId {
    const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(FNV_PRIME);
    let other = text.bytes().fold(FNV_OFFSET, hash);
    let digit = |value: u128, at: u32| {
        char::from(DIGITS[usize::try_from((value >> (5 * at)) & 31).unwrap_or(0)])
    };
    let time = u128::from(time_ms) & ((1 << 48) - 1);
    let mut id: String = (0..TIME_DIGITS).rev().map(|at| digit(time, at)).collect();
    id.extend((0..OTHER_DIGITS).rev().map(|at| digit(other, at)));
    DeploymentId(id)
}
