//! The log of a living runner as it grows: its phases, and the journal of its units.
//!
//! The journal comes over a terminal of LXD's: when our end is dropped, LXD ends the command in the
//! guest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::View;
use super::executor::exec;
use crate::guest::{logs, mask::Masker};
use crate::lxd::{Client, Exec, Session, Terminal};
use crate::model::{Phase, Record, RunnerId};

/// How wide a line may be before the guest folds it.
const SCREEN: Terminal = Terminal { width: 4000, height: 50 };
/// How long a line may be, in bytes; the rest of a longer one is not told.
const LONGEST_LINE: usize = 64 << 10;
/// How long nothing may come before what came was the last, after the runner's end is known.
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// How long the last lines may take in all.
const LAST_LINES: Duration = Duration::from_secs(2);
/// How much they may be, in bytes.
const LAST_BYTES: usize = 4 << 20;
/// What stands for the rest of a line.
const CUT: &[u8] = b"[the line is too long]";
/// How long what a runner left may take to be collected.
const COLLECTED: Duration = Duration::from_mins(2);

/// A runner's log as it grows; dropped, it leaves nothing in the guest.
pub struct Followed {
    client: Client,
    view: watch::Receiver<Arc<View>>,
    id: RunnerId,
    phase: Option<Phase>,
    /// The journal, once the guest runs.
    session: Option<Session>,
    /// Whether the journal was asked for in this phase, and has ended or did not begin.
    journal_is_over: bool,
    lines: Lines,
    over: bool,
}

/// Lines without secrets, made of pieces as they come.
#[derive(Default)]
struct Lines {
    masker: Masker,
    partial: Vec<u8>,
    /// Whether the line at hand is too long, and was told as far as it is told.
    cut: bool,
    whole: VecDeque<Vec<u8>>,
}

/// What comes next.
enum News {
    Journal(Option<Vec<u8>>),
    Record,
    Over,
}

impl Followed {
    pub(super) fn new(client: Client, view: watch::Receiver<Arc<View>>, id: RunnerId) -> Self {
        Self {
            client,
            view,
            id,
            phase: None,
            session: None,
            journal_is_over: false,
            lines: Lines::default(),
            over: false,
        }
    }

    /// The next line, with its end; `None` once the runner has ended and what it left is collected.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = self.lines.whole.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.go_on().await;
        }
    }

    async fn go_on(&mut self) {
        let record = self.view.borrow_and_update().runners.get(&self.id).cloned();
        let Some(record) = record else { return self.over = true };
        if self.phase != Some(record.phase) {
            self.tell_phase(&record);
            self.journal_is_over = false;
        }
        if record.phase >= Phase::Finished {
            return self.end().await;
        }
        if self.session.is_none() && !self.journal_is_over && record.is_live() {
            self.open(&record).await;
        }
        match self.news().await {
            News::Journal(Some(bytes)) => self.lines.take(&bytes),
            News::Journal(None) => {
                self.session = None;
                self.journal_is_over = true;
            }
            News::Record => {}
            News::Over => self.over = true,
        }
    }

    fn tell_phase(&mut self, record: &Record) {
        self.phase = Some(record.phase);
        let reason = match (&record.failure, record.phase) {
            (Some(failure), Phase::Failed) => format!(": {}", failure.reason),
            _ => String::new(),
        };
        let line = format!("== {:.0} {}{reason}", record.since(), record.phase);
        self.lines.push(line.as_bytes());
    }

    async fn open(&mut self, record: &Record) {
        let environment = [("SYSTEMD_COLORS", "0"), ("TERM", "dumb")];
        let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let exec = Exec { environment: environment.into(), ..exec(logs::follow()) };
        let name = record.name.to_string();
        match self.client.exec_interactive(&name, &exec, SCREEN).await {
            Ok(session) => self.session = Some(session),
            Err(error) => {
                tracing::debug!(runner = %record.name, %error, "its journal cannot be followed");
                self.journal_is_over = true;
            }
        }
    }

    async fn news(&mut self) -> News {
        tokio::select! {
            piece = journal(self.session.as_mut()) => News::Journal(piece),
            changed = self.view.changed() => if changed.is_ok() { News::Record } else { News::Over },
        }
    }

    /// The last lines, then what was left is waited for.
    async fn end(&mut self) {
        if timeout(LAST_LINES, self.drain()).await.is_err() {
            tracing::debug!(runner = %self.id, "its last lines do not end");
        }
        self.session = None;
        self.over = true;
        let id = self.id.clone();
        let collected =
            self.view.wait_for(|view| view.runners.get(&id).is_none_or(|record| record.collected));
        if timeout(COLLECTED, collected).await.is_err() {
            tracing::debug!(runner = %self.id, "what it left is not collected yet");
        }
    }

    async fn drain(&mut self) {
        let mut rest = LAST_BYTES;
        while rest > 0
            && let Ok(Some(bytes)) = timeout(LAST_PAUSE, journal(self.session.as_mut())).await
        {
            rest = rest.saturating_sub(bytes.len());
            self.lines.take(&bytes);
        }
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // A terminal ends lines with both.
            match byte {
                b'\r' => {}
                b'\n' => self.end_line(),
                _ if self.cut => {}
                _ => self.partial.push(*byte),
            }
            if self.partial.len() >= LONGEST_LINE {
                self.cut_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.partial);
        if !std::mem::take(&mut self.cut) {
            self.push(&line);
        }
    }

    /// Without the last word: of a piece of a secret nobody sees that it is one.
    fn cut_line(&mut self) {
        let mut line = std::mem::take(&mut self.partial);
        let last = line.iter().rposition(u8::is_ascii_whitespace);
        line.truncate(last.map_or(0, |at| at.saturating_add(1)));
        line.extend_from_slice(CUT);
        self.cut = true;
        self.push(&line);
    }

    fn push(&mut self, line: &[u8]) {
        let line = self.masker.line(line);
        self.whole.push_back([&*line, b"\n"].concat());
    }
}

/// The next piece of the journal; `None` at its end. Never comes where there is none.
async fn journal(session: Option<&mut Session>) -> Option<Vec<u8>> {
    let Some(session) = session else { return std::future::pending().await };
    match session.output.next().await {
        Ok(piece) => piece.map(|bytes| bytes.to_vec()),
        Err(error) => {
            tracing::debug!(%error, "a journal is not followed any more");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_line_that_is_too_long_is_not_told() {
        let mut lines = Lines::default();
        let token = format!("ghp_{}", "a".repeat(2 * LONGEST_LINE));
        for piece in ["one\r\nbegin ", &token, " end\nnext ", "line\n"] {
            lines.take(piece.as_bytes());
        }
        let told: Vec<_> = lines.whole.iter().map(|line| String::from_utf8_lossy(line)).collect();
        assert_eq!(told, ["one\n", "begin [the line is too long]\n", "next line\n"]);
    }
}
