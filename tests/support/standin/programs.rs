//! The programs that a simulated guest has.

use super::commands::Ran;
use super::files::{Files, Node};
use super::shell::Shell;

/// Programs that look at nothing but their arguments.
pub(super) fn plain(program: &str, arguments: &[&str], shell: &Shell<'_>) -> Ran {
    let number = |text: Option<&&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    let request = shell.request;
    match program {
        "true" | ":" | "sync" | "set" | "cd" | "stty" => Ran::code(0),
        "false" => Ran::code(1),
        "exit" => Ran::code(number(arguments.first())),
        "echo" => match arguments {
            ["-n", words @ ..] => Ran::printed(words.join(" ")),
            words => Ran::printed(words.join(" ") + "\n"),
        },
        "printf" => printf(arguments),
        "kill" => Ran { killed: true, ..Ran::code(128 + i32::abs(number(arguments.first()))) },
        "hostname" => Ran::printed(format!("{}\n", shell.key.1)),
        "whoami" => Ran::printed("root\n"),
        "pwd" => Ran::printed(format!("{}\n", request.cwd)),
        "id" => Ran::printed(format!("{}\n", request.user)),
        "env" | "printenv" => {
            let shown = request.environment.iter().map(|(name, value)| format!("{name}={value}\n"));
            Ran::printed(shown.collect::<String>())
        }
        _ => Ran { stderr: format!("{program}: not found\n").into(), ..Ran::code(127) },
    }
}

/// Whether a program is named by the path of something that cannot be run.
pub(super) fn not_executable(shell: &Shell<'_>, path: &str) -> bool {
    path.contains('/')
        && shell.world.with(|all| {
            let node = all.instances.get(shell.key).and_then(|one| one.files.get(path));
            node.is_some_and(|node| node.mode & 0o111 == 0 || node.kind != "file")
        })
}

fn printf(arguments: &[&str]) -> Ran {
    let Some((format, words)) = arguments.split_first() else { return Ran::code(2) };
    let text = format.replace("\\n", "\n").replace("\\t", "\t");
    Ran::printed(words.iter().fold(text, |text, word| text.replacen("%s", word, 1)))
}

/// Programs that look at files or processes.
pub(super) fn with_files(
    shell: &Shell<'_>,
    program: &str,
    arguments: &[&str],
    stdin: Vec<u8>,
) -> Ran {
    let paths: Vec<&str> = arguments.iter().copied().filter(|word| word.starts_with('/')).collect();
    shell.world.with(|all| {
        let Some(instance) = all.instances.get_mut(shell.key) else { return Ran::code(137) };
        let runs = |name: &&str| instance.programs.contains(name);
        if program == "pgrep" {
            return Ran::code(i32::from(!arguments.last().is_some_and(runs)));
        }
        let files = &mut instance.files;
        match program {
            "cat" if paths.is_empty() => Ran::printed(stdin),
            "head" => head(files, arguments, &paths, stdin),
            "cat" | "ls" | "stat" | "test" | "[" => looked_at(files, program, arguments, &paths),
            _ => changed(files, program, arguments, &paths),
        }
    })
}

fn missing() -> Ran {
    Ran { stderr: b"No such file or directory\n".to_vec(), ..Ran::code(1) }
}

fn head(files: &Files, arguments: &[&str], paths: &[&str], stdin: Vec<u8>) -> Ran {
    let count = arguments.iter().find_map(|word| word.parse().ok()).unwrap_or(0);
    if paths.first() == Some(&"/dev/zero") {
        return Ran::printed(vec![0; count]);
    }
    let mut bytes = match paths.first() {
        None => stdin,
        Some(path) => match files.get(path) {
            Some(node) => node.bytes.clone(),
            None => return missing(),
        },
    };
    bytes.truncate(count);
    Ran::printed(bytes)
}

fn looked_at(files: &Files, program: &str, arguments: &[&str], paths: &[&str]) -> Ran {
    let nodes: Option<Vec<&Node>> = paths.iter().map(|path| files.get(path)).collect();
    let Some(nodes) = nodes else { return missing() };
    match program {
        "cat" => {
            Ran::printed(nodes.iter().flat_map(|node| node.bytes.clone()).collect::<Vec<u8>>())
        }
        "ls" => {
            let names = paths.iter().flat_map(|path| files.names(path));
            Ran::printed(names.map(|name| name + "\n").collect::<String>())
        }
        "stat" => {
            let format = arguments.iter().find(|word| word.contains('%')).copied().unwrap_or("%a");
            let shown = nodes.iter().map(|node| {
                let text = format.replace("%u", &node.uid.to_string());
                let text = text.replace("%g", &node.gid.to_string());
                text.replace("%a", &format!("{:o}", node.mode)) + "\n"
            });
            Ran::printed(shown.collect::<String>())
        }
        _ => Ran::code(0),
    }
}

fn changed(files: &mut Files, program: &str, arguments: &[&str], paths: &[&str]) -> Ran {
    match (program, paths) {
        ("rm", paths) => {
            let gone = paths.iter().filter(|path| files.remove(path)).count();
            if gone == paths.len() || arguments.contains(&"-f") { Ran::code(0) } else { missing() }
        }
        ("ln", [target, link]) => {
            let link_node = Node { kind: "symlink".into(), mode: 0o777, ..Node::file(*target) };
            pushed(files, link, link_node)
        }
        ("mkfifo", [.., path]) => {
            pushed(files, path, Node { kind: "fifo".into(), mode: 0o600, ..Node::file("") })
        }
        ("mkdir", [.., path]) => pushed(files, path, Node::directory()),
        _ => Ran::code(2),
    }
}

fn pushed(files: &mut Files, path: &str, node: Node) -> Ran {
    files.push(path, node, false).map_or_else(|_| missing(), |()| Ran::code(0))
}
