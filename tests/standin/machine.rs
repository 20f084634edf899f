//! Virtual machines: everything that differs before, without and after the agent.

use std::time::Duration;

use larm::guest::command;
use larm::lxd::{ErrorKind, FileOptions, StateChange};
use larm::model::GuestPhase;

use crate::support::standin::StandInOptions;
use crate::{CAP, LIMIT, exec, hand_over, launch, started, watch};

const VM: &str = "virtual-machine";

#[tokio::test]
async fn the_agent_comes_late() {
    let agent_delay = Duration::from_millis(300);
    let (standin, client) = started(StandInOptions { agent_delay, ..StandInOptions::default() });
    launch(&client, "m1", VM).await;
    let state = client.instance_state("m1").await.unwrap().unwrap();
    assert!(state.processes == -1 && !state.agent_answers());
    let refused = client.run("m1", &exec(command::report()), CAP, LIMIT).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::AgentNotRunning { .. }), "{refused:?}");
    let pushed = client.push_file("m1", "/root/x", vec![], FileOptions::PRIVATE).await;
    assert!(matches!(pushed.unwrap_err().kind(), ErrorKind::AgentNotRunning { .. }));
    assert_eq!(client.console_log("m1", CAP).await.unwrap(), None);
    let guest = standin.guest("m1");
    assert!(guest.reaches(GuestPhase::Ready, LIMIT).await);
    let state = client.instance_state("m1").await.unwrap().unwrap();
    assert!(state.agent_answers());
    hand_over(&client, "m1").await;
    assert!(guest.reaches(GuestPhase::Listening, LIMIT).await);
    assert_eq!(watch(&client, "m1", 3).await.phase, GuestPhase::Listening);
}

#[tokio::test]
async fn the_power_button_is_not_heard() {
    let agent_delay = Duration::ZERO;
    let (standin, client) = started(StandInOptions { agent_delay, ..StandInOptions::default() });
    launch(&client, "m1", VM).await;
    let button = StateChange::Stop { force: false, timeout: Some(Duration::from_secs(1)) };
    let asked = client.change_state("m1", button).await.unwrap();
    let failed = client.wait(&asked, LIMIT).await.unwrap_err();
    assert!(failed.to_string().contains("not shutdown after timeout"), "{failed}");
    let watching = client.exec_recorded("m1", &exec(command::watch(99))).await.unwrap();
    let pulled = client.change_state("m1", StateChange::PULL_THE_PLUG).await.unwrap();
    client.wait(&pulled, LIMIT).await.unwrap();
    assert!(client.wait(&watching, LIMIT).await.is_err());
    assert!(standin.instances().is_empty());
}
