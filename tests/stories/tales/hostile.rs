//! Guests that lie, shout and leave traps: only they themselves are harmed.

use std::time::Duration;

use larm::manager::CloudRunnerManager;
use larm::model::{JournalEntry, JournalKind, MetricFact, Phase};

use crate::stage::{Lxd, Place, Stage};

const METRICS: &str = "/var/lib/larm/metrics/pre-job-metrics.json";

/// Each spoils the metrics that the next report shows.
const TRAPS: [&str; 8] = [
    "head -c 1048576 /dev/zero | tr '\\0' a > $M",
    "ln -sf /etc/shadow $M",
    "rm -f $M; mkfifo $M",
    "printf '\\377\\376{\"timestamp\"' > $M",
    "python3 -c \"print('[' * 1000)\" > $M",
    "echo '{\"timestamp\": NaN, \"workflow\": \"w\"}' > $M",
    "echo '{\"timestamp\": 1e400, \"workflow\": \"w\", \"repository\": \"a/b\", \
     \"event\": \"push\", \"workflow_run_id\": \"1\"}' > $M",
    "rm -f $M; mkdir $M",
];

pub async fn hostile_files_harm_nobody_else(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let hostile = stage.idle_runner().await;
    let name = stage.reaches(&hostile, Phase::Listening).await.name.clone();
    let good = stage.busy_runner(Duration::from_secs(1)).await;
    match &stage.lxd {
        Lxd::Real(real) => {
            for trap in TRAPS {
                real.run(&name, &format!("M={METRICS}; rm -rf $M; {trap}")).await;
                let report = report_of(&stage, &name).await;
                assert!(report.pre_job.present().is_none(), "{trap}: {report:?}");
            }
        }
        Lxd::StandIn(standin) => {
            let guest = standin.guest(&name.to_string());
            for bytes in lies() {
                guest.write_report_bytes(bytes);
                tokio::task::yield_now().await;
            }
            guest.clear_report_bytes();
        }
    }
    assert_eq!(stage.reaches_gone(&good).await.exit_code, Some(0));
    assert_eq!(stage.record(&hostile).phase, Phase::Listening);
    let metrics = stage.manager().delete_runner(&hostile, None, true).await.unwrap().unwrap();
    assert!(metrics.pre_job.is_none());
    assert_eq!(stage.metrics_told(&hostile).await, 1);
    let told: Vec<_> = stage.journal(&hostile).await;
    let is_start = |entry: &JournalEntry| matches!(&entry.what, JournalKind::Metric { metric } if !matches!(metric.what, MetricFact::RunnerInstalled { .. }));
    assert!(!told.iter().any(is_start), "what is corrupt makes no event: {told:#?}");
    stage.strike().await;
}

async fn report_of(stage: &Stage, name: &larm::model::InstanceName) -> larm::model::GuestReport {
    let command = larm::guest::command::report();
    let exec = larm::lxd::Exec { command, ..larm::lxd::Exec::default() };
    let limit = Duration::from_secs(20);
    let output = stage.client.run(&name.to_string(), &exec, 16_384, limit).await.unwrap();
    larm::guest::report::parse(&output.stdout).unwrap()
}

fn lies() -> Vec<Vec<u8>> {
    vec![
        vec![b'a'; 1 << 20],
        b"\xff\xfe\x00".to_vec(),
        b"larm-report 1\nstatus !a symbolic link\nend\n".to_vec(),
        [b"larm-report 1\nstatus ".as_slice(), &[b'['; 1000], b"\nend\n"].concat(),
        b"larm-report 1\nstatus bGFybS1zdGF0dXMgMQpzZXEgMTg0NDY3NDQwNzM3MDk1NTE2MTYK\nend\n"
            .to_vec(),
        Vec::new(),
    ]
}

pub async fn a_bell_that_never_stops_ringing_is_heard_seldom(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let loud = stage.idle_runner().await;
    let name = stage.reaches(&loud, Phase::Listening).await.name.clone();
    // A script that says at once, each time, that there is news.
    let storm = "cat > /usr/local/lib/larm/guest <<'S'\n#!/bin/sh\n\
        n=$(date +%s%N)\n\
        s=$(printf 'larm-status 1\\nseq %s\\nphase listening\\n' \"$n\" | base64 -w0)\n\
        printf 'larm-report 1\\nstatus %s\\npre-job -\\npost-job -\\nend\\n' \"$s\"\nS\n\
        kill $(pgrep -f 'larm/guest watch') 2>/dev/null; true";
    stage.in_guest(&name, storm, |guest| assert!(guest.storm(true))).await;
    let mut told = stage.manager().view().journal_head;
    for _ in 0..2 {
        let good = stage.busy_runner(Duration::from_millis(500)).await;
        assert_eq!(stage.reaches_gone(&good).await.exit_code, Some(0));
        let head = stage.manager().view().journal_head;
        assert!(head - told < 40, "the journal is not flooded: {told} to {head}");
        told = head;
    }
    if let Lxd::StandIn(standin) = &stage.lxd {
        standin.clear_requests();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let rings = standin.requests().iter().filter(|one| one.path.contains("/exec?")).count();
        assert!(rings <= 20, "{rings} watches in three seconds");
    }
    stage.manager().delete_runner(&loud, None, true).await.unwrap().unwrap();
    stage.strike().await;
}
