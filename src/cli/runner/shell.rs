//! `larm runner shell`: a terminal in a runner's instance, by LXD and without the daemon's help
//! but for the name.

use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{self, CliError, Outcome, notice};
use crate::cli::terminal::{self, RawTerminal};
use crate::lxd::{Client, Exec, Operation, Session, SessionControl, SessionInput, SessionOutput};
use crate::model::InstanceName;

/// What runs where no command is given.
const SHELL: [&str; 3] = ["sh", "-c", "exec $(command -v bash || command -v sh) -l"];
/// How long the operation may take to end once its output has.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How much of a command's output is read without a terminal.
const OUTPUT_CAP: usize = 16 << 20;
/// How long a command may run without a terminal.
const COMMAND_LIMIT: Duration = Duration::from_hours(1);
/// How much is read from the keyboard at once.
const KEYS: usize = 4096;
/// How many pieces of input may wait for LXD.
const WAITING: usize = 16;

/// Open a root shell in a runner's instance, or run a command there
///
/// The command's exit code is larm's. A command gets the terminal if larm has one at both ends.
/// Where its output or its input is a file or a pipe, it gets no input, and its output comes
/// unchanged when it has ended.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm runner shell 3f9c\n  \
    larm runner shell larm-3f9c1a2b4d5e -- journalctl --no-pager -n 50")]
pub(in crate::cli) struct Arguments {
    /// The runner's id, the beginning of it, or its name; with its full name the daemon is not needed
    #[arg(value_name = "RUNNER")]
    runner: String,
    /// What to run instead of a shell
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<String>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let name = match arguments.runner.parse::<InstanceName>() {
        Ok(name) => name.to_string(),
        Err(_) => context.daemon()?.runner(&arguments.runner).await?.name.to_string(),
    };
    let terminal =
        wants_terminal(&arguments.command, stdin().is_terminal(), stdout().is_terminal());
    let command = if arguments.command.is_empty() {
        SHELL.map(str::to_owned).to_vec()
    } else {
        arguments.command
    };
    let exec = Exec { command, ..Exec::default() };
    let client = context.lxd()?;
    if terminal {
        session(&client, &name, &exec).await
    } else {
        recorded(&client, &name, &exec, context).await
    }
}

/// A terminal on the way would change what a command writes into a file: line ends, and standard
/// error in between.
fn wants_terminal(command: &[String], keyboard: bool, screen: bool) -> bool {
    command.is_empty() || (keyboard && screen)
}

/// Runs a command without a terminal: its output stays as it is, and the two streams apart.
async fn recorded(
    client: &Client,
    name: &str,
    exec: &Exec,
    context: &Context,
) -> Result<Outcome, CliError> {
    let output = client.run(name, exec, OUTPUT_CAP, COMMAND_LIMIT).await?;
    print::raw(&output.stdout)?;
    report::raw(&output.stderr);
    if output.truncated {
        notice(context, "the output was cut off: it is larger than larm reads");
    }
    Ok(guest_code(i64::from(output.code)))
}

/// Runs a command with the user's terminal.
async fn session(client: &Client, name: &str, exec: &Exec) -> Result<Outcome, CliError> {
    let resized = signal(SignalKind::window_change())
        .map_err(|source| CliError::Io { what: "watch the terminal's size".to_owned(), source })?;
    let Session { operation, input, output, control } =
        client.exec_interactive(name, exec, terminal::size()).await?;
    // From here to the end of this function keys go to the guest, Ctrl-C too.
    let raw = RawTerminal::enter();
    let shown = talk(input, output, control, resized).await;
    drop(raw);
    shown?;
    exit_code(client, &operation).await
}

/// Carries keys there and output back, until the output ends.
async fn talk(
    input: SessionInput,
    output: SessionOutput,
    control: SessionControl,
    resized: Signal,
) -> Result<(), CliError> {
    tokio::select! {
        result = show(output) => result,
        result = type_in(input) => result,
        result = follow_size(control, resized) => result,
    }
}

async fn show(mut output: SessionOutput) -> Result<(), CliError> {
    while let Some(piece) = output.next().await? {
        print::raw(&piece)?;
    }
    Ok(())
}

/// Sends what is typed. Ends with an error only: the end of the input does not end the session.
async fn type_in(mut input: SessionInput) -> Result<(), CliError> {
    let mut keys = keys();
    while let Some(piece) = keys.recv().await {
        input.write(piece).await?;
    }
    if !stdin().is_terminal() {
        // Where input is piped its end is told as a keyboard would.
        input.write(vec![terminal::END_OF_INPUT]).await?;
    }
    std::future::pending().await
}

/// Reads standard input on a thread of its own: a read of a terminal cannot be broken off, and
/// must not keep the command from ending.
fn keys() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut buffer = vec![0; KEYS];
        while let Ok(length @ 1..) = std::io::Read::read(&mut stdin().lock(), &mut buffer) {
            let piece = buffer.get(..length).unwrap_or_default().to_vec();
            if sender.blocking_send(piece).is_err() {
                break;
            }
        }
    });
    receiver
}

async fn follow_size(mut control: SessionControl, mut resized: Signal) -> Result<(), CliError> {
    while resized.recv().await.is_some() {
        control.resize(terminal::size()).await?;
    }
    std::future::pending().await
}

/// What the command ended with.
async fn exit_code(client: &Client, operation: &Operation) -> Result<Outcome, CliError> {
    let ended = client.wait(operation, END_LIMIT).await?;
    Ok(guest_code(ended.metadata.get("return").and_then(Value::as_i64).unwrap_or(-1)))
}

/// A command that a signal ended has -1 in a virtual machine.
fn guest_code(code: i64) -> Outcome {
    Outcome::Guest(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `larm runner shell NAME -- cat FILE > copy`, typed at a keyboard, wrote a copy with other
    /// line ends.
    #[test]
    fn a_command_has_a_terminal_only_between_keyboard_and_screen() {
        let command = ["cat".to_owned()];
        assert!(wants_terminal(&command, true, true));
        assert!(!wants_terminal(&command, true, false));
        assert!(!wants_terminal(&command, false, true));
        assert!(wants_terminal(&[], false, false), "a shell has one in any case");
    }
}
