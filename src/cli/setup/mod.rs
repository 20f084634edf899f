//! `larm setup`: prepares LXD for runners. Look, plan, show, ask, do.

mod host;
mod kernel;
mod places;
pub(super) mod plan;
pub(super) mod profile;
mod subnet;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::print;
use super::report::{self, CliError, Outcome, notice};
use crate::lxd::{self, Client};
use places::Places;
use plan::{Plan, StepText, Wanted};
use profile::Host;

/// Prepare LXD for runners
///
/// Makes a project, a storage pool, a bridge and a profile, and raises limits of the kernel. Shows
/// what it would do and asks first. What is there already is never changed, but for larm's own
/// profile; a second run has nothing to do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm setup                                  show the plan and ask\n  \
    larm setup --yes --pool-size 50GiB\n  \
    larm setup --pool default --bridge lxdbr0   use what LXD has already")]
pub(super) struct Arguments {
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
    /// The storage pool for the runners' disks, created if it is not there; without it that of
    /// larm's profile, or larm
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// The driver of a new pool: btrfs, dir, zfs, lvm; btrfs where LXD and the kernel have it, else
    /// dir
    #[arg(long, value_name = "DRIVER")]
    pool_driver: Option<String>,
    /// The size of a new pool, like 50GiB; LXD decides without it
    #[arg(long, value_name = "SIZE")]
    pool_size: Option<String>,
    /// The bridge that connects the runners, created if it is not there; without it that of
    /// larm's profile, or larmbr0
    #[arg(long, value_name = "NAME")]
    bridge: Option<String>,
    /// The address of a new bridge, like 10.20.30.1/24; an unused one without it
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    bridge_address: Option<String>,
}

/// What setup has to say to programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    steps: Vec<StepText>,
    remarks: &'a [String],
    applied: bool,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let client = context.lxd()?;
    let plan = look(&arguments, &client).await?;
    if !context.global.json {
        show(context, &plan)?;
    }
    let agreed = plan.steps.is_empty() || arguments.yes || ask(context)?;
    if agreed {
        apply(&plan, &client, context).await?;
    }
    if context.global.json {
        let steps = plan.steps.iter().map(plan::Step::describe).collect();
        print::json(&Report { steps, remarks: &plan.remarks, applied: agreed })?;
    }
    if agreed { Ok(Outcome::Done) } else { Err(unconfirmed()) }
}

async fn look(arguments: &Arguments, client: &Client) -> Result<Plan, CliError> {
    let server = client.server().await?;
    let known = host::profiles(client, &profile::names()?).await?;
    let asked = (arguments.pool.as_deref(), arguments.bridge.as_deref());
    let Places { pool, bridge } = Places::choose(asked.0, asked.1, known.values());
    let wanted = Wanted {
        project: client.project().to_owned(),
        profiles: profile::all(&host_of(client, &server, &pool, &bridge))?,
        pool,
        pool_driver: arguments.pool_driver.clone(),
        pool_size: arguments.pool_size.clone(),
        bridge,
        bridge_address: arguments.bridge_address.clone(),
    };
    let found = host::look(client, server, &wanted, known).await?;
    Ok(plan::plan(&wanted, &found))
}

/// What the profiles are filled in with on this host.
pub(super) fn host_of(client: &Client, server: &lxd::Server, pool: &str, bridge: &str) -> Host {
    Host {
        pool: pool.to_owned(),
        bridge: bridge.to_owned(),
        filters: host::can_filter(server, client.socket()),
        boot_mode: server.has("instance_boot_mode"),
    }
}

fn show(context: &Context, plan: &Plan) -> Result<(), CliError> {
    for remark in &plan.remarks {
        notice(context, &format!("note: {remark}"));
    }
    if plan.steps.is_empty() {
        return print::line("nothing to do");
    }
    print::line("to do:")?;
    for step in &plan.steps {
        print::line(&format!("  {}", step.describe().text()))?;
    }
    Ok(())
}

/// Asks a person, where there is one and the output is not for programs.
fn ask(context: &Context) -> Result<bool, CliError> {
    if context.global.json {
        return Ok(false);
    }
    Ok(report::confirm("Do this?")?.unwrap_or(false))
}

async fn apply(plan: &Plan, client: &Client, context: &Context) -> Result<(), CliError> {
    for step in &plan.steps {
        host::apply(step, client).await?;
        if !context.global.json {
            print::line(&format!("done: {}", step.describe().text()))?;
        }
    }
    if !plan.steps.is_empty() {
        notice(context, "`larm doctor` tells what is missing yet");
    }
    Ok(())
}

fn unconfirmed() -> CliError {
    CliError::Unconfirmed {
        message: "nothing was changed, as nobody agreed".to_owned(),
        hint: "`larm setup --yes` does it without asking".to_owned(),
    }
}
