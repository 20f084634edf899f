//! What a job may do to its guest: none of it makes a report that cannot be read.

use std::time::Duration;

use larm::guest::command::BUSY;
use larm::model::{Found, GuestPhase};
use larm::smoke::standin::JobSpec;

use crate::support::Host;

/// Each writes `$f`, which is one of the metrics files.
const FILES: [(&str, &str); 9] = [
    ("head -c 1048576 /dev/zero > $f", "larger than"),
    ("ln -s /etc/passwd $f", "a symbolic link"),
    ("mkfifo $f", "no regular file"),
    ("mkdir $f", "no regular file"),
    ("printf '\\377\\376' > $f", "not UTF-8"),
    ("head -c 1000 /dev/zero | tr '\\0' '[' > $f", "no JSON object"),
    ("python3 -c 'print(\"{\\\"a\\\":\"*200)' > $f", "EOF while parsing"),
    ("echo '{\"timestamp\":NaN}' > $f", "expected value"),
    ("echo '{\"timestamp\":1e400}' > $f", "out of range"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_files_are_corrupt_and_nothing_worse() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    for (write, why) in FILES {
        for name in ["pre-job-metrics.json", "post-job-metrics.json"] {
            let file = format!("f=/var/lib/larm/metrics/{name}; rm -rf $f");
            guest.shell(&format!("{file}; {write}")).await;
            let report = guest.report().await.unwrap();
            guest.shell(&file).await;
            let (pre_job, post_job) = (format!("{:?}", report.pre_job), report.post_job);
            let said = if name.starts_with("pre") { pre_job } else { format!("{post_job:?}") };
            assert!(said.starts_with("Corrupt") && said.contains(why), "{write}: {said}");
        }
    }
    for write in [
        "head -c 1048576 /dev/zero > $f",
        "ln -s /etc/passwd $f",
        "mkfifo $f",
        "printf '\\377' > $f",
        "printf 'larm-status 1\\nseq 999999999\\nphase ready\\n' > $f",
    ] {
        guest.shell(&format!("f=/run/larm/status; mv $f $f.kept; {write}")).await;
        assert!(guest.report().await.is_err(), "{write}");
        guest.shell("f=/run/larm/status; rm -f $f; mv $f.kept $f").await;
    }
    assert_eq!(guest.report().await.unwrap().phase, GuestPhase::Ready);
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fights_its_guest_ends_as_others_do() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
    let mut job = JobSpec::new("fight", &[], Duration::ZERO);
    job.steps = vec![
        // Rings as nobody should, writes what nobody asked for.
        "timeout 1 sh -c 'yes job-started > /run/larm/doorbell' || true".to_owned(),
        "rm -f /var/lib/larm/metrics/pre-job-metrics.json".to_owned(),
        "ln -s /etc/shadow /var/lib/larm/metrics/pre-job-metrics.json".to_owned(),
        "ln -s /etc/passwd /var/lib/larm/metrics/post-job-metrics.json".to_owned(),
    ];
    host.github.queue_job(job);
    let finished = guest.until(GuestPhase::Finished).await;
    assert_eq!(finished.exit_code, Some(0));
    assert_eq!(finished.pre_job, Found::Corrupt("a symbolic link".to_owned()));
    assert_eq!(finished.post_job, Found::Corrupt("a symbolic link".to_owned()));
    let passwd = guest.shell("head -c 5 /etc/passwd").await;
    assert_eq!(passwd, "root:");
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_deleted_during_the_job_comes_back_with_its_end() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
    let id = host.github.queue_job(JobSpec::new("long", &[], Duration::from_secs(3)));
    let busy = guest.until(GuestPhase::Busy).await;
    guest.shell("rm -rf /run/larm").await;
    assert!(guest.report().await.is_err());
    assert_eq!(guest.flush(false).await, BUSY, "nobody who lost the status may end a job");
    // The watch that is armed after it hears the end, by a seq that it cannot have known.
    let finished = guest.until(GuestPhase::Finished).await;
    assert!(finished.seq > busy.seq);
    assert_eq!(finished.exit_code, Some(0));
    assert_eq!(host.github.jobs().into_iter().find(|job| job.id == id).unwrap().runs, 1);
    drop(guest);
    host.close().await;
}
