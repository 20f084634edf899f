//! The user's terminal: its size, raw mode, and typing unseen.

use std::io::{self, stdin};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

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

/// Keeps what is typed off the screen, and shows it again when dropped.
#[derive(Debug)]
pub(super) struct Unseen(Termios);

impl Unseen {
    /// Switches the echo off; standard input must be a terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Now, &unseen)?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(stdin(), OptionalActions::Now, &self.0) {
            tracing::warn!(%error, "the terminal does not show what is typed: `stty echo`");
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
