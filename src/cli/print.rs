//! Data on standard output: lines, tables, JSON. The only place that writes there.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::report::CliError;

/// Prints one line.
pub(super) fn line(text: &str) -> Result<(), CliError> {
    write(format!("{}\n", plain(text)).as_bytes())
}

/// Prints one line that begins with a word, coloured where that is wanted.
pub(super) fn marked(word: &str, color: &str, colored: bool, text: &str) -> Result<(), CliError> {
    let mark = format!("{word:<5}");
    let mark = if colored { format!("\u{1b}[{color}m{mark}\u{1b}[0m") } else { mark };
    write(format!("{mark} {}\n", plain(text)).as_bytes())
}

/// Prints a value as JSON, readable and with a line's end.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| CliError::Output(error.into()))?;
    write(format!("{text}\n").as_bytes())
}

/// Prints a value as JSON on one line, for streams.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(|error| CliError::Output(error.into()))?;
    write(format!("{text}\n").as_bytes())
}

/// Prints a table without lines, its heading in capitals.
pub(super) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> Result<(), CliError> {
    write(table_text(heading, rows).as_bytes())
}

fn table_text(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !heading.is_empty() {
        table.set_header(heading);
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().flat_map(|line| [line.trim_end().to_owned(), "\n".to_owned()]).collect()
}

/// Prints what is written to a pipe as it is, and to a terminal without what would steer it.
pub(super) fn bytes(bytes: &[u8], terminal: bool) -> Result<(), CliError> {
    if terminal {
        write(plain_text(&String::from_utf8_lossy(bytes)).as_bytes())
    } else {
        write(bytes)
    }
}

/// Prints what a terminal session in a guest says, as it is: that terminal is the guest's.
pub(super) fn raw(bytes: &[u8]) -> Result<(), CliError> {
    write(bytes)
}

fn write(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(CliError::Output)
}

/// One line that cannot steer a terminal: texts may come from a guest.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// As [`plain`], for texts of many lines.
pub(super) fn plain_text(text: &str) -> String {
    let keep = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.replace("\r\n", "\n").chars().map(|c| if keep(c) { c } else { '\u{fffd}' }).collect()
}

/// A span as people say it: `45s`, `3m 5s`, `2h 10m`, `4d 1h`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    if days > 0 {
        format!("{days}d {}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h {}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m {}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// How long ago that was; nothing that lies ahead is negative.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    span(Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (185, "3m 5s"), (7800, "2h 10m"), (349_200, "4d 1h")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(age(now + jiff::SignedDuration::from_secs(5), now), "0s");
    }

    #[test]
    fn a_table_has_no_trailing_blanks() {
        let rows = vec![
            vec!["larm-1".to_owned(), "busy".to_owned(), String::new()],
            vec!["x".to_owned(), "\u{1b}[31mred".to_owned(), "y".to_owned()],
        ];
        assert_eq!(
            table_text(&["NAME", "PHASE", "NOTE"], rows),
            "NAME    PHASE     NOTE\nlarm-1  busy\nx       \u{fffd}[31mred  y\n"
        );
    }

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(plain("a\u{1b}]0;x\u{7}\nb"), "a\u{fffd}]0;x\u{fffd}\u{fffd}b");
        assert_eq!(plain_text("a\r\n\tb\u{9b}"), "a\n\tb\u{fffd}");
    }
}
