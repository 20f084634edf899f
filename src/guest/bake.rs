//! The guest's side of baking a golden image: a script with one command per step.

/// The script that makes a golden image of a guest.
pub const SCRIPT_TEXT: &str = include_str!("files/bake.sh");

/// Where the host puts it (tmpfs: it does not become part of the image).
pub const SCRIPT: &str = "/run/larm-bake";

/// Where the host puts the operator's script, which is removed when it has run.
pub const OPERATORS_SCRIPT: &str = "/var/lib/larm-bake-script";

/// What a step returns where the guest has no apt-get.
pub const NO_APT: i32 = 20;

/// The command of a step.
pub fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    ["sh", SCRIPT].into_iter().chain(words).map(str::to_owned).collect()
}

/// A text of the guest's as lines that cannot steer a terminal, without empty ones.
pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(super::text::line).filter(|line| !line.is_empty()).collect()
}
