//! Networks and their ACLs.

use larm::lxd::{AclRule, ErrorKind, NetworkChange, NewNetwork, NewNetworkAcl};

use super::Environment;

fn text(text: &str) -> String {
    text.to_owned()
}

/// As short as the name of an interface must be.
fn name() -> String {
    format!("tacl{:08x}", uuid::Uuid::new_v4().as_u64_pair().0 >> 32)
}

fn acl(name: &str) -> NewNetworkAcl {
    let rule = AclRule {
        action: text("allow"),
        state: text("enabled"),
        description: text("what is needed"),
        destination: text("10.9.8.0/24,10.9.9.1"),
        protocol: text("tcp"),
        destination_port: text("443,8000-8010"),
        ..AclRule::default()
    };
    NewNetworkAcl {
        name: text(name),
        description: text("test"),
        config: [(text("user.x"), text("1"))].into(),
        egress: vec![rule],
        ingress: vec![],
    }
}

pub(crate) async fn keep_acls_and_refuse_late_changes(environment: Environment) {
    let (client, name) = (&environment.client, name());
    let mut acl = acl(&name);
    assert_eq!(client.network_acl(&name).await.unwrap(), None);
    client.create_network_acl(&acl).await.unwrap();
    let again = client.create_network_acl(&acl).await.unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::AlreadyExists { .. }), "{again}");
    let first = client.network_acl_tagged(&name).await.unwrap().unwrap();
    assert!(first.value.is(&acl), "{first:?}");
    assert!(client.network_acls().await.unwrap().contains(&first.value));

    let reject = AclRule { action: text("reject"), state: text("enabled"), ..AclRule::default() };
    acl.egress.push(AclRule { destination: text("1.1.1.1"), ..reject });
    client.update_network_acl(&acl, &first.etag).await.unwrap();
    let late = client.update_network_acl(&acl, &first.etag).await.unwrap_err();
    assert!(late.is_changed_meanwhile(), "{late}");
    let updated = client.network_acl(&name).await.unwrap().unwrap();
    assert!(updated.is(&acl), "{updated:?}");
    client.delete_network_acl(&name).await.unwrap();
    assert!(client.delete_network_acl(&name).await.unwrap_err().is_not_found());
}

pub(crate) async fn have_acls_that_are_in_use_then(environment: Environment) {
    let (client, name) = (&environment.client, name());
    client.create_network_acl(&acl(&name)).await.unwrap();
    let config = [("ipv4.address", "none"), ("ipv6.address", "none")];
    let network = NewNetwork {
        name: name.clone(),
        kind: text("bridge"),
        description: text("test"),
        config: config.map(|(key, value)| (text(key), text(value))).into(),
    };
    client.create_network(&network).await.unwrap();
    let first = client.network_tagged(&name).await.unwrap().unwrap();
    let change = |acls: &str| NetworkChange {
        description: text("kept"),
        config: [(text("security.acls"), text(acls))].into(),
    };
    let unknown = client.change_network(&name, &change("no-such-acl"), "").await.unwrap_err();
    assert!(unknown.to_string().contains("does not exist"), "{unknown}");
    client.change_network(&name, &change(&name), &first.etag).await.unwrap();
    let late = client.change_network(&name, &change(""), &first.etag).await.unwrap_err();
    assert!(late.is_changed_meanwhile(), "{late}");
    let found = client.network(&name).await.unwrap().unwrap();
    assert_eq!((found.config.get("security.acls"), &*found.description), (Some(&name), "kept"));
    let address = found.config.get("ipv4.address").map(String::as_str);
    assert_eq!(address, Some("none"), "what was not named stays");
    let used = client.network_acl(&name).await.unwrap().unwrap().used_by;
    assert_eq!(used, [format!("/1.0/networks/{name}")]);
    let in_use = client.delete_network_acl(&name).await.unwrap_err();
    assert!(in_use.to_string().contains("in use"), "{in_use}");
    client.delete_network(&name).await.unwrap();
    client.delete_network_acl(&name).await.unwrap();
}
