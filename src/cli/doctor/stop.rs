//! Ctrl-C during a look inside: LXD's own steps are let end, as only then the instance can be
//! removed; waiting for the guest is not.

use std::future::Future;
use std::pin::{Pin, pin};

use crate::cli::progress::Progress;
use crate::daemon::{DaemonError, StopSignal};

/// Whether, and when, somebody wants an end.
pub(super) struct Stop<'a> {
    signal: Pin<Box<dyn Future<Output = ()>>>,
    progress: &'a Progress,
    asked: bool,
}

impl<'a> Stop<'a> {
    /// Not listening yet: a signal ends the program, which has started nothing.
    pub(super) fn new(progress: &'a Progress) -> Self {
        Self { signal: Box::pin(std::future::pending()), progress, asked: false }
    }

    /// Listens for signals from here on.
    pub(super) fn listen(&mut self) -> Result<(), DaemonError> {
        let mut signals = StopSignal::catch()?;
        self.signal = Box::pin(async move { signals.next().await });
        Ok(())
    }

    /// Whether an end was asked for.
    pub(super) fn asked(&self) -> bool {
        self.asked
    }

    /// Does a step to its end, and remembers a signal that comes meanwhile.
    pub(super) async fn during<T>(&mut self, step: impl Future<Output = T>) -> T {
        let mut step = pin!(step);
        if !self.asked {
            tokio::select! {
                biased;
                () = &mut self.signal => self.note(),
                done = &mut step => return done,
            }
        }
        step.await
    }

    /// Does a step until a signal comes, or none at all if one has come.
    pub(super) async fn unless_asked<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        if self.asked {
            return None;
        }
        tokio::select! {
            biased;
            () = &mut self.signal => self.note(),
            done = step => return Some(done),
        }
        None
    }

    fn note(&mut self) {
        self.asked = true;
        self.progress.say("ending: the throw-away instance is removed");
    }
}
