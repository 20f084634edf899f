//! `larm pool show`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome};
use crate::cli::runner::instance;
use crate::http::types::farm::PoolStatus;
use crate::model::{GitHubPath, RunnerId};

/// Show all about one pool
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm pool show small\n  \
    larm pool show small --json | jq -r '.busy[]'")]
pub(in crate::cli) struct Arguments {
    /// The pool's name
    #[arg(value_name = "NAME")]
    name: String,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let pool = context.daemon()?.pool(&arguments.name).await?;
    if context.global.json {
        print::json(&pool)?;
    } else {
        let rows = facts(&pool).into_iter().map(|(name, value)| vec![name.to_owned(), value]);
        print::table(&[], rows.collect())?;
    }
    Ok(Outcome::Done)
}

fn facts(pool: &PoolStatus) -> Vec<(&'static str, String)> {
    let group = match &pool.target.path {
        GitHubPath::Org { group, .. } => format!(", group {group}"),
        GitHubPath::Repo { .. } => String::new(),
    };
    let connection = &pool.target.connection;
    vec![
        ("name", pool.name.clone()),
        ("target", format!("{}{group}, by connection {connection}", pool.target.path)),
        ("labels", pool.labels.join(", ")),
        ("instance", instance(&pool.instance)),
        ("min_idle", pool.min_idle.to_string()),
        ("standby", pool.standby.to_string()),
        ("frozen", pool.frozen.to_string()),
        ("max", pool.max.to_string()),
        ("priority", pool.priority.to_string()),
        ("busy", runners(&pool.busy)),
        ("listening", runners(&pool.listening)),
        ("registering", runners(&pool.registering)),
        ("free", runners(&pool.free)),
        ("free frozen", runners(&pool.cold)),
        ("coming", runners(&pool.coming)),
        ("queued jobs", pool.queued.to_string()),
    ]
}

fn runners(ids: &[RunnerId]) -> String {
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
