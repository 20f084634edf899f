//! Which flag is to blame for a line of the draft that cannot be used. The draft is gone when
//! anybody reads of it, so that its name would help nobody.

use crate::cli::report::CliError;
use crate::config::ConfigError;

/// The keys that are written from flags.
const FLAGS: [(&str, &str); 9] = [
    ("type", "--type"),
    ("image", "--image"),
    ("url", "--url"),
    ("token_file", "--token-file"),
    ("app_id", "--app-id"),
    ("app_key_file", "--app-key-file"),
    ("github", "--github"),
    ("max", "--max"),
    ("min_idle", "--min-idle"),
];

/// The error of a draft with this text, told by the flags that its lines come from.
pub(super) fn blame(error: ConfigError, draft: &str) -> CliError {
    let told = error.problems().into_iter().map(|problem| {
        let flag = flag_of(draft.lines().nth(problem.line?.checked_sub(1)?)?)?;
        Some(format!("{flag}: {}", problem.message))
    });
    match told.collect::<Option<Vec<String>>>() {
        Some(told) if !told.is_empty() => CliError::Usage {
            message: told.join("\n"),
            hint: "nothing was written; see `larm init --help`".to_owned(),
        },
        Some(_) | None => error.into(),
    }
}

fn flag_of(line: &str) -> Option<&'static str> {
    let (key, _) = line.split_once('=')?;
    FLAGS.iter().find(|(name, _)| *name == key.trim()).map(|(_, flag)| *flag)
}
