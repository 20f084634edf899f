//! Commands inside an instance.

use std::collections::BTreeMap;
use std::time::Duration;

use larm::lxd::{ErrorKind, Event, Exec, ExecOutput, StateChange, Terminal};
use tokio::time::{sleep, timeout};

use super::{Environment, Guest, Kind, LIMIT};

pub(crate) async fn returns_exit_codes(environment: Environment) {
    let guest = environment.started().await;
    for code in [0, 1, 3, 125, 128, 255] {
        assert_eq!(guest.sh(&format!("exit {code}")).await.code, code);
    }
    let killed = guest.sh("kill -9 $$").await.code;
    let expected = if environment.kind == Kind::Container { 137 } else { -1 };
    assert_eq!(killed, expected);
}

pub(crate) async fn calls_missing_and_not_executable_commands_127_and_126(
    environment: Environment,
) {
    let guest = environment.started().await;
    assert_eq!(guest.run(["no-such-command"]).await.unwrap().code, 127);
    assert_eq!(guest.run(["/etc/hostname"]).await.unwrap().code, 126);
    let ended = guest.sh("echo out; echo err >&2; exit 127").await;
    assert_eq!(ended.code, 127, "a code of the script's own");
    // Without events the answer to the wait hides it on some servers; the code stays.
    let exec = Exec::new(["sh", "-c", "exit 126"]);
    let plain = environment.plain.run(&guest.name, &exec, 100, LIMIT).await.unwrap();
    assert_eq!(plain.code, 126);
}

pub(crate) async fn separates_caps_and_removes_the_output(environment: Environment) {
    let guest = environment.started().await;
    let client = &guest.client;
    let exec = Exec::new(["sh", "-c", "echo out; echo err >&2; exit 3"]);
    let operation = client.exec_recorded(&guest.name, &exec).await.unwrap();
    let finished = client.wait(&operation, LIMIT).await.unwrap();
    let output = client.exec_output(&guest.name, &finished.metadata, 100).await.unwrap();
    let expected = ExecOutput {
        code: 3,
        stdout: b"out\n".to_vec(),
        stderr: b"err\n".to_vec(),
        truncated: false,
    };
    assert_eq!(output, expected);
    let gone = client.exec_output(&guest.name, &finished.metadata, 100).await.unwrap_err();
    assert!(gone.is_not_found(), "{gone}");

    let exec = Exec::new(["sh", "-c", "head -c 300000 /dev/zero"]);
    let output = client.run(&guest.name, &exec, 1000, LIMIT).await.unwrap();
    assert_eq!((output.stdout.len(), output.truncated), (1000, true));
}

pub(crate) async fn runs_in_the_given_environment(environment: Environment) {
    let guest = environment.started().await;
    let exec = Exec {
        environment: BTreeMap::from([("GREETING".to_owned(), "hello there".to_owned())]),
        cwd: "/tmp".to_owned(),
        ..Exec::new(["sh", "-c", "echo $GREETING; pwd"])
    };
    let output = guest.client.run(&guest.name, &exec, 1000, LIMIT).await.unwrap();
    assert_eq!(output.text(), "hello there\n/tmp\n");
    let exec = Exec { user: 65534, group: 65534, ..Exec::new(["id", "-u"]) };
    let output = guest.client.run(&guest.name, &exec, 1000, LIMIT).await.unwrap();
    assert_eq!(output.text(), "65534\n");
}

pub(crate) async fn refuses_on_stopped_frozen_and_missing(environment: Environment) {
    let guest = environment.created().await;
    let stopped = guest.run(["true"]).await.unwrap_err();
    assert!(matches!(stopped.kind(), ErrorKind::NotRunning { .. }), "{stopped}");
    guest.change(StateChange::Start).await.unwrap();
    guest.answers().await;
    guest.change(StateChange::Freeze).await.unwrap();
    let frozen = guest.run(["true"]).await.unwrap_err();
    assert!(matches!(frozen.kind(), ErrorKind::Frozen { .. }), "{frozen}");
    guest.change(StateChange::Unfreeze).await.unwrap();
    assert_eq!(guest.run(["true"]).await.unwrap().code, 0);
    let nobody = environment.guard(&format!("{}-nobody", guest.name));
    let missing = nobody.run(["true"]).await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
}

/// In a container LXD says that the command ended with a code, in a virtual machine that the agent
/// is lost; in both the command ends.
pub(crate) async fn ends_when_the_instance_is_stopped(environment: Environment) {
    let guest = environment.started().await;
    let exec = Exec::new(["sleep", "600"]);
    let run = guest.client.run(&guest.name, &exec, 100, LIMIT);
    let stop = async {
        // The command has begun when the guest has a process of this name.
        while guest.sh("pgrep -x sleep").await.code != 0 {
            sleep(Duration::from_millis(50)).await;
        }
        guest.change(StateChange::PULL_THE_PLUG).await.unwrap();
    };
    let (ran, ()) = tokio::join!(run, stop);
    match ran {
        Ok(output) => assert_ne!(output.code, 0),
        Err(error) => assert!(!matches!(error.kind(), ErrorKind::TimedOut { .. }), "{error}"),
    }
}

/// The watch that larm arms: a command that blocks on a fifo ends when the guest writes into it,
/// and its operation's event brings the code and the way to the output.
pub(crate) async fn rings_as_a_bell(environment: Environment) {
    let guest = environment.started().await;
    assert_eq!(guest.sh("mkfifo -m 600 /run/bell").await.code, 0);
    let mut events = environment.hub.subscribe();
    let watch = Exec::new(["sh", "-c", "read news < /run/bell; echo $news"]);
    let operation = guest.client.exec_recorded(&guest.name, &watch).await.unwrap();
    let bell = async {
        loop {
            if let Some(Event::Operation(event)) = events.next().await
                && event.id == operation.id
                && event.status_code.is_final()
            {
                return event;
            }
        }
    };
    let (event, _) = tokio::join!(timeout(LIMIT, bell), guest.sh("echo ready > /run/bell"));
    let event = event.expect("the bell rings");
    let output = guest.client.exec_output(&guest.name, &event.metadata, 100).await.unwrap();
    assert_eq!((output.code, output.text().as_str()), (0, "ready\n"));
}

/// Which is why no secret may stand in it; our own events leave it out.
pub(crate) async fn carries_the_command_line_in_its_event(environment: Environment) {
    let guest = environment.started().await;
    let mut events = environment.hub.subscribe();
    assert_eq!(guest.run(["true", "marker-4711"]).await.unwrap().code, 0);
    let seen = async {
        loop {
            match events.next().await {
                Some(Event::Lifecycle(event)) if event.action == "instance-exec" => return event,
                Some(_) => {}
                None => panic!("the hub has stopped"),
            }
        }
    };
    let event = timeout(LIMIT, seen).await.expect("the event comes");
    assert!(!format!("{event:?}").contains("marker-4711"));
}

pub(crate) async fn talks_over_a_terminal(environment: Environment) {
    let guest: Guest = environment.started().await;
    let client = &guest.client;
    let size = Terminal { width: 91, height: 33 };
    let exec = Exec::new(["sh"]);
    let mut session = client.exec_interactive(&guest.name, &exec, size).await.unwrap();
    assert!(!format!("{:?}", session.operation).contains("fds"), "its secrets stay hidden");
    session.control.resize(Terminal { width: 77, height: 22 }).await.unwrap();
    session.input.write("stty size; echo si''ze\n".as_bytes().to_vec()).await.unwrap();
    let read = async {
        let (mut text, mut told) = (Vec::new(), false);
        while let Some(bytes) = session.output.next().await.unwrap() {
            text.extend_from_slice(&bytes);
            // LXD 5.0 loses what a command says right before its end.
            let so_far = String::from_utf8_lossy(&text).replace('\r', "");
            if !told && so_far.contains("size\n") {
                told = true;
                session.input.write("exit 5\n".as_bytes().to_vec()).await.unwrap();
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let text = timeout(LIMIT, read).await.expect("the stream ends");
    assert!(text.contains("size"), "{text}");
    assert!(text.contains("22 77") || !environment.sizes_terminals, "{text}");
    assert_eq!(session.exit_code(client, LIMIT).await.unwrap(), 5);
}
