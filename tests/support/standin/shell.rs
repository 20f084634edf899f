//! As much of a shell as tests of exec need: lists, pipes, redirections, variables and a few
//! commands. Everything else is not found, exit code 127.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::commands::{Ran, Request, cloud_init};
use super::files::Node;
use super::programs;
use super::world::{Key, World};

/// One shell at work.
pub(super) struct Shell<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) key: &'a Key,
    pub(super) request: &'a Request,
    variables: BTreeMap<String, String>,
    last: i32,
    exited: bool,
}

/// Runs a command, or a script given to `sh -c`.
pub(super) async fn run(world: &Arc<World>, key: &Key, request: &Request) -> Ran {
    let variables = request.environment.clone();
    let mut shell = Shell { world, key, request, variables, last: 0, exited: false };
    shell.simple(request.argv.clone(), request.stdin.clone()).await
}

/// Splits a script into words; operators are words of their own, marked by a leading NUL.
fn words(script: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    let mut letters = script.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(mark), letter) if letter == mark => quote = None,
            (Some('\''), letter) => word.push(letter),
            (None, '\'' | '"') => (quote, begun) = (Some(letter), true),
            (_, '\\') => word.extend(letters.next()),
            (None, ';' | '\n' | '|' | '&' | '>' | '<' | ' ' | '\t') => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                    begun = false;
                }
                let mut operator = String::from(letter);
                while matches!((letter, letters.peek()), ('|', Some('|')) | ('&', Some('&')))
                    || matches!((letter, letters.peek()), ('>', Some('>' | '&')))
                {
                    operator.extend(letters.next());
                }
                if !operator.trim_matches([' ', '\t']).is_empty() {
                    words.push(format!("\0{}", operator.replace('\n', ";")));
                }
            }
            (_, letter) => word.push(letter),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

impl Shell<'_> {
    /// Runs a list of pipelines.
    async fn list(&mut self, words: &[String], mut stdin: Vec<u8>) -> Ran {
        let mut whole = Ran::default();
        let mut joint = "\0;";
        let mut rest = words;
        loop {
            let operators = ["\0;", "\0&&", "\0||", "\0|"];
            let end = rest.iter().position(|word| operators.contains(&word.as_str()));
            let (now, after) = rest.split_at(end.unwrap_or(rest.len()));
            let next = after.first().map(String::as_str);
            let skipped = match joint {
                "\0&&" => self.last != 0,
                "\0||" => self.last == 0,
                _ => false,
            };
            if !now.is_empty() && !skipped {
                let ran = self.redirected(now, std::mem::take(&mut stdin)).await;
                self.last = ran.code;
                whole.code = ran.code;
                whole.killed = ran.killed;
                whole.stderr.extend(ran.stderr);
                if next == Some("\0|") {
                    stdin = ran.stdout;
                } else {
                    whole.stdout.extend(ran.stdout);
                }
            }
            whole.exited = self.exited;
            let Some(operator) = next.filter(|_| !self.exited) else { return whole };
            joint = operator;
            rest = after.get(1..).unwrap_or_default();
        }
    }

    /// Runs one command of a pipeline, with its redirections.
    async fn redirected(&mut self, words: &[String], mut stdin: Vec<u8>) -> Ran {
        let (mut argv, mut into, mut append, mut to_stderr) = (Vec::new(), None, false, false);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "\0>" | "\0>>" => {
                    append = word == "\0>>";
                    into = words.next();
                }
                "\0>&" => to_stderr = words.next().is_some_and(|target| target == "2"),
                "\0<" => stdin = self.world.read_in_guest(self.key, words.next()).await,
                _ => argv.push(self.expanded(word)),
            }
        }
        let mut ran = Box::pin(self.simple(argv, stdin)).await;
        if to_stderr {
            ran.stderr.append(&mut ran.stdout);
        }
        let Some(path) = into else { return ran };
        if self.world.write_in_guest(self.key, path, std::mem::take(&mut ran.stdout), append) {
            ran
        } else {
            Ran { code: 2, stderr: format!("sh: cannot create {path}\n").into(), ..ran }
        }
    }

    /// A word with `$NAME`, `${NAME}`, `$?` and `$((A+B))` put in.
    fn expanded(&self, word: &str) -> String {
        let Some((before, after)) = word.split_once('$') else { return word.to_owned() };
        let named = |name: &str| self.variables.get(name).cloned().unwrap_or_default();
        let (value, rest) = if let Some((sum, rest)) =
            after.strip_prefix("((").and_then(|inner| inner.split_once("))"))
        {
            let terms = sum.split('+').filter_map(|term| term.trim().parse::<i64>().ok());
            (terms.sum::<i64>().to_string(), rest)
        } else if let Some((name, rest)) =
            after.strip_prefix('{').and_then(|inner| inner.split_once('}'))
        {
            (named(name), rest)
        } else if let Some(rest) = after.strip_prefix('?') {
            (self.last.to_string(), rest)
        } else if let Some(rest) = after.strip_prefix('$') {
            ("4711".to_owned(), rest)
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, rest) = after.split_at(end.unwrap_or(after.len()));
            (named(name), rest)
        };
        format!("{before}{value}{}", self.expanded(rest))
    }

    /// Runs one command.
    async fn simple(&mut self, mut argv: Vec<String>, stdin: Vec<u8>) -> Ran {
        match argv.first().map(String::as_str) {
            Some("exec") => drop(argv.drain(..1)),
            Some("timeout") => drop(argv.drain(..2.min(argv.len()))),
            Some(_) | None => {}
        }
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let Some((&program, arguments)) = words.split_first() else { return Ran::code(0) };
        if programs::not_executable(self, program) {
            return Ran::code(126);
        }
        match program.rsplit('/').next().unwrap_or_default() {
            "sh" | "bash" | "dash" => self.script(arguments, stdin).await,
            "exit" | "kill" => {
                self.exited = true;
                programs::plain(program, arguments, self)
            }
            "read" => {
                let line = String::from_utf8_lossy(&stdin).lines().next().map(str::to_owned);
                let name = arguments.last().copied().unwrap_or("REPLY").to_owned();
                let found = line.is_some();
                self.variables.insert(name, line.unwrap_or_default());
                Ran::code(i32::from(!found))
            }
            "sleep" => {
                let seconds = arguments.first().and_then(|text| text.parse::<f64>().ok());
                let _running = self.world.running(self.key, "sleep");
                sleep(Duration::from_secs_f64(seconds.unwrap_or(0.0).clamp(0.0, 1e6))).await;
                Ran::code(0)
            }
            "poweroff" | "shutdown" | "halt" => self.power_off(),
            "systemctl" if arguments.contains(&"poweroff") => self.power_off(),
            "cloud-init" => self.cloud_init_status(&argv).await,
            "cat" | "head" | "ls" | "ln" | "rm" | "test" | "[" | "mkdir" | "mkfifo" | "stat"
            | "pgrep" => programs::with_files(self, program, arguments, stdin),
            plain => programs::plain(plain, arguments, self),
        }
    }

    async fn script(&mut self, arguments: &[&str], stdin: Vec<u8>) -> Ran {
        let Some(script) = arguments.iter().find(|word| !word.starts_with('-')) else {
            return Ran::code(0);
        };
        let words = words(script);
        let ran = Box::pin(self.list(&words, stdin)).await;
        self.exited = false;
        ran
    }

    fn power_off(&self) -> Ran {
        self.world.guest_power_off(self.key);
        Ran::code(0)
    }

    async fn cloud_init_status(&self, argv: &[String]) -> Ran {
        let (world, key) = (self.world, self.key);
        let changed = world.with(|all| all.instances.get(key).map(|one| one.changed.subscribe()));
        let Some(mut changed) = changed else { return Ran::code(137) };
        loop {
            match world.with(|all| all.instances.get(key).map(|one| cloud_init(one, argv))) {
                None => return Ran::code(137),
                Some(Some(ran)) => return ran,
                Some(None) => {}
            }
            if changed.changed().await.is_err() {
                return Ran::code(137);
            }
        }
    }
}

/// A program under way in a guest; its end takes it off the list.
pub(super) struct Running<'a> {
    world: &'a World,
    key: &'a Key,
    name: &'static str,
}

impl World {
    /// Puts a program on the list of those that run in a guest.
    pub(super) fn running<'a>(&'a self, key: &'a Key, name: &'static str) -> Running<'a> {
        self.with(|all| all.instances.get_mut(key).map(|one| one.programs.push(name)));
        Running { world: self, key, name }
    }

    /// Reads a file, or waits for what is written into a fifo.
    async fn read_in_guest(&self, key: &Key, path: Option<&String>) -> Vec<u8> {
        let Some(path) = path.filter(|path| *path != "/dev/null") else { return Vec::new() };
        let changed = self.with(|all| all.instances.get(key).map(|one| one.changed.subscribe()));
        let Some(mut changed) = changed else { return Vec::new() };
        loop {
            let read = self.with(|all| {
                let node = all.instances.get_mut(key)?.files.get_mut(path)?;
                match (node.kind == "fifo", node.bytes.is_empty()) {
                    (true, true) => None,
                    (true, false) => Some(std::mem::take(&mut node.bytes)),
                    (false, _) => Some(node.bytes.clone()),
                }
            });
            if let Some(bytes) = read {
                return bytes;
            }
            if changed.changed().await.is_err() {
                return Vec::new();
            }
        }
    }

    /// Writes a file, a fifo or the console.
    fn write_in_guest(
        self: &Arc<Self>,
        key: &Key,
        path: &str,
        bytes: Vec<u8>,
        append: bool,
    ) -> bool {
        let written = self.with(|all| {
            let one = all.instances.get_mut(key)?;
            match path {
                "/dev/null" => {}
                "/dev/console" => one.console.extend(bytes),
                _ if one.files.get(path).is_some_and(|node| node.kind == "fifo") => {
                    one.files.get_mut(path)?.bytes.extend(bytes);
                }
                _ => one.files.push(path, Node::file(bytes), append).ok()?,
            }
            one.touch();
            Some(())
        });
        self.see_handover(key);
        written.is_some()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.world.with(|all| {
            if let Some(one) = all.instances.get_mut(self.key)
                && let Some(place) = one.programs.iter().position(|name| *name == self.name)
            {
                one.programs.remove(place);
            }
        });
    }
}
