//! One check's outcome.

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// It works, but not as well as it could, or it could not be told.
    Warn,
    /// Runners will not work.
    Fail,
}

/// One check's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    pub(super) name: &'static str,
    /// How it ended.
    pub(super) status: Status,
    /// What was found.
    pub(super) detail: String,
    /// The command that mends it, or what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, detail: detail.into(), fix: None }
    }

    pub(super) fn warn(
        name: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, status: Status::Warn, detail: detail.into(), fix: Some(fix.into()) }
    }

    pub(super) fn fail(
        name: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, status: Status::Fail, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// The same, as a warning at most: for what only matters to what is not configured.
    #[must_use]
    pub(super) fn at_most_warn(mut self) -> Self {
        if self.status == Status::Fail {
            self.status = Status::Warn;
        }
        self
    }
}

/// Bytes as people say them.
pub(in crate::cli) fn bytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes >= 10 << 30 { format!("{} GiB", bytes >> 30) } else { format!("{} MiB", bytes / MIB) }
}

/// What is left of a disk or pool: too little fails, little warns.
pub(super) fn space(name: &'static str, what: &str, free: u64, total: u64, fix: &str) -> Check {
    let detail = format!("{what}: {} of {} free", bytes(free), bytes(total));
    if free < 512 << 20 {
        Check::fail(name, detail, fix)
    } else if free < total / 20 {
        Check::warn(name, detail, fix)
    } else {
        Check::ok(name, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_space_warns_and_too_little_fails() {
        let status =
            |free: u64, total: u64| space("disk", "/x", free << 20, total << 20, "f").status;
        assert_eq!(status(10_000, 20_000), Status::Ok);
        assert_eq!(status(900, 20_000), Status::Warn);
        assert_eq!(status(100, 20_000), Status::Fail);
        assert_eq!(bytes(20 << 30), "20 GiB");
        assert_eq!(bytes(300 << 20), "300 MiB");
    }
}
