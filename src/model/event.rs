//! Everything that can happen to a runner, as one closed enum.

use jiff::{SignedDuration, Timestamp};

use super::{Binding, CloudRunnerState, GuestReport, JobFacts, ProbeReading};

/// Everything that can happen to a runner.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// There is room for it: its instance may be made.
    Admitted,
    /// [`super::Action::Create`] succeeded, or the instance was there already; LXD took so long.
    Created(SignedDuration),
    /// [`super::Action::Create`] failed.
    CreateFailed(Fault),
    /// [`super::Action::Start`] succeeded, or the instance was running already; LXD took so long.
    Started(SignedDuration),
    /// [`super::Action::Start`] failed.
    StartFailed(Fault),
    /// [`super::Action::Install`] succeeded.
    Installed {
        /// The version that was pushed.
        version: String,
        /// How long LXD took.
        took: SignedDuration,
    },
    /// [`super::Action::Install`] failed, or was broken off.
    InstallFailed(Fault),
    /// LXD told the instance's state.
    Seen(CloudRunnerState),
    /// LXD told that the instance is frozen.
    SeenFrozen,
    /// Nobody needs it at the moment: it is to be frozen.
    FreezeWanted,
    /// [`super::Action::Freeze`] succeeded, or it was frozen already.
    Froze,
    /// [`super::Action::Freeze`] failed.
    FreezeFailed(Fault),
    /// It will be needed soon: it is to be thawed.
    ThawWanted,
    /// [`super::Action::Thaw`] succeeded, or it ran already; LXD took so long.
    Thawed(SignedDuration),
    /// [`super::Action::Thaw`] failed.
    ThawFailed(Fault),
    /// The guest told how far it has come.
    Reported(Box<GuestReport>),
    /// A probe was tried: its reading, or why it could not run.
    Probed(Result<ProbeReading, String>),
    /// Somebody gave a credential for it.
    Claimed,
    /// It is given to a pool, and is to be registered as that pool's.
    Bound(Binding),
    /// GitHub's list tells what it is registered as, of which its record knows nothing.
    Recognized {
        /// What it is registered as.
        binding: Binding,
        /// Its number at GitHub.
        registration: u64,
    },
    /// GitHub has registered it, with this number.
    Registered(u64),
    /// GitHub did not register it; nothing was pushed.
    NotRegistered {
        /// GitHub's words.
        error: String,
        /// Until when it is of no use to ask again, where GitHub told.
        until: Option<Timestamp>,
    },
    /// Its registration is not there any more: it was removed, or GitHub does not know it.
    Unregistered,
    /// Its credential is not in memory, though it has not been handed over for certain.
    CredentialLost,
    /// [`super::Action::HandOver`] succeeded; LXD took so long.
    HandedOver(SignedDuration),
    /// [`super::Action::HandOver`] failed.
    HandOverFailed(Fault),
    /// The farm knows more of its job.
    JobKnown(JobFacts),
    /// Somebody wants it removed.
    RemovalWanted {
        /// Whether a running job may be killed.
        force: bool,
        /// Why, in plain words.
        reason: String,
    },
    /// Somebody wants its instance held for so long once it has ended.
    HoldWanted(SignedDuration),
    /// Nobody wants its instance held any more.
    Released,
    /// [`super::Action::Quiesce`] ended.
    Quiesced(Quiesced),
    /// [`super::Action::Collect`] ended; with the guest's last report, if there was one to be had.
    Collected(Option<Box<GuestReport>>),
    /// [`super::Action::Collect`] could not be tried, because LXD did not answer.
    CollectFailed(Fault),
    /// [`super::Action::Remove`] succeeded: the instance was looked for and is not there.
    Removed,
    /// [`super::Action::Remove`] failed.
    RemoveFailed(Fault),
    /// Time has passed.
    Due,
    /// The slow sweep came by.
    Swept,
}

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether it is worth repeating: LXD did not answer, or was too busy.
    pub transient: bool,
    /// LXD's words.
    pub message: String,
}

/// How ending the listener went, as decided inside the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quiesced {
    /// No job runs, and none can be taken any more.
    Stopped,
    /// A job runs, and goes on.
    Busy,
    /// The guest could not be asked.
    Unreachable(String),
}
