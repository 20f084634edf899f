//! What a guest does by itself, with no daemon: it ends when its lifetime is over, and it redirects
//! traffic.

use std::time::Duration;

use jiff::SignedDuration;
use larm::guest::{GuestServices, UserData};
use larm::model::{GuestPhase, PostJobStatus, ProxyConfig};
use larm::smoke::standin::JobSpec;

use crate::support::{Guest, Host};

/// Long enough for a slow machine to boot in.
const LIFETIME: SignedDuration = SignedDuration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_whose_lifetime_is_over_ends_itself() {
    let Some(host) = Host::find().await else { return };
    let lifetime = Some(LIFETIME);
    let data = UserData { runner: host.github.runner_source(), lifetime, ..UserData::default() };
    tokio::join!(expires_with_a_job(&host, &data), expires_without_a_job(&host, &data));
    host.close().await;
}

/// A job has a lifetime of its own, however long its runner has waited for it.
async fn expires_with_a_job(host: &Host, data: &UserData) {
    let mut guest = host.boot_with(data).await;
    listening(&mut guest).await;
    // It has less left than a lifetime.
    guest.shell("sleep 5").await;
    let name = guest.name();
    host.github.queue_job(JobSpec::new("long", &[&name], Duration::from_mins(5)));
    let finished = guest.until(GuestPhase::Finished).await;
    assert_eq!(finished.detail.as_deref(), Some("its lifetime is over"));
    let at = |phase| finished.reached[&phase];
    let lived = at(GuestPhase::Finished).duration_since(at(GuestPhase::Busy));
    // The timer begins a moment before the phase.
    let least = LIFETIME - SignedDuration::from_secs(2);
    assert!(lived >= least, "it began anew with the job: {lived:#}");
    assert_eq!(finished.exit_code, Some(137));
    assert_eq!(finished.post_job.present().unwrap().status, PostJobStatus::Abnormal);
    stops(host, &name).await;
}

/// Nothing was lost: that is no bad end.
async fn expires_without_a_job(host: &Host, data: &UserData) {
    let mut guest = host.boot_with(data).await;
    listening(&mut guest).await;
    let finished = guest.until(GuestPhase::Finished).await;
    assert_eq!(finished.detail.as_deref(), Some("its lifetime is over"));
    assert_eq!((finished.exit_code, finished.post_job.present()), (None, None));
    stops(host, &guest.name()).await;
}

async fn listening(guest: &mut Guest<'_>) {
    guest.until(GuestPhase::Ready).await;
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
}

async fn stops(host: &Host, name: &str) {
    let stopped = async {
        while host.client.instance(name).await.unwrap().unwrap().status != "Stopped" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), stopped).await.unwrap();
}

/// Its instance may be held for a week.
async fn expect_lifetime_outlasts_a_hold(guest: &Guest<'_>) {
    let asked = "systemctl is-active larm-lifetime.timer larm-lifetime-held.timer";
    let outlasts = async {
        while guest.shell(asked).await != "inactive\nactive\n" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), outlasts).await.unwrap();
}

/// Answers all that comes, with its arguments.
const APROXY: &str = "#!/usr/bin/python3
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(('aproxy ' + ' '.join(sys.argv[1:]) + ' for ' + self.headers['Host']).encode())
http.server.HTTPServer(('', 54969), Answer).serve_forever()
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_excluded_is_redirected_to_aproxy() {
    let Some(host) = Host::find().await else { return };
    let services = GuestServices {
        proxy: Some(ProxyConfig {
            http: Some("http://192.0.2.7:3128".to_owned()),
            use_aproxy: true,
            aproxy_exclude: vec!["10.0.0.0/8".to_owned(), "198.51.100.1-198.51.100.9".to_owned()],
            aproxy_ports: vec!["80".to_owned(), "8000-8010".to_owned()],
            ..ProxyConfig::default()
        }),
        ..GuestServices::default()
    };
    let lifetime = Some(SignedDuration::from_hours(1));
    let data = UserData { services, lifetime, ..UserData::default() };
    let mut guest = host.boot_with(&data).await;
    let failed = guest.until(GuestPhase::Failed).await;
    let detail = failed.detail.unwrap_or_default();
    assert!(detail.starts_with("the image has no "), "{detail}");
    expect_lifetime_outlasts_a_hold(&guest).await;

    let install =
        "apt-get update -qq >/dev/null 2>&1; apt-get install -qq -y nftables >/dev/null 2>&1";
    guest.shell(&format!("command -v nft || {{ {install}; }}")).await;
    if guest.shell("command -v nft").await.is_empty() {
        println!("left out: aproxy: the guest has no nft, and cannot install it");
        drop(guest);
        host.close().await;
        return;
    }
    guest.push("/usr/local/bin/aproxy", APROXY.as_bytes()).await;
    guest.shell("chmod 755 /usr/local/bin/aproxy").await;
    // Twice: it is safe to repeat.
    for _ in 0..2 {
        let said = guest.shell("/usr/local/lib/larm/aproxy 2>&1; echo $?").await;
        assert_eq!(said, "0\n");
        guest.shell("systemctl stop larm-aproxy.service; true").await;
    }
    let said = guest.shell("/usr/local/lib/larm/aproxy 2>&1; echo $?").await;
    assert_eq!(said, "0\n");
    let get = async |url: &str| guest.shell(&format!("curl -sS -m 5 {url} 2>&1")).await;
    let arguments = "aproxy --proxy=192.0.2.7:3128 --listen=:54969";
    assert_eq!(get("http://203.0.113.5/").await, format!("{arguments} for 203.0.113.5"));
    assert_eq!(get("http://203.0.113.5:8004/").await, format!("{arguments} for 203.0.113.5:8004"));
    for direct in ["http://203.0.113.5:8011/", "http://198.51.100.4/", "http://192.0.2.7/"] {
        let said = get(direct).await;
        assert!(!said.contains("aproxy"), "{direct}: {said}");
    }
    drop(guest);
    host.close().await;
}
