//! What the proxy counts, in the text format of Prometheus.
//!
//! Releases whose counters the proxy keeps are bounded by it, and instances are named only while
//! something is in flight to them: so is the number of lines.

use proxy::control::{EnvironmentStatus, ReleaseCounters, Status};
use std::fmt::Write;

/// Microseconds of a second.
const SECOND_US: f64 = 1e6;

/// A family of samples of one name.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
}

/// A counter of a release, and how it is read.
type OfRelease = (Family, fn(&ReleaseCounters) -> u64);

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: "counter" }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: "gauge" }
}

/// All that is known, each family once with its help and its type.
pub fn text(status: &Status) -> String {
    let mut text = String::new();
    let uptime = status.uptime_ms as f64 / 1e3;
    let family = gauge("cutover_proxy_uptime_seconds", "Since the proxy started.");
    write(&mut text, &family, [(vec![], uptime)]);
    let family = gauge("cutover_proxy_connections", "Client connections open now.");
    write(&mut text, &family, [(vec![], status.connections as f64)]);
    environments(&mut text, status);
    releases(&mut text, status);
    text
}

fn environments(text: &mut String, status: &Status) {
    type OfEnvironment = (Family, fn(&EnvironmentStatus) -> f64);
    let families: [OfEnvironment; 4] = [
        (gauge("cutover_generation", "Routes in force."), |it| it.generation as f64),
        (gauge("cutover_on_probation", "1 while the routes in force may be left."), |it| {
            f64::from(u8::from(it.probation.is_some()))
        }),
        (gauge("cutover_requests_waiting", "Requests that wait in a hold."), |it| it.held as f64),
        (
            gauge("cutover_fell_back_generation", "The generation that was left last; 0: none."),
            |it| it.fell_back.as_ref().map_or(0.0, |it| it.generation as f64),
        ),
    ];
    for (family, read) in families {
        let samples = status.environments.iter();
        write(text, &family, samples.map(|(name, it)| (vec![("environment", name)], read(it))));
    }
    let family = gauge("cutover_requests_in_flight", "In flight now, by instance.");
    let samples = status.environments.iter().flat_map(|(name, it)| {
        let labels = move |instance| vec![("environment", name), ("instance", instance)];
        it.in_flight.iter().map(move |(instance, count)| (labels(instance), *count as f64))
    });
    write(text, &family, samples);
}

fn releases(text: &mut String, status: &Status) {
    let all = || {
        let environments = status.environments.iter();
        environments.flat_map(|(name, it)| it.releases.iter().map(move |(id, it)| (name, id, it)))
    };
    let classes = ["", "1xx", "2xx", "3xx", "4xx", "5xx"].map(str::to_owned);
    let family = counter("cutover_requests_total", "Requests that were answered whole.");
    let samples = all().flat_map(|(name, id, it)| {
        let of = |at: usize| vec![("environment", name), ("release", id), ("class", &classes[at])];
        (1..it.by_class.len()).map(move |at| (of(at), it.by_class[at] as f64)).collect::<Vec<_>>()
    });
    write(text, &family, samples);
    let families: [OfRelease; 5] = [
        (
            counter("cutover_requests_aborted_total", "The client or the instance went away."),
            |it| it.aborted,
        ),
        (
            counter("cutover_requests_unanswered_total", "Answered by the proxy: 502 or 504."),
            |it| it.unanswered,
        ),
        (
            counter("cutover_requests_retried_total", "Sent once more on a fresh connection."),
            |it| it.retried,
        ),
        (counter("cutover_requests_held_total", "Waited in a hold."), |it| it.held),
        (counter("cutover_requests_drained_total", "Streams that a drain ended."), |it| {
            it.ended_by_drain
        }),
    ];
    for (family, read) in families {
        let labels = |name, id| vec![("environment", name), ("release", id)];
        write(text, &family, all().map(|(name, id, it)| (labels(name, id), read(it) as f64)));
    }
    let quantiles = ["0.5", "0.99", "1"].map(str::to_owned);
    let family = gauge("cutover_request_seconds", "To the last byte, since the proxy started.");
    let samples = all().flat_map(|(name, id, it)| {
        let of =
            |at: usize| vec![("environment", name), ("release", id), ("quantile", &quantiles[at])];
        let values = [it.p50_us, it.p99_us, it.max_us].map(|it| it as f64 / SECOND_US);
        [0, 1, 2].map(|at| (of(at), values[at]))
    });
    write(text, &family, samples);
}

fn write<'l>(
    text: &mut String,
    family: &Family,
    samples: impl IntoIterator<Item = (Vec<(&'static str, &'l String)>, f64)>,
) {
    let Family { name, help, kind } = family;
    // Nothing can go wrong in writing to text.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let labels: Vec<String> =
            labels.iter().map(|(label, it)| format!("{label}=\"{}\"", escaped(it))).collect();
        let labels = if labels.is_empty() { labels.concat() } else { braced(&labels) };
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

fn braced(labels: &[String]) -> String {
    format!("{{{}}}", labels.join(","))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy::control::ProbationStatus;
    use std::collections::BTreeSet;

    fn status() -> Status {
        let counters = ReleaseCounters {
            completed: 12,
            by_class: [0, 0, 9, 1, 0, 2],
            aborted: 3,
            p50_us: 2_500,
            p99_us: 40_000,
            max_us: 1_000_000,
            ..ReleaseCounters::default()
        };
        let environment = EnvironmentStatus {
            generation: 7,
            probation: Some(ProbationStatus::default()),
            in_flight: [("web.1".to_owned(), 4)].into(),
            releases: [("odd\"\\\n".to_owned(), counters)].into(),
            ..EnvironmentStatus::default()
        };
        let environments = [("shop.production".to_owned(), environment)].into();
        Status { uptime_ms: 1500, connections: 5, environments, ..Status::default() }
    }

    #[test]
    fn every_family_is_named_once_and_before_its_samples() {
        let text = text(&status());
        let mut named = BTreeSet::new();
        let mut last = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(named.insert(name), "{name} is named twice");
                assert!(!name.ends_with("_total") || kind == "counter", "{line}");
                last = name;
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name, last, "{line}");
                assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(named.len() > 10);
    }

    #[test]
    fn counts_are_by_release_and_class_and_labels_are_escaped() {
        let text = text(&status());
        let release = r#"environment="shop.production",release="odd\"\\\n""#;
        for line in [
            format!("cutover_requests_total{{{release},class=\"2xx\"}} 9"),
            format!("cutover_requests_total{{{release},class=\"5xx\"}} 2"),
            format!("cutover_requests_aborted_total{{{release}}} 3"),
            format!("cutover_request_seconds{{{release},quantile=\"0.99\"}} 0.04"),
            "cutover_on_probation{environment=\"shop.production\"} 1".to_owned(),
            "cutover_requests_in_flight{environment=\"shop.production\",instance=\"web.1\"} 4"
                .to_owned(),
            "cutover_proxy_uptime_seconds 1.5".to_owned(),
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
