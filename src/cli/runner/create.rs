//! `larm runner create`.

use clap::Args;
use tokio::signal;

use super::credential::{CredentialArguments, RegistrationArguments};
use super::wait::WaitArguments;
use crate::cli::client::Daemon;
use crate::cli::context::Context;
use crate::cli::progress::Progress;
use crate::cli::report::{CliError, Outcome, notice};
use crate::http::types::{CreateRequest, Created, InstanceBody};
use crate::model::InstanceType;

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
    larm runner create --standby --wait standby\n\n\
    A standby gets its credential later: larm runner give")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    wait: WaitArguments,
    #[command(flatten)]
    credential: CredentialArguments,
    /// None: boot it and keep it ready for a credential
    #[arg(
        long,
        group = "credential",
        help_heading = "Credential (one of these)",
        conflicts_with_all = ["github", "group", "labels"]
    )]
    standby: bool,
    #[command(flatten)]
    registration: RegistrationArguments,
    #[command(flatten)]
    instance: InstanceArguments,
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
    arguments.wait.then_print(&daemon, &created, context).await
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
