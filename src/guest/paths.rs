//! Where things are inside the guest; `files/*.sh` name the same places.

/// The guest script.
pub const SCRIPT: &str = "/usr/local/lib/larm/guest";

/// The part of the guest script that keeps the status.
pub const STATE_SCRIPT: &str = "/usr/local/lib/larm/state";

/// The hook that the runner application calls when a job starts; it insists on the suffix.
pub const HOOK_JOB_STARTED: &str = "/usr/local/lib/larm/job-started.sh";

/// The hook that the runner application calls when a job has ended.
pub const HOOK_JOB_COMPLETED: &str = "/usr/local/lib/larm/job-completed.sh";

/// The unit that runs the listener. It is on tmpfs, as the unit that starts it: a guest that was
/// restarted takes no credential.
pub const RUNNER_SERVICE: &str = "/run/systemd/system/larm-runner.service";

/// The unit that waits for the credential.
pub const RUNNER_PATH: &str = "/run/systemd/system/larm-runner.path";

/// The unit that installs a runner application that was pushed.
pub const APPLICATION_SERVICE: &str = "/run/systemd/system/larm-application.service";

/// The unit that waits for it.
pub const APPLICATION_PATH: &str = "/run/systemd/system/larm-application.path";

/// The unit that ends the guest.
pub const LIFETIME_SERVICE: &str = "/run/systemd/system/larm-lifetime.service";

/// The unit that waits until the guest's lifetime is over.
pub const LIFETIME_TIMER: &str = "/run/systemd/system/larm-lifetime.timer";

/// What sets the guest's services up.
pub const SERVICES: &str = "/usr/local/lib/larm/services";

/// The part of that which writes files.
pub const SERVICES_PROGRAM: &str = "/usr/local/lib/larm/services.py";

/// What that is told, in JSON.
pub const SERVICES_CONFIG: &str = "/usr/local/lib/larm/services.json";

/// The variables of the runner, as a file that a shell reads.
pub const ENVIRONMENT: &str = "/usr/local/lib/larm/environment";

/// What redirects traffic to aproxy.
pub const APROXY: &str = "/usr/local/lib/larm/aproxy";

/// What that is told, as a file that a shell reads.
pub const APROXY_CONFIG: &str = "/usr/local/lib/larm/aproxy.conf";

/// What decides whether a job may run.
pub const CHECKS: &str = "/usr/local/lib/larm/checks";

/// What that is told, in JSON.
pub const CHECKS_CONFIG: &str = "/usr/local/lib/larm/checks.json";

/// Runs one of the two scripts below.
pub const JOB_SCRIPT: &str = "/usr/local/lib/larm/job-script";

/// The operator's script before each job.
pub const PRE_JOB_SCRIPT: &str = "/usr/local/lib/larm/pre-job";

/// The operator's script after each job.
pub const POST_JOB_SCRIPT: &str = "/usr/local/lib/larm/post-job";

/// The one-time token for the policy service (tmpfs), until the job-started hook takes it.
pub const POLICY_TOKEN: &str = "/run/larm/policy/token";

/// Where the host puts the runner application (on disk, root only). The host makes it, and the guest
/// removes it once it has what was in it.
pub const INCOMING: &str = "/var/lib/larm-application";

/// Where the runner application is, in the image or once downloaded or pushed.
pub const APPLICATION: &str = "/opt/actions-runner";

/// The user that jobs run as.
pub const USER: &str = "runner";

/// The guest's state, on tmpfs.
pub const RUN_DIR: &str = "/run/larm";

/// How far the guest has come.
pub const STATUS: &str = "/run/larm/status";

/// Exists once a credential was taken in this boot.
pub const CLAIMED: &str = "/run/larm/claimed";

/// Where the host puts the credential (tmpfs, root only). Its directory is there as long as a
/// credential is wanted.
pub const CREDENTIAL: &str = "/run/larm/handover/credential";

/// Where the host puts the remove token (tmpfs, root only).
pub const REMOVE_TOKEN: &str = "/run/larm/unregister/token";

/// The three metrics files' directory.
pub const METRICS_DIR: &str = "/var/lib/larm/metrics";

/// Holds the time when the runner application was in place, as seconds since the epoch.
pub const INSTALLED: &str = "/var/lib/larm/metrics/runner-installed.timestamp";

/// What the job-started hook writes.
pub const PRE_JOB: &str = "/var/lib/larm/metrics/pre-job-metrics.json";

/// What is written when the listener has ended.
pub const POST_JOB: &str = "/var/lib/larm/metrics/post-job-metrics.json";

/// What cloud-init's steps printed.
pub const CLOUD_INIT_OUTPUT: &str = "/var/log/cloud-init-output.log";
