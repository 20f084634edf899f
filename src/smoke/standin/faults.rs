//! How the stand-in misbehaves, to be ordered.

use std::time::Duration;

/// How the server misbehaves. What is given as permille is drawn from [`Self::seed`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// Runners' registrations and sessions are refused.
    pub refuse_registration: bool,
    /// Every answer waits for so long first.
    pub delay: Duration,
    /// So many of the next requests are answered with status 500.
    pub failures: u32,
    /// So many of the next jobs are given to a runner whose connection then breaks before it is
    /// told.
    pub drop_assignments: u32,
    /// So many of the next downloads of the runner application break in the middle.
    pub break_downloads: u32,
    /// What chance is drawn from: the same seed and the same requests give the same faults.
    pub seed: u64,
    /// So many in a thousand REST requests get status 500 and have no effect.
    pub errors: u16,
    /// So many in a thousand REST requests get status 502 after they had their effect.
    pub errors_after: u16,
    /// Whether the runners' own service fails as often as the REST API does.
    pub errors_for_runners: bool,
    /// Lists of runners and runs show how things were so long ago.
    pub list_lag: Duration,
    /// What happens to webhooks.
    pub webhooks: WebhookFaults,
}

/// What happens to webhooks: so many in a thousand, each drawn by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookFaults {
    /// Never sent, and recorded as a delivery that failed.
    pub lost: u16,
    /// Never sent, and not recorded either.
    pub lost_silently: u16,
    /// Sent twice with the same GUID.
    pub duplicated: u16,
    /// Sent later, so that others overtake it.
    pub late: u16,
    /// How late at most.
    pub late_by: Duration,
    /// Followed by one of somebody else's, signed wrongly, for a job that does not exist.
    pub forged: u16,
}
