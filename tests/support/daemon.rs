//! `larm serve` as a process: started, asked over its control API, killed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

/// `larm serve`, which runs. Killed when dropped; what it logged is shown where a test failed.
pub struct Daemon {
    child: Child,
    directory: PathBuf,
    api: reqwest::Client,
}

impl Daemon {
    /// Starts it with the `larm.toml` in `directory`, and returns when it says that it is ready.
    pub async fn start(directory: &Path, patience: Duration) -> Self {
        let directory = directory.to_owned();
        let socket = directory.join("notify.sock");
        drop(std::fs::remove_file(&socket));
        let notify = UnixDatagram::bind(&socket).unwrap();
        let log = File::options().append(true).create(true).open(directory.join("log")).unwrap();
        let mut command = command(&directory, &["serve"]);
        command.envs(environment()).env("NOTIFY_SOCKET", &socket).stdout(Stdio::null()).stderr(log);
        let api = reqwest::Client::builder()
            .unix_socket(directory.join("control.sock"))
            .no_proxy()
            .timeout(patience)
            .build()
            .unwrap();
        let daemon = Self { child: command.spawn().unwrap(), directory, api };
        timeout(patience, ready(&notify)).await.unwrap().unwrap();
        daemon
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// The command line, in this daemon's directory.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command(&self.directory, arguments).output().unwrap()
    }

    /// The command line, in this daemon's directory, to be run beside it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        command(&self.directory, arguments)
    }

    /// A request to its control API.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.api.request(method, format!("http://larm/1.0/{path}"))
    }

    /// The answer to a request that succeeds.
    pub async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> T {
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            eprintln!("== what larm said\n{log}");
        }
    }
}

/// What the unit of systemd gives the daemon.
fn environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("../../scripts/larm.service").lines();
    let values = lines.filter_map(|line| line.strip_prefix("Environment="));
    values.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='))
}

/// The binary in this directory, with nothing of the user's environment.
pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larm"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LARM_CONFIG", directory.join("larm.toml"))
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}

async fn ready(notify: &UnixDatagram) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let length = notify.recv(&mut buffer).await?;
        let told = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
        if told.lines().any(|line| line == "READY=1") {
            return Ok(());
        }
    }
}
