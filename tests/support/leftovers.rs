//! The instances of one test in LXD, by their prefix: listed, and deleted in the end.

use std::time::Duration;

use larm::lxd::{Client, Error, StateChange};

/// The names of the instances of this prefix that there are.
pub async fn named(client: &Client, prefix: &str) -> Result<Vec<String>, Error> {
    let names = client.instances().await?.into_iter().map(|instance| instance.name);
    Ok(names.filter(|name| name.starts_with(prefix)).collect())
}

/// Deletes an instance, whatever it does.
pub async fn delete(client: &Client, name: &str) {
    let limit = Duration::from_mins(1);
    if let Ok(operation) = client.change_state(name, StateChange::PULL_THE_PLUG).await {
        drop(client.wait(&operation, limit).await);
    }
    if let Ok(operation) = client.delete_instance(name).await {
        drop(client.wait(&operation, limit).await);
    }
}

/// Deletes all instances of this prefix; for the end of a test, from within a runtime or not.
pub fn sweep(client: &Client, prefix: &str) {
    let (client, prefix) = (client.clone(), prefix.to_owned());
    let left = prefix.clone();
    let sweep = async move {
        for name in named(&client, &prefix).await.unwrap_or_default() {
            eprintln!("{name} is left behind; it is deleted");
            delete(&client, &name).await;
        }
    };
    // A thread of its own: a runtime may not be blocked from within itself.
    let sweep = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(sweep);
    };
    if std::thread::spawn(sweep).join().is_err() {
        eprintln!("instances {left}* may be left behind");
    }
}
