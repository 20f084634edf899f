//! The good life of an image, and the way back from a bad one.

use crate::ground::{Ground, good, said};
use crate::host;

const PACKAGE: &str = "packages = [\"file\"]\n";
/// Breaks what the canary looks for, and nothing that the build itself would notice.
const BREAKS: &str = "#!/bin/sh\nrm /opt/actions-runner/bin/Runner.Listener\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_are_built_gone_back_from_and_pruned() {
    let Some(ground) = Ground::find() else { return };
    let alias = ground.alias.as_str();
    let built = ground.build(PACKAGE, &["--json"]).output().unwrap();
    let text = String::from_utf8(good(&built).stdout.clone()).unwrap();
    assert!(text.contains(r#"{"event":"began","step":"packages"}"#), "{text}");
    let first: serde_json::Value = serde_json::from_str(text.lines().next_back().unwrap()).unwrap();
    assert_eq!((&first["number"], &first["standing"]), (&1.into(), &"current".into()));
    assert_eq!(first["runner_version"], "2.999.0");
    assert_eq!(ground.target().await.as_deref(), first["fingerprint"].as_str());
    assert_eq!(ground.instances().await, [""; 0]);

    let looked = "cloud-init status --wait > /dev/null; command -v file; \
        systemctl is-enabled apt-daily.service; stat -c %U /opt/actions-runner; id -nG runner; \
        ls /run/larm-bake /var/lib/larm-bake-script /tmp/x 2>/dev/null; wc -c < /etc/machine-id";
    let seen = ground.ask(looked).await;
    assert_eq!(seen, "/usr/bin/file\nmasked\nrunner\nrunner adm docker\n33\n");

    good(&ground.build("packages = []\n", &[]).output().unwrap());
    assert_eq!(ground.standings(), [(2, "current".into()), (1, "previous".into())]);
    let second = ground.json(&["show", alias]);
    assert_ne!(second["recipe"], first["recipe"]);

    // A bad one leaves all as it was.
    ground.write("breaks", BREAKS);
    let bad = ground.build("packages = []\nscript = \"breaks\"\n", &[]).output().unwrap();
    assert_eq!(bad.status.code(), Some(1), "{}", said(&bad));
    assert!(said(&bad).contains("error: failed to try the image"), "{}", said(&bad));
    assert!(said(&bad).contains("there is no runner application in"), "{}", said(&bad));
    assert_eq!(ground.target().await.as_deref(), second["fingerprint"].as_str());
    assert_eq!(ground.standings().len(), 2);
    assert_eq!(ground.instances().await, [""; 0]);

    let back = ground.json(&["rollback", alias]);
    assert_eq!((&back["from"], &back["to"]), (&2.into(), &1.into()));
    assert!(ground.json(&["show", alias])["restored_at"].is_string());
    assert_eq!(ground.target().await.as_deref(), first["fingerprint"].as_str());
    assert_eq!(ground.standings(), [(2, "withdrawn".into()), (1, "current".into())]);
    let none = ground.command(&["rollback", alias]).output().unwrap();
    assert_eq!(none.status.code(), Some(3), "{}", said(&none));

    // Somebody uses it under another name.
    let (pin, pinned) = (format!("{alias}-pin"), second["fingerprint"].as_str().unwrap());
    ground.client.create_alias(&pin, pinned).await.unwrap();
    good(&ground.command(&["prune", alias]).output().unwrap());
    assert_eq!(ground.standings().len(), 2);
    ground.client.delete_alias(&pin).await.unwrap();

    let would = good(&ground.command(&["prune", alias, "--dry-run"]).output().unwrap()).clone();
    assert!(said(&would).contains(&format!("would delete {alias}@2, withdrawn")));
    assert_eq!(ground.standings().len(), 2);
    good(&ground.command(&["prune", alias]).output().unwrap());
    assert_eq!(ground.standings(), [(1, "current".into())]);
}

/// A distribution may have Docker's client in a package of its own, as Debian 13 does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_comes_with_its_client() {
    let Some(ground) = Ground::find() else { return };
    let base = host::variable("LARM_TEST_IMAGE_TRIXIE", &host::image());
    let recipe = "packages = []\ndocker = true\napplication = false\n";
    good(&ground.build(recipe, &["--base", &base]).output().unwrap());
    let seen = ground
        .ask("ls /usr/bin/docker /usr/sbin/dockerd; systemctl --root=/ is-enabled docker")
        .await;
    assert_eq!(seen, "/usr/bin/docker\n/usr/sbin/dockerd\nenabled\n");
}
