//! Prometheus' text format (Prometheus documentation, "Exposition formats").

use prometheus::proto::MetricFamily;
use prometheus::{Error, TextEncoder};

/// Gauges whose names end in `_count`, as dashboards have them since long. Only parts of histograms
/// and summaries may be called so: these are exposed without a type.
const UNTYPED: [&str; 7] = [
    "busy_runners_count",
    "expected_runners_count",
    "idle_runners_count",
    "job_conclusion_count",
    "job_event_count",
    "job_repository_count",
    "job_status_count",
];

/// Writes families down, in the order of their names.
pub(super) fn write(mut families: Vec<MetricFamily>) -> Result<String, Error> {
    families.sort_by(|one, other| one.name().cmp(other.name()));
    let mut text = String::new();
    TextEncoder::new().encode_utf8(&families, &mut text)?;
    for name in UNTYPED {
        text = text.replace(&format!("# TYPE {name} gauge\n"), &format!("# TYPE {name} untyped\n"));
    }
    Ok(text)
}
