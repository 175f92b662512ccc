//! What was measured, run by run.

/// Everything.
#[derive(Debug, Default)]
pub struct Figures {
    /// From the bare application's start to its first answer.
    pub alone_ms: Vec<f64>,
    /// Ours.
    pub ours: Side,
    /// PM2's.
    pub peer: Side,
    /// Ours: from the new instance's start to the first request routed to it.
    pub start_to_routed_ms: Vec<f64>,
    /// Ours: the step that puts new content in its place.
    pub stage_ms: Vec<f64>,
    /// Ours: from the command's start to the last request routed to the bad version.
    pub rollback_routed_ms: Vec<f64>,
    /// Ours, when nothing happens.
    pub daemon_kib: u64,
    /// As `daemon_kib`.
    pub proxy_kib: u64,
    /// As `daemon_kib`: the mean of those that hold an instance, and the proxy's holder.
    pub supervise_kib: u64,
    /// PM2's own process, without workers.
    pub pm2_kib: u64,
    /// As PM2 says.
    pub pm2_version: String,
    /// As Node says.
    pub node_version: String,
}

/// What both sides have.
#[derive(Debug, Default)]
pub struct Side {
    /// Who it is.
    pub name: &'static str,
    /// From the command's start to the first answer of the new version.
    pub first_answer_ms: Vec<f64>,
    /// The whole command.
    pub command_ms: Vec<f64>,
    /// From the start of going back to the last request that the bad version answered.
    pub rollback_ms: Vec<f64>,
    /// The longest answer during a change.
    pub worst_ms: Vec<f64>,
    /// Made, over all changes.
    pub requests: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Deployments, reloads, rollbacks.
    pub changes: u64,
    /// Of these, those in which the load fell behind: the machine was busy with something else.
    pub unsteady: u64,
}

/// Median, least and most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half are no more.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// Of at least one figure; none: there are none.
pub fn spread(figures: &[f64]) -> Option<Spread> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    };
    Some(Spread { median, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    }
}
