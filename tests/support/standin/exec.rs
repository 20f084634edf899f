//! Commands inside instances: `/1.0/instances/NAME/exec` (LXD documentation, "Instance exec").

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use uuid::Uuid;

use super::answer::{Answer, Refusal, settle};
use super::commands::{Ran, Request};
use super::files::agent_down;
use super::instance::{Down, Power};
use super::operations::{Ended, Order};
use super::world::{Key, World};
use super::{Shape, project_of};

/// How long the client may take to connect its websockets.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The environment of a command that asks for nothing else.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("container", "lxc"),
    ("HOME", "/root"),
    ("USER", "root"),
    ("LANG", "C.UTF-8"),
];

/// The websockets of one exec, while it waits for them or runs.
#[derive(Debug)]
pub struct Session {
    /// Names by secret.
    secrets: BTreeMap<String, String>,
    /// What connected websockets are handed to.
    connected: mpsc::Sender<(String, WebSocket)>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Asked {
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    record_output: bool,
    #[serde(default)]
    wait_for_websocket: bool,
    #[serde(default)]
    interactive: bool,
    #[serde(default)]
    user: u32,
    #[serde(default)]
    cwd: String,
}

/// `POST /1.0/instances/NAME/exec`.
pub(super) async fn start(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Answer {
    let key = (project_of(&query), name);
    settle(begin(&world, key, &body))
}

fn begin(world: &Arc<World>, key: Key, body: &[u8]) -> Result<Answer, Refusal> {
    let asked: Asked =
        serde_json::from_slice(body).map_err(|error| Refusal::new(400, error.to_string()))?;
    let power = world.with(|all| all.instances.get(&key).map(|one| one.power));
    match power.ok_or_else(|| Refusal::missing("Instance"))? {
        Power::Stopped | Power::Error => Err(Refusal::new(400, "Instance is not running")),
        Power::Frozen => Err(Refusal::new(400, "Instance is frozen")),
        Power::Running if asked.wait_for_websocket => Ok(begin_attached(world, key, asked)),
        Power::Running => Ok(begin_recorded(world, key, asked)),
    }
}

fn request_of(asked: &Asked) -> Request {
    let mut environment: BTreeMap<String, String> =
        ENVIRONMENT.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    environment.extend(asked.environment.clone());
    let cwd = if asked.cwd.is_empty() { "/root" } else { &asked.cwd }.to_owned();
    Request { argv: asked.command.clone(), environment, stdin: Vec::new(), cwd, user: asked.user }
}

fn begin_recorded(world: &Arc<World>, key: Key, asked: Asked) -> Answer {
    let order = Order::about(&key.0, &key.1, "Executing command", true);
    let id = Uuid::new_v4().to_string();
    if asked.record_output {
        // They stay when the command cannot be run.
        world.open_records(&key, &id);
    }
    let (running, op) = (Arc::clone(world), id.clone());
    world.operate_as(&id, order, async move {
        match running.supervised(&key, &request_of(&asked)).await {
            Err(refusal) => Ended { metadata: None, error: Some(refusal) },
            Ok(ran) => {
                let paths = asked.record_output.then(|| running.record(&key, &op, &ran));
                ended(&ran, paths.unwrap_or_default())
            }
        }
    })
}

/// The end of an exec: LXD takes two exit codes for failures of its own.
fn ended(ran: &Ran, output: Value) -> Ended {
    let error = match ran.code {
        126 => Some(Refusal::new(400, "Command not executable")),
        127 => Some(Refusal::new(400, "Command not found")),
        _ => None,
    };
    let mut metadata = json!({"return": ran.code});
    if let (false, Some(fields)) = (output.is_null(), metadata.as_object_mut()) {
        fields.insert("output".into(), output);
    }
    Ended { metadata: Some(metadata), error }
}

impl World {
    /// Runs a command until it ends or its instance does.
    async fn supervised(self: &Arc<Self>, key: &Key, request: &Request) -> Result<Ran, Refusal> {
        let found = self.with(|all| {
            let one = all.instances.get(key)?;
            Some((one.is_vm(), one.guest.agent, one.boot, one.changed.subscribe()))
        });
        let (vm, agent, boot, changed) = found.ok_or_else(|| Refusal::missing("Instance"))?;
        if !agent {
            return Err(agent_down(400));
        }
        let source = format!("/1.0/instances/{}", key.1);
        let context = json!({"command": request.argv});
        self.lifecycle(&key.0, "instance-exec", &source, Some(context), false);
        let work = async {
            self.take_exec_time().await;
            self.run_in_guest(key, request).await
        };
        let mut ran = tokio::select! {
            biased;
            down = self.gone_down(key, boot, changed) => {
                return match (vm, down) {
                    (true, Down::Forced) => Err(agent_down(400)),
                    (true, Down::Graceful) => Ok(Ran::code(-1)),
                    (false, _) => Ok(Ran::code(137)),
                };
            }
            ran = work => ran,
        };
        if vm && ran.killed {
            ran.code = -1;
        }
        Ok(ran)
    }

    /// Waits until this boot of an instance is over.
    async fn gone_down(&self, key: &Key, boot: u64, mut changed: watch::Receiver<u64>) -> Down {
        loop {
            let now = self.with(|all| all.instances.get(key).map(|one| (one.boot, one.down)));
            match now {
                Some((now, _)) if now == boot => {}
                Some((_, down)) => return down,
                None => return Down::Forced,
            }
            if changed.changed().await.is_err() {
                return Down::Forced;
            }
        }
    }

    fn record_names(&self, id: &str) -> [String; 2] {
        let folder = if self.options.shape == Shape::Newer { "exec-output/" } else { "" };
        ["stdout", "stderr"].map(|stream| format!("{folder}exec_{id}.{stream}"))
    }

    fn open_records(&self, key: &Key, id: &str) {
        let names = self.record_names(id);
        self.with(|all| {
            if let Some(instance) = all.instances.get_mut(key) {
                instance.logs.extend(names.map(|name| (name, Vec::new())));
            }
        });
    }

    /// Keeps what a command printed, where nobody has deleted the files meanwhile, and tells where.
    fn record(&self, key: &Key, id: &str, ran: &Ran) -> Value {
        let names = self.record_names(id);
        self.with(|all| {
            let logs = all.instances.get_mut(key).map(|instance| &mut instance.logs);
            let Some(logs) = logs else { return };
            for (name, text) in names.iter().zip([&ran.stdout, &ran.stderr]) {
                if let Some(log) = logs.get_mut(name) {
                    log.clone_from(text);
                }
            }
        });
        let [stdout, stderr] = names.map(|name| format!("/1.0/instances/{}/logs/{name}", key.1));
        json!({"1": stdout, "2": stderr})
    }
}

fn begin_attached(world: &Arc<World>, key: Key, asked: Asked) -> Answer {
    let names: &[&str] =
        if asked.interactive { &["0", "control"] } else { &["0", "1", "2", "control"] };
    let secrets: BTreeMap<String, String> =
        names.iter().map(|name| (Uuid::new_v4().simple().to_string(), (*name).into())).collect();
    let fds: BTreeMap<&str, &str> =
        secrets.iter().map(|(secret, name)| (name.as_str(), secret.as_str())).collect();
    let mut order = Order::about(&key.0, &key.1, "Executing command", true);
    order.class = "websocket";
    order.metadata = json!({
        "command": asked.command, "environment": asked.environment, "fds": fds,
        "interactive": asked.interactive,
    });
    let id = Uuid::new_v4().to_string();
    let (sender, connected) = mpsc::channel(8);
    let session = Session { secrets, connected: sender };
    world.with(|all| all.sessions.insert(id.clone(), session));
    let (running, op) = (Arc::clone(world), id.clone());
    world.operate_as(&id, order, async move {
        let ended = running.attached(&key, &asked, connected).await;
        // The client connects its control websocket last, perhaps after a short command's end.
        running.later(CONNECT_LIMIT, move |world| {
            world.with(|all| all.sessions.remove(&op));
        });
        ended
    })
}

impl World {
    async fn attached(
        self: &Arc<Self>,
        key: &Key,
        asked: &Asked,
        mut connected: mpsc::Receiver<(String, WebSocket)>,
    ) -> Ended {
        let needed: &[&str] = if asked.interactive { &["0"] } else { &["0", "1", "2"] };
        let mut sockets = BTreeMap::new();
        while !needed.iter().all(|name| sockets.contains_key(*name)) {
            let Ok(Some((name, socket))) = timeout(CONNECT_LIMIT, connected.recv()).await else {
                let text = "Timed out waiting for websockets to connect";
                return Ended { metadata: None, error: Some(Refusal::new(400, text)) };
            };
            sockets.insert(name, socket);
        }
        let mut request = request_of(asked);
        let Some(mut input) = sockets.remove("0") else { return Ended::default() };
        if asked.interactive {
            return self.terminal(key, request, input).await;
        }
        if request.argv.first().is_some_and(|program| program == "cat") {
            request.stdin = read_all(&mut input).await;
        }
        let ran = match self.supervised(key, &request).await {
            Err(refusal) => return Ended { metadata: None, error: Some(refusal) },
            Ok(ran) => ran,
        };
        for (name, bytes) in [("1", &ran.stdout), ("2", &ran.stderr)] {
            if let Some(socket) = sockets.get_mut(name) {
                say(socket, bytes).await;
                end(socket).await;
            }
        }
        ended(&ran, Value::Null)
    }

    /// A terminal: runs its command, or, where that is a shell, each line that is typed.
    async fn terminal(self: &Arc<Self>, key: &Key, asked: Request, mut tty: WebSocket) -> Ended {
        let last = if asked.argv.len() == 1 {
            self.typed(key, &asked, &mut tty).await
        } else {
            let ran = self.run_in_guest(key, &asked).await;
            say(&mut tty, &ran.stdout).await;
            ran
        };
        end(&mut tty).await;
        ended(&last, Value::Null)
    }

    /// A shell without echo: ends with `exit`, or with the end of what is typed.
    async fn typed(self: &Arc<Self>, key: &Key, asked: &Request, tty: &mut WebSocket) -> Ran {
        let (mut typed, mut last) = (Vec::new(), Ran::code(0));
        while let Some(Ok(message)) = tty.recv().await {
            let bytes = message.into_data();
            if bytes.is_empty() || bytes.contains(&4) {
                break;
            }
            typed.extend_from_slice(&bytes);
            while let Some(end) = typed.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                let line: Vec<u8> = typed.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                let argv = vec!["sh".to_owned(), "-c".to_owned(), line];
                last = self.run_in_guest(key, &Request { argv, ..asked.clone() }).await;
                say(tty, &last.stdout).await;
                if last.exited {
                    return last;
                }
            }
        }
        last
    }
}

async fn read_all(socket: &mut WebSocket) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(message)) = socket.recv().await {
        let data = message.into_data();
        if data.is_empty() {
            break;
        }
        bytes.extend_from_slice(&data);
    }
    bytes
}

async fn say(socket: &mut WebSocket, bytes: &[u8]) {
    if !bytes.is_empty() {
        // The client may have gone; the command does not care.
        drop(socket.send(Message::binary(bytes.to_vec())).await);
    }
}

/// The end of a stream is an empty text frame; the socket then closes without a close frame.
async fn end(socket: &mut WebSocket) {
    drop(socket.send(Message::text("")).await);
}

/// `GET /1.0/operations/ID/websocket?secret=`.
pub(super) async fn connect(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let secret = query.get("secret").cloned().unwrap_or_default();
    let found = world.with(|all| {
        let session = all.sessions.get(&id)?;
        Some((session.secrets.get(&secret)?.clone(), session.connected.clone()))
    });
    let Some((name, connected)) = found else {
        return Refusal::new(403, "not authorized").answer().into_response();
    };
    upgrade.on_upgrade(async move |socket| {
        // Fails when the operation has ended meanwhile: the socket is then dropped, as by LXD.
        drop(connected.send((name, socket)).await);
    })
}
