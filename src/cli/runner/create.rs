//! `larm runner create`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::signal;

use super::show;
use crate::cli::client::{Daemon, EventsAsk};
use crate::cli::context::Context;
use crate::cli::events::what;
use crate::cli::print;
use crate::cli::progress::Progress;
use crate::cli::report::{CliError, Outcome, notice};
use crate::cli::secret;
use crate::http::types::{
    CreateRequest, Created, CredentialBody, ErrorKind, InstanceBody, RegistrationBody, Runner,
};
use crate::model::{InstanceType, Phase};

/// How long one look for progress lasts, in seconds.
const PROGRESS_POLL: u64 = 60;

/// Create a runner
///
/// Returns once LXD has made its instance, or with --wait once it has come so far.
#[derive(Debug, Args)]
#[command(override_usage = "larm runner create --jit-config-file <FILE> [OPTIONS]\n       \
    larm runner create --registration-token-file <FILE> --github <PATH> [OPTIONS]\n       \
    larm runner create --standby [OPTIONS]")]
#[command(after_help = "Examples:\n  \
    gh api --method POST repos/acme/web/actions/runners/generate-jitconfig --input runner.json \\\n    \
      --jq .encoded_jit_config | larm runner create --jit-config-file - --wait listening\n  \
    larm runner create --registration-token-file token --github acme/web --labels x64,fast\n  \
    larm runner create --standby --wait standby")]
pub(in crate::cli) struct Arguments {
    /// Wait until it has come as far as this phase: booting, standby, listening, busy, finished, gone
    #[arg(long, value_name = "PHASE")]
    wait: Option<Phase>,
    /// How many seconds to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait")]
    timeout: u64,
    #[command(flatten)]
    credential: CredentialArguments,
    #[command(flatten)]
    registration: RegistrationArguments,
    #[command(flatten)]
    instance: InstanceArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Credential (one of these)")]
#[group(required = true, multiple = false)]
struct CredentialArguments {
    /// A file with an encoded just-in-time configuration; - for stdin
    #[arg(long, value_name = "FILE")]
    jit_config_file: Option<PathBuf>,
    /// A file with a registration token; - for stdin
    #[arg(long, value_name = "FILE", requires = "github")]
    registration_token_file: Option<PathBuf>,
    /// None: boot it and keep it ready for a credential
    #[arg(long)]
    standby: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "With a registration token")]
struct RegistrationArguments {
    /// Where to register: ORGANISATION or OWNER/REPOSITORY
    #[arg(long, value_name = "PATH", requires = "registration_token_file", conflicts_with_all = ["standby", "jit_config_file"])]
    github: Option<String>,
    /// The runner group to join, in an organisation
    #[arg(long, requires = "registration_token_file", conflicts_with_all = ["standby", "jit_config_file"])]
    group: Option<String>,
    /// The labels to register with
    #[arg(
        long,
        value_name = "LABEL,...",
        value_delimiter = ',',
        requires = "registration_token_file", conflicts_with_all = ["standby", "jit_config_file"]
    )]
    labels: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Instance (the configuration's without them)")]
struct InstanceArguments {
    /// virtual-machine, or container, whose isolation is weaker
    #[arg(long = "type", value_name = "TYPE", value_parser = instance_type)]
    instance_type: Option<InstanceType>,
    /// The image's alias in LXD
    #[arg(long, value_name = "ALIAS")]
    image: Option<String>,
    /// The LXD profiles, in order
    #[arg(long, value_name = "PROFILE,...", value_delimiter = ',')]
    profiles: Option<Vec<String>>,
    /// How many CPUs
    #[arg(long, value_name = "NUMBER")]
    cpu: Option<u32>,
    /// How much memory, like 4GiB
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// How large a root disk, like 10GiB
    #[arg(long, value_name = "SIZE")]
    disk: Option<String>,
}

/// Reads LXD's words for the kinds of instances, and `vm`.
pub(in crate::cli) fn instance_type(text: &str) -> Result<InstanceType, String> {
    match text {
        "virtual-machine" | "vm" => Ok(InstanceType::VirtualMachine),
        "container" => Ok(InstanceType::Container),
        _ => Err("write virtual-machine or container".to_owned()),
    }
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let daemon = context.daemon()?;
    let order = CreateRequest {
        credential: arguments.credential.read(arguments.registration)?,
        instance: arguments.instance.into_body(),
    };
    if order.instance.instance_type == Some(InstanceType::Container) {
        notice(context, "warning: containers share the host's kernel: run only code you trust");
    }
    let created = create(&daemon, &order, context).await?;
    let Some(phase) = arguments.wait else {
        if context.global.json {
            print::json(&created)?;
        } else {
            print::line(created.name.to_string().as_str())?;
        }
        return Ok(Outcome::Done);
    };
    let runner = wait(&daemon, &created, phase, arguments.timeout, context).await?;
    if context.global.json {
        show::print(context, &runner)?;
    } else {
        print::line(runner.name.to_string().as_str())?;
    }
    Ok(Outcome::Done)
}

async fn create(
    daemon: &Daemon,
    order: &CreateRequest,
    context: &Context,
) -> Result<Created, CliError> {
    let progress = Progress::start(context, "creating");
    let answer = tokio::select! {
        answer = daemon.create(order) => answer,
        _ = signal::ctrl_c() => Err(CliError::Interrupted {
            message: "the daemon may go on creating the runner".to_owned(),
            hint: "see `larm runner list`; remove it with `larm runner delete NAME`".to_owned(),
        }),
    };
    drop(progress);
    answer
}

async fn wait(
    daemon: &Daemon,
    created: &Created,
    phase: Phase,
    seconds: u64,
    context: &Context,
) -> Result<Runner, CliError> {
    let progress = Progress::start(context, &format!("{}: waiting for {phase}", created.name));
    let id = created.id.as_str();
    let answer = tokio::select! {
        answer = daemon.wait(id, phase, Duration::from_secs(seconds)) => answer,
        never = follow(daemon, created, phase, &progress) => match never {},
        _ = signal::ctrl_c() => Err(CliError::Interrupted {
            message: format!("runner {} goes on", created.name),
            hint: format!("watch it with `larm events --follow --runner {id}`, \
                remove it with `larm runner delete {id}`"),
        }),
    };
    drop(progress);
    answer.map_err(|error| with_logs_hint(error, id))
}

/// A runner that failed has left logs, and one that is late goes on.
fn with_logs_hint(error: CliError, id: &str) -> CliError {
    let CliError::Api(mut info) = error else { return error };
    let hint = match info.kind {
        ErrorKind::Failed => Some(format!("`larm runner logs {id}` shows what it left")),
        ErrorKind::TimedOut => {
            Some(format!("it goes on: `larm runner show {id}` shows how far it is"))
        }
        ErrorKind::BadRequest
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Busy
        | ErrorKind::BusyUnknown
        | ErrorKind::Refused
        | ErrorKind::Lxd
        | ErrorKind::Store
        | ErrorKind::Stopping
        | ErrorKind::Internal => None,
    };
    info.hint = info.hint.or(hint);
    CliError::Api(info)
}

/// Shows what happens to the runner, as long as anyone watches. Never ends: the wait beside it
/// does, and it is the one that tells of errors.
async fn follow(
    daemon: &Daemon,
    created: &Created,
    phase: Phase,
    progress: &Progress,
) -> std::convert::Infallible {
    let id = created.id.as_str();
    let mut ask = EventsAsk { runner: Some(id), wait: Some(PROGRESS_POLL), ..EventsAsk::default() };
    while progress.is_shown() {
        let Ok(answer) = daemon.events(&ask).await else { break };
        if let Some(entry) = answer.events.last() {
            let name = &created.name;
            progress.say(&format!("{name}: {}, waiting for {phase}", what(&entry.what)));
        }
        ask.after = answer.next;
    }
    std::future::pending().await
}

impl CredentialArguments {
    fn read(
        &self,
        registration: RegistrationArguments,
    ) -> Result<Option<CredentialBody>, CliError> {
        if let Some(path) = &self.jit_config_file {
            return Ok(Some(CredentialBody::JitConfig(secret::read(path)?)));
        }
        let Some(path) = &self.registration_token_file else { return Ok(None) };
        Ok(Some(CredentialBody::RegistrationToken(RegistrationBody {
            token: secret::read(path)?,
            github: registration.github.unwrap_or_default(),
            group: registration.group,
            labels: registration.labels,
        })))
    }
}

impl InstanceArguments {
    fn into_body(self) -> InstanceBody {
        InstanceBody {
            pool: None,
            image: self.image,
            instance_type: self.instance_type,
            profiles: self.profiles,
            cpu: self.cpu,
            memory: self.memory,
            disk: self.disk,
        }
    }
}
