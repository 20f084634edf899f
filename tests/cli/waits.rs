//! Waits for a runner, on a daemon that answers what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;

use insta::assert_snapshot;
use larm::http::types::Runner;
use larm::model::{InstanceType, Record, Spec};

use crate::run::Place;

/// The daemon ends each wait after an hour at most, and `--timeout 20000` was cut to that.
#[test]
fn a_wait_goes_on_until_its_own_end() {
    let place = Place::new();
    let listener = UnixListener::bind(place.path("control.sock")).unwrap();
    let late = r#"{"error":{"kind":"timed-out","message":"x is busy still, after 3600 s"}}"#;
    let created = r#"{"id":"0123456789ab","name":"larm-0123456789ab"}"#;
    let finished = serde_json::to_string(&Runner::from(&planned())).unwrap();
    let answers = [("201 Created", created), ("504 Late", late), ("504 Late", late)];
    let daemon = std::thread::spawn(move || {
        for (status, body) in answers.into_iter().chain([("200 OK", finished.as_str())]) {
            answer_one(&listener, status, body);
        }
        answer_one(&listener, "201 Created", created);
        answer_one(&listener, "504 Late", late);
    });
    let wait = ["runner", "create", "--standby", "--wait", "finished", "--timeout"];
    let output = place.run(&[&wait[..], &["20000"]].concat());
    assert_eq!(output, "exit: 0\n----- stdout\nlarm-0123456789ab\n----- stderr\n");
    assert_snapshot!(place.run(&[&wait[..], &["0"]].concat()), @"
    exit: 6
    ----- stdout
    ----- stderr
    error: runner larm-0123456789ab did not come to finished within 0 s

    hint: it goes on: `larm runner show 0123456789ab` shows how far it is
    ");
    daemon.join().unwrap();
}

fn planned() -> Record {
    let spec = Spec::new("default", "larm-debian12", InstanceType::Container);
    Record::planned("larm-0123456789ab".parse().unwrap(), spec, true, larm::clock::now())
}

/// Takes one request on a connection of its own, whatever it asks for.
fn answer_one(listener: &UnixListener, status: &str, body: &str) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = BufReader::new(&stream);
    let mut length = 0;
    for line in request.by_ref().lines().map(Result::unwrap) {
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        } else if line.is_empty() {
            break;
        }
    }
    request.read_exact(&mut vec![0; length]).unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).unwrap();
}
