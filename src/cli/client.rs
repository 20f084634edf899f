//! Asks the daemon, over its control socket.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::report::CliError;
use crate::http::types::farm::{JobStatus, Jobs, PoolStatus, Pools, Reloaded, Why};
use crate::http::types::{
    CleanupRequest, CreateRequest, Created, CredentialBody, DeleteRequest, ErrorBody, ErrorKind,
    Events, FlushRequest, KeepRequest, Logs, Removed, Runner, Runners, ServerInfo,
};
use crate::manager::JournalPart;
use crate::model::{JobId, Phase};

/// For what the daemon answers from memory.
const QUICK: Duration = Duration::from_secs(30);
/// For what the daemon answers once LXD has done it. The daemon's own limits are shorter.
const WORK: Duration = Duration::from_mins(30);
/// For what grows as long as a runner lives.
const FOLLOWED: Duration = Duration::from_hours(24 * 366);
/// How long one long poll may last: the daemon holds none for ever, and one that hangs is noticed.
const ROUND: Duration = Duration::from_mins(10);
/// What a long poll may take beyond its own limit.
const GRACE: Duration = Duration::from_secs(10);

/// The daemon, as its clients see it.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    client: reqwest::Client,
    socket: PathBuf,
}

/// Which journal entries to ask for.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct EventsAsk<'a> {
    pub(super) after: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<usize>,
    pub(super) last: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runner: Option<&'a str>,
    pub(super) part: JournalPart,
    /// Seconds to wait for news.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wait: Option<u64>,
}

/// Which runners to ask for.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ListAsk {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<String>,
    pub(super) all: bool,
}

/// Which jobs to ask for.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct JobsAsk {
    pub(super) all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u32>,
}

impl Daemon {
    /// A client of the daemon on `socket`; nothing is connected yet.
    pub(super) fn new(socket: &Path) -> Result<Self, CliError> {
        let client = reqwest::Client::builder()
            .unix_socket(socket)
            .no_proxy()
            .build()
            .map_err(|error| CliError::Nonsense(error.to_string()))?;
        Ok(Self { client, socket: socket.to_owned() })
    }

    pub(super) async fn info(&self) -> Result<ServerInfo, CliError> {
        self.read(self.client.get("http://larm/1.0"), QUICK).await
    }

    pub(super) async fn runners(&self, ask: &ListAsk) -> Result<Runners, CliError> {
        self.read(self.request(Method::GET, "runners").query(ask), QUICK).await
    }

    pub(super) async fn create(&self, order: &CreateRequest) -> Result<Created, CliError> {
        self.read(self.request(Method::POST, "runners").json(order), WORK).await
    }

    pub(super) async fn runner(&self, id: &str) -> Result<Runner, CliError> {
        self.read(self.request(Method::GET, &runner_path(id)), QUICK).await
    }

    /// Waits until the runner has come as far as `phase`, in as many rounds as `limit` takes.
    pub(super) async fn wait(
        &self,
        id: &str,
        phase: Phase,
        limit: Duration,
    ) -> Result<Runner, CliError> {
        let begin = Instant::now();
        loop {
            let left = limit.saturating_sub(begin.elapsed());
            match self.wait_a_round(id, phase, left.min(ROUND)).await {
                Err(CliError::Api(info))
                    if info.kind == ErrorKind::TimedOut && begin.elapsed() < limit => {}
                answer => return answer,
            }
        }
    }

    async fn wait_a_round(
        &self,
        id: &str,
        phase: Phase,
        limit: Duration,
    ) -> Result<Runner, CliError> {
        let query = [("wait", phase.to_string()), ("timeout", limit.as_secs_f64().to_string())];
        let request = self.request(Method::GET, &runner_path(id)).query(&query);
        self.read(request, limit.saturating_add(GRACE)).await
    }

    pub(super) async fn give(&self, id: &str, body: &CredentialBody) -> Result<(), CliError> {
        let path = format!("{}/credential", runner_path(id));
        self.send(self.request(Method::POST, &path).json(body), QUICK).await.map(drop)
    }

    pub(super) async fn delete(&self, id: &str, how: &DeleteRequest) -> Result<Removed, CliError> {
        self.read(self.request(Method::DELETE, &runner_path(id)).json(how), WORK).await
    }

    /// Holds a runner's instance for so long once it has ended, or lets go of it.
    pub(super) async fn keep(&self, id: &str, body: &KeepRequest) -> Result<Runner, CliError> {
        let path = format!("{}/keep", runner_path(id));
        self.read(self.request(Method::POST, &path).json(body), QUICK).await
    }

    pub(super) async fn pools(&self) -> Result<Pools, CliError> {
        self.read(self.request(Method::GET, "pools"), QUICK).await
    }

    pub(super) async fn pool(&self, name: &str) -> Result<PoolStatus, CliError> {
        let path = format!("pools/{}", segment(name));
        self.read(self.request(Method::GET, &path), QUICK).await
    }

    pub(super) async fn jobs(&self, ask: &JobsAsk) -> Result<Jobs, CliError> {
        self.read(self.request(Method::GET, "jobs").query(ask), QUICK).await
    }

    pub(super) async fn job(&self, id: JobId) -> Result<JobStatus, CliError> {
        self.read(self.request(Method::GET, &format!("jobs/{id}")), QUICK).await
    }

    /// Why a job waits or a runner is as it is.
    pub(super) async fn why(&self, subject: &str) -> Result<Why, CliError> {
        let path = format!("why/{}", segment(subject));
        self.read(self.request(Method::GET, &path), QUICK).await
    }

    /// Makes the daemon read its configuration again.
    pub(super) async fn reload(&self) -> Result<Reloaded, CliError> {
        self.read(self.request(Method::POST, "reload"), QUICK).await
    }

    pub(super) async fn flush(&self, how: &FlushRequest) -> Result<Removed, CliError> {
        self.read(self.request(Method::POST, "flush").json(how), WORK).await
    }

    pub(super) async fn cleanup(&self, how: &CleanupRequest) -> Result<Removed, CliError> {
        self.read(self.request(Method::POST, "cleanup").json(how), WORK).await
    }

    pub(super) async fn logs(&self, id: &str) -> Result<Logs, CliError> {
        self.read(self.request(Method::GET, &format!("{}/logs", runner_path(id))), QUICK).await
    }

    /// One log, to be read piece by piece.
    pub(super) async fn log(&self, id: &str, name: &str) -> Result<Log, CliError> {
        let path = format!("{}/logs/{}", runner_path(id), segment(name));
        let response = self.send(self.request(Method::GET, &path), WORK).await?;
        Ok(Log { response, socket: self.socket.clone() })
    }

    /// The log of a runner that lives, as it grows, until it has ended.
    pub(super) async fn follow(&self, id: &str) -> Result<Log, CliError> {
        let path = format!("{}/follow", runner_path(id));
        let response = self.send(self.request(Method::GET, &path), FOLLOWED).await?;
        Ok(Log { response, socket: self.socket.clone() })
    }

    pub(super) async fn events(&self, ask: &EventsAsk<'_>) -> Result<Events, CliError> {
        let limit = QUICK.saturating_add(Duration::from_secs(ask.wait.unwrap_or(0)));
        self.read(self.request(Method::GET, "events").query(ask), limit).await
    }

    /// The metrics, in Prometheus' text format.
    pub(super) async fn metrics(&self) -> Result<String, CliError> {
        let response = self.send(self.client.get("http://larm/metrics"), QUICK).await?;
        response.text().await.map_err(|error| failure(&self.socket, QUICK, &error))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://larm/1.0/{path}"))
    }

    async fn send(&self, request: RequestBuilder, limit: Duration) -> Result<Response, CliError> {
        let failed = |error| failure(&self.socket, limit, &error);
        let response = request.timeout(limit).send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(failed)?;
        Err(match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(body) => CliError::Api(body.error),
            Err(_) => CliError::Nonsense(format!("status {status}")),
        })
    }

    async fn read<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<T, CliError> {
        let response = self.send(request, limit).await?;
        let body = response.bytes().await.map_err(|error| failure(&self.socket, limit, &error))?;
        serde_json::from_slice(&body).map_err(|error| CliError::Nonsense(error.to_string()))
    }
}

/// A log on its way from the daemon.
#[derive(Debug)]
pub(super) struct Log {
    response: Response,
    socket: PathBuf,
}

impl Log {
    /// The next piece, until there is none.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, CliError> {
        let piece = self.response.chunk().await;
        piece
            .map(|piece| piece.map(|bytes| bytes.to_vec()))
            .map_err(|error| failure(&self.socket, WORK, &error))
    }
}

fn failure(socket: &Path, limit: Duration, error: &reqwest::Error) -> CliError {
    if error.is_timeout() {
        return CliError::DaemonSlow { seconds: limit.as_secs() };
    }
    CliError::Daemon { socket: socket.to_owned(), source: root(error) }
}

/// The system's own error below the layers of the HTTP client, which say nothing more.
fn root(error: &reqwest::Error) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut last = error.to_string();
    while let Some(why) = cause {
        if let Some(io) = why.downcast_ref::<io::Error>()
            && let Some(code) = io.raw_os_error()
        {
            return io::Error::from_raw_os_error(code);
        }
        last = why.to_string();
        cause = why.source();
    }
    io::Error::other(last)
}

fn runner_path(id: &str) -> String {
    format!("runners/{}", segment(id))
}

/// One segment of a path, whatever the user typed.
fn segment(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.bytes()
        .flat_map(|byte| {
            let c = char::from(byte);
            if plain(c) { vec![c] } else { format!("%{byte:02X}").chars().collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn what_is_typed_cannot_leave_its_segment() {
        assert_eq!(segment("larm-0a.log"), "larm-0a.log");
        assert_eq!(segment("a/b?c d"), "a%2Fb%3Fc%20d");
    }
}
