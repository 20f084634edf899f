//! The user's terminal: its size, and raw mode.

use std::io::stdin;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::lxd::Terminal;

/// What a keyboard sends for the end of input (Ctrl-D).
pub(super) const END_OF_INPUT: u8 = 4;

/// The size where standard input is no terminal.
const DEFAULT_SIZE: Terminal = Terminal { width: 80, height: 24 };

/// Puts the terminal into raw mode, and back when dropped.
#[derive(Debug)]
pub(super) struct RawTerminal(Option<Termios>);

impl RawTerminal {
    /// Enters raw mode, if standard input is a terminal.
    pub(super) fn enter() -> Self {
        let Ok(before) = tcgetattr(stdin()) else { return Self(None) };
        let mut raw = before.clone();
        raw.make_raw();
        let entered = tcsetattr(stdin(), OptionalActions::Now, &raw);
        Self(entered.is_ok().then_some(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0
            && let Err(error) = tcsetattr(stdin(), OptionalActions::Now, before)
        {
            tracing::warn!(%error, "the terminal stays in raw mode");
        }
    }
}

/// The terminal's size.
pub(super) fn size() -> Terminal {
    match tcgetwinsize(stdin()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            Terminal { width: size.ws_col, height: size.ws_row }
        }
        _ => DEFAULT_SIZE,
    }
}
