//! `larm metrics`.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::print;
use super::report::{CliError, Outcome};

/// Print what Prometheus would read
///
/// That is the text of `GET /metrics`: counts and durations since the daemon started, and how many
/// of everything there are now. docs/metrics.md tells what each name means.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm metrics | promtool check metrics\n  \
    larm metrics --json | jq '.[] | select(.name == \"larm_runners\" and .value > 0)'")]
pub(super) struct Arguments {}

/// One number.
#[derive(Debug, PartialEq, Serialize)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

pub(super) async fn run(_: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let text = context.daemon()?.metrics().await?;
    if context.global.json {
        let samples = samples(&text).ok_or_else(|| {
            CliError::Nonsense("the metrics are not in Prometheus' text format".to_owned())
        })?;
        print::json(&samples)?;
    } else {
        for line in text.lines() {
            print::line(line)?;
        }
    }
    Ok(Outcome::Done)
}

/// Reads the text format (Prometheus documentation, "Exposition formats").
fn samples(text: &str) -> Option<Vec<Sample>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| c != '_' && c != ':' && !c.is_ascii_alphanumeric())?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The labels up to their closing bracket, and what follows it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, value) = rest.split_once("=\"")?;
        let (value, after) = quoted(value)?;
        labels.insert(name.to_owned(), value);
        rest = after;
    }
}

/// A value up to its closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(match characters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_all_that_labels_may_hold() {
        let text = "# TYPE a_total counter\na_total{x=\"1\",y=\"} \\\"q\\\"\\\\\\n,\"} 2\nb 0.5\n";
        let read = samples(text).unwrap();
        let labels =
            [("x".to_owned(), "1".to_owned()), ("y".to_owned(), "} \"q\"\\\n,".to_owned())];
        let first = Sample { name: "a_total".to_owned(), labels: labels.into(), value: 2.0 };
        let second = Sample { name: "b".to_owned(), labels: BTreeMap::new(), value: 0.5 };
        assert_eq!(read, [first, second]);
        assert_eq!(samples("a{x=\"1} 2\n"), None);
        assert_eq!(samples("a one\n"), None);
    }
}
