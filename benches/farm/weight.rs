//! What the daemon weighs with 100 runners and 10,000 jobs in its journal. The runners are on the
//! stand-in LXD: the daemon does not know the difference.

use std::fmt::Write;
use std::time::Duration;

use hmac::{Hmac, Mac};
use larm::lxd::{Client, ClientOptions};
use larm::model::Phase;
use sha2::Sha256;
use tokio::time::Instant;

use crate::ground::{Ground, SECRET};
use crate::larm::Larm;
use crate::support::standin::{StandIn, StandInOptions};

const RUNNERS: usize = 100;
const JOBS: u64 = 10_000;

pub(crate) async fn measure() {
    let options =
        StandInOptions { boot_time: Duration::from_millis(50), ..StandInOptions::default() };
    let lxd = StandIn::start(options).unwrap();
    let client = Client::new(ClientOptions::new(lxd.socket()));
    let ground = Ground::on(client, [127, 0, 0, 1].into()).await;
    let pool = format!(
        "[[pool]]\nname = 'web'\ngithub = 'acme/web'\nlabels = ['small']\nmax = {RUNNERS}\n\
         standby = {RUNNERS}\nmemory = '64MiB'\ndisk = '1MiB'\n[[pool]]\nname = 'api'\ngithub = 'acme/api'\nlabels = ['small']\n"
    );
    ground.configure("off", &pool);
    let larm = Larm::start(&ground).await;
    println!("daemon at rest, no runner: {:.1} MB", megabytes(&ground));
    let begin = Instant::now();
    larm.until_there_are(&ground, RUNNERS, Phase::Standby).await;
    let runners = begin.elapsed().as_secs_f64();
    println!(
        "{RUNNERS} standbys on the stand-in LXD in {runners:.1} s: {:.1} MB",
        megabytes(&ground)
    );
    let begin = Instant::now();
    send_jobs(&ground).await;
    let what = format!("{JOBS} jobs are known");
    ground.until(&what, async || larm.newest_job().await == Some(JOBS)).await;
    let jobs = begin.elapsed().as_secs_f64();
    println!("and {JOBS} jobs, told of by webhooks in {jobs:.1} s: {:.1} MB", megabytes(&ground));
    larm.stop();
}

/// A delivery for each job that has ended.
async fn send_jobs(ground: &Ground) {
    let (client, url) = (reqwest::Client::new(), ground.webhook_url());
    for id in 1..=JOBS {
        let body = serde_json::json!({
            "action": "completed",
            "workflow_job": {
                "id": id, "run_id": id, "run_attempt": 1, "name": "build", "labels": ["small"],
                "status": "completed", "conclusion": "success", "runner_name": format!("other-{id}"),
                "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:10Z",
                "completed_at": "2026-01-01T00:01:00Z", "workflow_name": "ci",
            },
            "repository": { "full_name": "acme/web" },
        })
        .to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let mut signature = String::new();
        for byte in mac.finalize().into_bytes() {
            write!(signature, "{byte:02x}").unwrap();
        }
        let request = client
            .post(&url)
            .header("x-github-event", "workflow_job")
            .header("x-github-delivery", format!("delivery-{id}"))
            .header("x-hub-signature-256", format!("sha256={signature}"))
            .body(body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

/// The daemon's resident memory.
fn megabytes(ground: &Ground) -> f64 {
    let pid = std::fs::read_to_string(ground.path("state/larm.pid")).unwrap();
    let pid = pid.split_whitespace().next().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib / 1024.0
}
