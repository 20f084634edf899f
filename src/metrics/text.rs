//! Prometheus' text format (Prometheus documentation, "Exposition formats").

use std::collections::BTreeMap;

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

/// A family that there is, whether anything was counted in it yet or not.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) help: String,
    /// The type's word.
    pub(super) kind: &'static str,
}

impl Known {
    fn head(&self) -> String {
        let Self { name, help, kind } = self;
        format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
    }
}

/// Writes families down, in the order of their names. Those in which nothing was counted yet are
/// told of, too: who looks for one finds that it is there.
pub(super) fn write(known: &[Known], families: &[MetricFamily]) -> Result<String, Error> {
    let heads = known.iter().map(|known| (known.name.as_str(), known.head()));
    let mut texts: BTreeMap<&str, String> = heads.collect();
    for family in families {
        let mut text = String::new();
        TextEncoder::new().encode_utf8(std::slice::from_ref(family), &mut text)?;
        texts.insert(family.name(), text);
    }
    for name in UNTYPED {
        if let Some(text) = texts.get_mut(name) {
            let (gauge, untyped) = (" gauge\n", " untyped\n");
            *text = text.replacen(
                &format!("# TYPE {name}{gauge}"),
                &format!("# TYPE {name}{untyped}"),
                1,
            );
        }
    }
    Ok(texts.into_values().collect())
}
