//! The configuration file's text: commented, for people who go on from there.

use std::path::Path;

use toml::Value;

use super::answers::{Answers, Auth};
use crate::model::{GitHubPath, InstanceType};

/// The whole file.
pub(super) fn text(answers: &Answers) -> String {
    let tables = [runner(answers), github(answers), pool(answers)];
    format!("{OPENING}\n{}", tables.join("\n"))
}

const OPENING: &str = "\
# The configuration of larm, the LXD Actions Runner Manager. `larm config show` prints all keys with
# what holds now, defaults included; `larm config check` looks for errors.
";

fn runner(answers: &Answers) -> String {
    let kind = match answers.instance_type {
        InstanceType::VirtualMachine => "virtual-machine",
        InstanceType::Container => "container",
    };
    format!(
        "\
# What runners are made from. Each pool may have its own.
[runner]
# \"virtual-machine\", or \"container\": that shares this machine's kernel, so run only code you trust.
type = {}
# The image's alias in LXD.
image = {}
# Limits of an instance; those of its LXD profiles without them.
# cpu = 2
# memory = \"4GiB\"
# disk = \"20GiB\"
",
        quoted(kind),
        quoted(&answers.image)
    )
}

fn github(answers: &Answers) -> String {
    let url = answers.url.as_ref().map(|url| format!("url = {}\n", quoted(url)));
    let path = |path: &Path| quoted(&path.display().to_string());
    let auth = match &answers.auth {
        Auth::Token(token) => format!(
            "\
# The file with the token: one line, and readable for nobody else.
token_file = {}
",
            path(&token.file)
        ),
        Auth::App { id, key_file } => format!(
            "\
# The App's id or client id, and the file with its private key.
app_id = {}
app_key_file = {}
",
            quoted(id),
            path(key_file)
        ),
    };
    format!(
        "\
# The account at GitHub. More of them: [connection.NAME] with the same keys.
[github]
{}{auth}\
# How often GitHub is asked for queued jobs; \"off\" where webhooks are enough.
# poll = \"30s\"
",
        url.unwrap_or_default()
    )
}

fn pool(answers: &Answers) -> String {
    let group = match answers.github {
        GitHubPath::Org { .. } => "# The runner group that they join.\n# group = \"default\"\n",
        GitHubPath::Repo { .. } => "",
    };
    format!(
        "\
# Runners of one kind. There may be several [[pool]] tables, each with a name of its own.
[[pool]]
name = \"default\"
# Where they register: OWNER/REPOSITORY or ORGANISATION.
github = {}
{group}\
# What jobs ask for with `runs-on`, beside self-hosted, linux and the architecture.
# labels = [\"small\"]
# How many there may be at once.
max = {}
# How many are registered and wait for a job.
min_idle = {}
",
        quoted(&answers.github.to_string()),
        answers.max,
        answers.min_idle
    )
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
