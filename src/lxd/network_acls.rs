//! Network ACLs: what guests on a network may reach (LXD documentation, "How to configure network
//! ACLs").

use http::Method;
use serde::{Deserialize, Serialize};

use super::client::{Client, NO_BODY};
use super::envelope::nullable;
use super::error::Error;
use super::networks::Tagged;
use super::route::Route;

/// An ACL as LXD has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct NetworkAcl {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its settings: `user.*` keys only.
    #[serde(default, deserialize_with = "nullable")]
    pub config: super::Config,
    /// Rules for what leaves the guests.
    #[serde(default, deserialize_with = "nullable")]
    pub egress: Vec<AclRule>,
    /// Rules for what comes to the guests.
    #[serde(default, deserialize_with = "nullable")]
    pub ingress: Vec<AclRule>,
    /// The networks, profiles and instances that use it, as paths.
    #[serde(default, deserialize_with = "nullable")]
    pub used_by: Vec<String>,
}

/// An ACL to be created, or what an existing one is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewNetworkAcl {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its settings: `user.*` keys only.
    pub config: super::Config,
    /// Rules for what leaves the guests.
    pub egress: Vec<AclRule>,
    /// Rules for what comes to the guests.
    pub ingress: Vec<AclRule>,
}

/// A rule. LXD looks at all that reject before all that allow, whatever their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AclRule {
    /// `allow`, `reject` or `drop`.
    pub action: String,
    /// `enabled`, `disabled` or `logged`.
    pub state: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Addresses, subnets and ranges with commas between them; any without it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// As `source`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination: String,
    /// `tcp`, `udp`, `icmp4`, `icmp6`; any without it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Ports and ranges of them with commas between them; any without it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_port: String,
    /// As `source_port`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_port: String,
    /// The type of an ICMP message.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icmp_type: String,
    /// The code of an ICMP message.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icmp_code: String,
}

impl NetworkAcl {
    /// Whether it is as wanted, whoever uses it.
    pub fn is(&self, wanted: &NewNetworkAcl) -> bool {
        let NewNetworkAcl { name, description, config, egress, ingress } = wanted;
        (&self.name, &self.description, &self.config) == (name, description, config)
            && (&self.egress, &self.ingress) == (egress, ingress)
    }
}

impl Client {
    /// All ACLs of the project.
    pub async fn network_acls(&self) -> Result<Vec<NetworkAcl>, Error> {
        let route = Route::new(&["network-acls"]).query("recursion", "1");
        self.get("list network ACLs", route).await
    }

    /// An ACL, or `None`.
    pub async fn network_acl(&self, name: &str) -> Result<Option<NetworkAcl>, Error> {
        Ok(self.network_acl_tagged(name).await?.map(|tagged| tagged.value))
    }

    /// An ACL and its version, or `None`.
    pub async fn network_acl_tagged(
        &self,
        name: &str,
    ) -> Result<Option<Tagged<NetworkAcl>>, Error> {
        let what = format!("look up network ACL {name}");
        self.get_tagged(&what, Route::new(&["network-acls", name])).await
    }

    /// Creates an ACL.
    pub async fn create_network_acl(&self, acl: &NewNetworkAcl) -> Result<(), Error> {
        let what = format!("create network ACL {}", acl.name);
        self.tell(&what, Method::POST, Route::new(&["network-acls"]), Some(acl)).await
    }

    /// Replaces the ACL of this name, unless it has changed since `etag` was read
    /// ([`Error::is_changed_meanwhile`]). The networks that use it follow at once.
    pub async fn update_network_acl(&self, acl: &NewNetworkAcl, etag: &str) -> Result<(), Error> {
        let what = format!("update network ACL {}", acl.name);
        let route = Route::new(&["network-acls", &acl.name]);
        self.tell_if(&what, Method::PUT, route, acl, etag).await
    }

    /// Deletes an ACL that nothing uses.
    pub async fn delete_network_acl(&self, name: &str) -> Result<(), Error> {
        let route = Route::new(&["network-acls", name]);
        self.tell(&format!("delete network ACL {name}"), Method::DELETE, route, NO_BODY).await
    }
}
