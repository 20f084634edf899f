//! What can be had of a runner's logs, from its guest, from LXD and from larm itself; all of it
//! masked.
//!
//! An instance that still runs is asked by one exec. Of one that stands still the files of a guest
//! that never had a job are read: a job may have put a fifo in a file's place, which LXD would hang
//! at (`lxd/files.rs`). Of one that LXD has deleted there is what larm knows itself.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::executor::exec;
use super::kept_logs::KeptLogs;
use super::log_why;
use crate::clock;
use crate::guest::{logs, mask, paths};
use crate::lxd::{Client, Error, FileKind, StatusCode};
use crate::model::{InstanceName, Record};
use crate::store::{JournalPart, JournalQuery, Store};

/// The log that larm writes itself.
pub(super) const WHY: &str = "why.txt";

/// How long a guest may take for all its logs.
const LIMIT: Duration = Duration::from_secs(45);
/// How many lines of a runner's journal are told.
const LINES: usize = 500;

/// The longest text, in bytes, that is masked at once; more takes a thread of its own.
const AT_ONCE: usize = 64 << 10;

/// Reads logs.
#[derive(Debug, Clone)]
pub(super) struct LogReader {
    pub(super) client: Client,
    pub(super) store: Arc<Store>,
    pub(super) kept: KeptLogs,
}

impl LogReader {
    /// Keeps all that can be had; what cannot be had keeps nothing else from being kept.
    pub(super) async fn keep(&self, record: &Record, known: &[SecretString]) {
        let (guest, host) = tokio::join!(self.of_guest(record), self.of_host(&record.name));
        for (name, text) in guest.into_iter().chain(host) {
            self.write(record, name, text, known).await;
        }
        self.keep_why(record).await;
        self.kept.prune(clock::now()).await;
    }

    /// Keeps what larm knows itself.
    pub(super) async fn keep_why(&self, record: &Record) {
        let text = self.why(record).await;
        self.write(record, WHY, text, &[]).await;
    }

    /// What larm knows itself of a runner.
    pub(super) async fn why(&self, record: &Record) -> Vec<u8> {
        let store = Arc::clone(&self.store);
        let query = JournalQuery {
            limit: LINES,
            last: true,
            runner: Some(record.id().clone()),
            part: JournalPart::Story,
            ..JournalQuery::default()
        };
        let journal = match tokio::task::spawn_blocking(move || store.journal(&query)).await {
            Ok(Ok(journal)) => journal,
            Ok(Err(error)) => {
                tracing::warn!(runner = %record.name, %error, "its journal was not read");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        masked(log_why::text(record, &journal).into_bytes(), &[]).await
    }

    /// Some of the logs in a guest that runs, by their names.
    pub(super) async fn in_guest(
        &self,
        runner: &InstanceName,
        names: &[&str],
    ) -> Result<Vec<logs::GuestLog>, Error> {
        let cap = self.kept.bounds.file;
        let exec = exec(logs::print(names, cap));
        let most = logs::output_cap(names, cap);
        let output = self.client.run(&runner.to_string(), &exec, most, LIMIT).await?;
        Ok(logs::parse(&output.stdout, cap))
    }

    async fn write(&self, record: &Record, name: &str, text: Vec<u8>, known: &[SecretString]) {
        let text = masked(text, known).await;
        if let Err(error) = self.kept.keep(&record.name, name, &text).await {
            tracing::warn!(runner = %record.name, log = name, %error, "a log was not kept");
        }
    }

    async fn of_guest(&self, record: &Record) -> Vec<(&'static str, Vec<u8>)> {
        match self.in_guest(&record.name, &logs::NAMES).await {
            Ok(found) => found.into_iter().map(|log| (log.name, log.text)).collect(),
            Err(error) => {
                tracing::debug!(runner = %record.name, %error, "its guest tells no logs");
                self.of_files(record).await
            }
        }
    }

    /// The files of a guest that stands still and never had a job.
    async fn of_files(&self, record: &Record) -> Vec<(&'static str, Vec<u8>)> {
        let name = record.name.to_string();
        let stands = match self.client.instance(&name).await {
            Ok(Some(instance)) => instance.status_code == StatusCode::STOPPED,
            Ok(None) | Err(_) => false,
        };
        if !stands || record.may_have_had_job() {
            return Vec::new();
        }
        let cap = self.kept.bounds.file;
        match self.client.read_file(&name, paths::CLOUD_INIT_OUTPUT, cap).await {
            Ok(Some(file)) if file.kind == FileKind::File && !file.bytes.is_empty() => {
                vec![("cloud-init-output.log", file.bytes)]
            }
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::debug!(runner = %record.name, %error, "a file was not read");
                Vec::new()
            }
        }
    }

    /// What LXD has on the host. Of a virtual machine it keeps no console; QEMU's own log tells why it
    /// did not start.
    async fn of_host(&self, runner: &InstanceName) -> Vec<(&'static str, Vec<u8>)> {
        let (name, cap) = (runner.to_string(), self.kept.bounds.file);
        let found = match self.client.console_log(&name, cap).await {
            Ok(Some(text)) => Ok(("console.log", Some(text))),
            Ok(None) => {
                let log = self.client.instance_log(&name, "qemu.log", cap).await;
                log.map(|text| ("qemu.log", text))
            }
            Err(error) => Err(error),
        };
        match found {
            Ok((name, Some(text))) if !text.is_empty() => vec![(name, logs::end_of(text, cap))],
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::debug!(%runner, %error, "LXD tells no log");
                Vec::new()
            }
        }
    }
}

/// A text without secrets. A long one keeps nobody else waiting.
pub(super) async fn masked(text: Vec<u8>, known: &[SecretString]) -> Vec<u8> {
    if text.len() <= AT_ONCE {
        return mask::mask(&text, known);
    }
    let known = known.to_vec();
    // What could not be masked is not shown.
    tokio::task::spawn_blocking(move || mask::mask(&text, &known)).await.unwrap_or_default()
}
