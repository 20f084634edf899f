//! What the configuration is made from: from flags, else from the user, else by default.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::Arguments;
use super::dialogue::Dialogue;
use super::files::absolute;
use crate::cli::report::{self, CliError};
use crate::cli::runner::instance_type;
use crate::cli::secret;
use crate::config::{is_stdin, read_key};
use crate::model::{GitHubPath, InstanceType};

/// The default of `max` in the configuration.
const MAX: &str = "4";
/// The image's alias that the README takes for virtual machines.
const VM_IMAGE: &str = "larm-ubuntu24-vm";
/// The image that `scripts/image` makes: one for containers.
const CONTAINER_IMAGE: &str = "larm-debian12";

/// What the configuration is made from.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) github: GitHubPath,
    pub(super) auth: Auth,
    pub(super) url: Option<String>,
    pub(super) instance_type: InstanceType,
    pub(super) image: String,
    pub(super) max: NonZeroU16,
    pub(super) min_idle: u16,
}

/// How larm signs in.
#[derive(Debug)]
pub(super) enum Auth {
    Token(Token),
    App { id: String, key_file: PathBuf },
}

/// Where the token is.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) file: PathBuf,
    /// What was typed or piped, and is to be written to the file.
    pub(super) given: Option<SecretString>,
}

/// The two ways to sign in.
enum Way {
    Token,
    App,
}

impl Answers {
    /// Takes what flags say, and asks for the rest if there is anybody to ask. A token that is
    /// given itself is to be written to `new_file`.
    pub(super) fn collect(
        arguments: Arguments,
        dialogue: Option<&Dialogue>,
        new_file: &Path,
    ) -> Result<Self, CliError> {
        let github = match (arguments.github, dialogue) {
            (Some(github), _) => Some(github),
            (None, Some(dialogue)) => {
                let question = "Where do runners register (OWNER/REPOSITORY or ORGANISATION)?";
                Some(dialogue.ask(question, None, parsed)?)
            }
            (None, None) => None,
        };
        let auth = match (arguments.token_file, arguments.app_id, arguments.app_key_file) {
            (Some(file), _, _) => Some(Auth::Token(token(&file, new_file)?)),
            (None, Some(id), Some(key)) => Some(Auth::App { id, key_file: key_file(&key)? }),
            (None, _, _) => dialogue.map(|dialogue| ask_auth(dialogue, new_file)).transpose()?,
        };
        let (Some(github), Some(auth)) = (github, auth) else { return Err(nobody_to_ask()) };
        let or_ask = OrAsk(dialogue);
        let instance_type = or_ask.take(
            arguments.instance_type,
            "What are runners: virtual-machine or container?",
            "virtual-machine",
            instance_type,
        )?;
        let image = default_image(instance_type);
        let image =
            or_ask.take(arguments.image, "Which image (its alias in LXD)?", image, named)?;
        let some = |text: &str| {
            parsed(text).map_err(|_| format!("write a number from 1 to {}", NonZeroU16::MAX))
        };
        let max = or_ask.take(arguments.max, "How many runners at most?", MAX, some)?;
        let waiting = "How many of them wait for jobs, ready at once?";
        let at_most = |text: &str| {
            let number = parsed(text).ok().filter(|number| *number <= max.get());
            number.ok_or_else(|| format!("write a number from 0 to {max}"))
        };
        let min_idle = or_ask.take(arguments.min_idle, waiting, "0", at_most)?;
        Ok(Self { github, auth, url: arguments.url, instance_type, image, max, min_idle })
    }
}

/// For what has a default.
struct OrAsk<'a>(Option<&'a Dialogue>);

impl OrAsk<'_> {
    fn take<T>(
        &self,
        given: Option<T>,
        question: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        match (given, self.0) {
            (Some(given), _) => Ok(given),
            (None, Some(dialogue)) => dialogue.ask(question, Some(default), read),
            (None, None) => read(default).map_err(|message| CliError::Usage {
                message,
                hint: "see `larm init --help`".to_owned(),
            }),
        }
    }
}

fn ask_auth(dialogue: &Dialogue, new_file: &Path) -> Result<Auth, CliError> {
    let way = |text: &str| match text.to_ascii_lowercase().as_str() {
        "token" => Ok(Way::Token),
        "app" => Ok(Way::App),
        _ => Err("write token or app".to_owned()),
    };
    match dialogue.ask("How does larm sign in: with a token or as an app?", Some("token"), way)? {
        Way::Token => Ok(Auth::Token(ask_token(dialogue, new_file)?)),
        Way::App => Ok(Auth::App {
            id: dialogue.ask("The App's id or client id?", None, named)?,
            key_file: dialogue.ask("The file with its private key (PEM)?", None, |text| {
                key_file(Path::new(text)).map_err(|error| report::in_words(&error))
            })?,
        }),
    }
}

fn ask_token(dialogue: &Dialogue, new_file: &Path) -> Result<Token, CliError> {
    let question = "The token (it is not shown; Enter alone to name a file)?";
    let usable = |token: &str| !token.contains(|c: char| c.is_whitespace() || c.is_control());
    let typed = dialogue.ask_hidden(question, "a token is one word", usable)?;
    if !typed.expose_secret().is_empty() {
        return Ok(Token { file: new_file.to_owned(), given: Some(typed) });
    }
    dialogue.ask("The file with the token?", None, |text| {
        token(Path::new(text), new_file).map_err(|error| report::in_words(&error))
    })
}

/// Looks into the file at once: now is the time to mend it.
fn token(file: &Path, new_file: &Path) -> Result<Token, CliError> {
    let given = secret::read(file)?;
    if is_stdin(file) {
        return Ok(Token { file: new_file.to_owned(), given: Some(given) });
    }
    Ok(Token { file: absolute(file)?, given: None })
}

fn key_file(file: &Path) -> Result<PathBuf, CliError> {
    read_key(file)?;
    absolute(file)
}

fn default_image(instance_type: InstanceType) -> &'static str {
    match instance_type {
        InstanceType::VirtualMachine => VM_IMAGE,
        InstanceType::Container => CONTAINER_IMAGE,
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn named(text: &str) -> Result<String, String> {
    if text.contains(char::is_whitespace) {
        return Err("write it without blanks".to_owned());
    }
    Ok(text.to_owned())
}

fn nobody_to_ask() -> CliError {
    CliError::Usage {
        message: "there is nobody to ask where runners register and how larm signs in".to_owned(),
        hint: "give `--github PATH`, and `--token-file FILE` or `--app-id ID --app-key-file FILE`"
            .to_owned(),
    }
}
