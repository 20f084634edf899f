//! Runs the binary in a directory of its own, with nothing of the user's environment.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

/// A place to run the binary in.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::with_prefix("larm-cli-").unwrap() }
    }

    /// One with a configuration, which keeps everything inside.
    pub(crate) fn with_config(text: &str) -> Self {
        let place = Self::new();
        std::fs::write(place.path("larm.toml"), text).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The binary with these arguments: it finds the configuration, and neither a daemon nor an LXD.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.furnished(env!("CARGO_BIN_EXE_larm"));
        command.args(arguments);
        command
    }

    /// A program that is to run the binary, with what [`Self::command`] gives it.
    pub(crate) fn furnished(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("COLUMNS", "100")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LARM_CONTROL_SOCKET", self.path("control.sock"))
            .env("LARM_LXD_SOCKET", self.path("lxd.sock"))
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        if self.path("larm.toml").exists() {
            command.env("LARM_CONFIG", self.path("larm.toml"));
        }
        command
    }

    /// Runs it; the exit code and both streams as one text, in which this place is `[DIR]`.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.shown(&self.command(arguments).output().unwrap())
    }

    /// Runs it with something on its standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.shown(&child.wait_with_output().unwrap())
    }

    /// Runs it with a file as its standard input.
    pub(crate) fn run_with_file(&self, arguments: &[&str], name: &str) -> String {
        let input = File::open(self.path(name)).unwrap();
        self.shown(&self.command(arguments).stdin(input).output().unwrap())
    }

    /// Runs it with a terminal as its standard input, on which this was typed.
    pub(crate) fn run_at_a_terminal(&self, arguments: &[&str], typed: &[u8]) -> String {
        let (mut keyboard, terminal) = terminal();
        keyboard.write_all(typed).unwrap();
        self.shown(&self.command(arguments).stdin(terminal).output().unwrap())
    }

    /// Runs it at a terminal that shows standard error, too, and types each answer once its question
    /// is there. The outcome's standard error is the screen, with all that was typed and shown.
    pub(crate) fn converse(&self, arguments: &[&str], talk: &[(&str, &str)]) -> String {
        let (mut keyboard, terminal) = terminal();
        // The command goes with the statement: the terminal then ends with the child.
        let child = self
            .command(arguments)
            .env("NO_COLOR", "1")
            .stdin(terminal.try_clone().unwrap())
            .stderr(terminal)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut screen, mut seen) = (Vec::new(), 0);
        for (question, answer) in talk {
            while !String::from_utf8_lossy(screen.get(seen..).unwrap()).contains(question) {
                let more = read_screen(&mut keyboard, &mut screen);
                assert!(more, "{question:?} is not in {:?}", String::from_utf8_lossy(&screen));
            }
            seen = screen.len();
            keyboard.write_all(format!("{answer}\n").as_bytes()).unwrap();
        }
        while read_screen(&mut keyboard, &mut screen) {}
        let mut output = child.wait_with_output().unwrap();
        output.stderr = screen;
        self.shown(&output).replace("\r\n", "\n").replace(" \n", "\n")
    }

    /// How a command ended, as [`Place::run`] tells it.
    pub(crate) fn shown(&self, output: &Output) -> String {
        let directory = self.directory.path().to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        format!(
            "exit: {}\n----- stdout\n{}----- stderr\n{}",
            output.status.code().map_or_else(|| "signal".to_owned(), |code| code.to_string()),
            text(&output.stdout),
            text(&output.stderr),
        )
        .replace(directory, "[DIR]")
    }
}

/// A terminal: the side of the person and that of the program.
pub(crate) fn terminal() -> (File, File) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    (File::from(keyboard), terminal)
}

/// Reads what the program shows; not true once it is gone, which Linux tells with EIO.
fn read_screen(keyboard: &mut File, screen: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    match keyboard.read(&mut buffer) {
        Ok(read) => {
            screen.extend_from_slice(buffer.get(..read).unwrap());
            read > 0
        }
        Err(_) => false,
    }
}

/// Whether a directory holds a file of this name.
pub(crate) fn holds(directory: &Path, name: &str) -> bool {
    directory.join(name).is_file()
}
