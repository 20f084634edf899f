//! The runner application to download, and its versions.

use std::io::Read;

use flate2::read::GzDecoder;
use larm::smoke::standin::{DEFAULT_VERSION, Faults, Versions};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Hub, header};

#[derive(Debug, Deserialize)]
struct Download {
    os: String,
    architecture: String,
    download_url: String,
    filename: String,
    sha256_checksum: String,
}

async fn linux(hub: &Hub) -> Download {
    let all: Vec<Download> = hub.read("/orgs/acme/actions/runners/downloads").await;
    assert!(all.len() > 3);
    let wanted = |one: &Download| one.os == "linux" && one.architecture == "x64";
    all.into_iter().find(wanted).unwrap()
}

#[tokio::test]
async fn the_newest_version_is_offered_and_served() {
    let hub = Hub::open().await;
    let deprecations = [("2.340.0".to_owned(), None)].into();
    hub.github.set_versions(Versions { newest: "2.340.0".into(), deprecations, padding: 5000 });
    let offered = linux(&hub).await;
    assert_eq!(offered.filename, "actions-runner-linux-x64-2.340.0.tar.gz");
    let whole = hub.client.get(&offered.download_url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(format!("{:x}", Sha256::digest(&whole)), offered.sha256_checksum);
    assert!(whole.len() > 5000);
    let mut archive = tar::Archive::new(GzDecoder::new(whole.as_ref()));
    let version = archive.entries().unwrap().map(Result::unwrap).find_map(|mut entry| {
        let is_version = entry.path().unwrap().ends_with("bin/version");
        let mut text = String::new();
        is_version.then(|| entry.read_to_string(&mut text).unwrap()).map(|_| text)
    });
    assert_eq!(version.as_deref(), Some("2.340.0\n"));
    let rest = hub.client.get(&offered.download_url).header("range", "bytes=4000-").send();
    let rest = rest.await.unwrap();
    assert_eq!(rest.status(), 206);
    let range = format!("bytes 4000-{}/{}", whole.len() - 1, whole.len());
    assert_eq!(header(&rest, "content-range"), range);
    assert_eq!(rest.bytes().await.unwrap(), whole.slice(4000..));
    let beyond = hub.client.get(&offered.download_url).header("range", "bytes=999999999-").send();
    assert_eq!(beyond.await.unwrap().status(), 416);
    assert_eq!(hub.status("/runner-downloads/actions-runner-linux-x64-1.0.tar.gz").await, 404);
}

#[tokio::test]
async fn dates_of_versions_are_told() {
    let hub = Hub::open().await;
    let date = "2026-11-05T08:04:00Z".parse().ok();
    let deprecations = [("2.336.0".to_owned(), date), ("2.337.0".to_owned(), None)].into();
    hub.github.set_versions(Versions { deprecations, ..Versions::default() });
    let path = "/repos/acme/site/actions/runners/deprecations";
    let known: Value = hub.read(&format!("{path}/2.336.0")).await;
    assert_eq!(known["runner_version"], "2.336.0");
    assert_eq!(known["runtime_deprecates_at"], "2026-11-05T08:04:00Z");
    let open: Value = hub.read(&format!("{path}/2.337.0")).await;
    assert!(
        open["runtime_deprecates_at"].is_null() && open["registration_deprecates_at"].is_null()
    );
    assert_eq!(hub.status(&format!("{path}/2.100.0")).await, 404);
    assert!(linux(&hub).await.filename.contains(DEFAULT_VERSION));
}

#[tokio::test]
async fn a_download_that_breaks_can_be_taken_up_again() {
    let hub = Hub::open().await;
    hub.github.set_versions(Versions { padding: 50_000, ..Versions::default() });
    hub.github.set_faults(Faults { break_downloads: 1, ..Faults::default() });
    let offered = linux(&hub).await;
    let mut first = hub.client.get(&offered.download_url).send().await.unwrap();
    let mut got = Vec::new();
    let error = loop {
        match first.chunk().await {
            Ok(Some(chunk)) => got.extend(chunk),
            Ok(None) => panic!("the download did not break"),
            Err(error) => break error,
        }
    };
    let from = format!("bytes={}-", got.len());
    let rest = hub.client.get(&offered.download_url).header("range", from).send().await.unwrap();
    assert_eq!(rest.status(), 206, "{error}");
    got.extend(rest.bytes().await.unwrap());
    assert_eq!(format!("{:x}", Sha256::digest(&got)), offered.sha256_checksum);
}
