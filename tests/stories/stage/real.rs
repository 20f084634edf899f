//! A real LXD, and the stand-in GitHub on its bridge.

use std::time::Duration;

use larm::lxd::{Client, Exec};
use larm::model::{InstanceName, InstanceType, NamePrefix, Spec};
use larm::smoke::bridge_address;
use larm::smoke::standin::{JobSpec, StandIn};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::host;

/// A real LXD, and the stand-in GitHub on its bridge. Deletes this story's instances when it
/// ends, also when the story failed.
pub struct Real {
    pub client: Client,
    pub github: StandIn,
    prefix: String,
}

impl Real {
    /// Only where there is a real LXD: see [`host::client`].
    pub async fn open(prefix: &NamePrefix) -> Self {
        let client = host::client().unwrap();
        let address = bridge_address(&client, &[host::profile()]).await.unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let github = StandIn::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = github.clone();
        TaskTracker::new().spawn(async move { server.serve(listener).await.unwrap() });
        Self { client, github, prefix: prefix.to_string() }
    }

    pub fn spec(&self) -> Spec {
        Spec {
            fingerprint: String::new(),
            baked: None,
            pool: "default".into(),
            image: host::image(),
            instance_type: match host::instance_type().as_str() {
                "virtual-machine" => InstanceType::VirtualMachine,
                _ => InstanceType::Container,
            },
            profiles: vec![host::profile()],
            cpu: None,
            memory: None,
            disk: None,
            guest: String::new(),
            nesting: false,
            share: String::new(),
        }
    }

    /// Only the runner of this name has the label that the job asks for.
    pub fn queue_job(&self, name: &InstanceName, job: Duration) {
        let name = name.to_string();
        self.github.queue_job(JobSpec::new(&format!("job of {name}"), &[&name], job));
    }

    pub fn jit_config(&self, name: &InstanceName) -> SecretString {
        let name = name.to_string();
        self.github.jit_config(&name, &[&name]).unwrap()
    }

    pub async fn run(&self, name: &InstanceName, script: &str) {
        let exec = Exec::new(["sh", "-c", script]);
        let limit = Duration::from_secs(20);
        // A guest that powers itself off takes the command's end with it.
        if let Err(error) = self.client.run(&name.to_string(), &exec, 4096, limit).await {
            eprintln!("{script}: {error}");
        }
    }

    pub fn expect_no_double_run(&self) {
        for job in self.github.jobs() {
            assert!(job.runs <= 1, "{job:?}");
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.github.stop();
        let (client, prefix) = (self.client.clone(), self.prefix.clone());
        let sweep = async move {
            for instance in client.instances().await.unwrap_or_default() {
                if instance.name.starts_with(&prefix) {
                    delete(&client, &instance.name).await;
                }
            }
        };
        // A thread of its own: a runtime may not be blocked from within itself.
        let sweep = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(sweep);
        };
        if std::thread::spawn(sweep).join().is_err() {
            eprintln!("instances {}* may be left behind", self.prefix);
        }
    }
}

async fn delete(client: &Client, name: &str) {
    let limit = Duration::from_secs(60);
    if let Ok(operation) = client.change_state(name, larm::lxd::StateChange::PULL_THE_PLUG).await {
        drop(client.wait(&operation, limit).await);
    }
    if let Ok(operation) = client.delete_instance(name).await {
        drop(client.wait(&operation, limit).await);
    }
}
