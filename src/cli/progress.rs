//! A spinner on standard error while something takes time; silent where nobody watches.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::context::Context;

/// A spinner with a message and the time that has passed.
#[derive(Debug)]
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Starts one, if a person watches.
    pub(super) fn start(context: &Context, message: &str) -> Self {
        let watched = std::io::stderr().is_terminal() && !context.global.quiet;
        let bar = watched.then(|| {
            let bar = ProgressBar::new_spinner().with_message(message.to_owned());
            let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self(bar)
    }

    /// Whether anyone sees it.
    pub(super) fn is_shown(&self) -> bool {
        self.0.is_some()
    }

    /// Says what is being waited for.
    pub(super) fn say(&self, message: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(super::print::plain(message));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
