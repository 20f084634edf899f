//! What larm knows of a runner's end, as a log that is kept with the others.

use crate::model::{Ended, JournalEntry, Phase, Record};

/// The first lines say why it ended, the rest what happened.
pub(super) fn text(record: &Record, journal: &[JournalEntry]) -> String {
    let mut text = format!("runner {}\n", record.name);
    for reason in reasons(record) {
        line(&mut text, &reason);
    }
    line(&mut text, "what happened:");
    for entry in journal {
        if let Some(what) = entry.what.story() {
            line(&mut text, &format!("  {:.3}  {what}", entry.at));
        }
    }
    text
}

fn reasons(record: &Record) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(failure) = &record.failure {
        reasons.push(format!("it failed when it was {}: {}", failure.phase, failure.reason));
    }
    match record.ended {
        Some(Ended::Killed) => reasons.push("it was killed: its removal was forced".to_owned()),
        Some(Ended::Idle) => reasons.push("it was ended when it was idle".to_owned()),
        None => {}
    }
    reasons.extend(record.exit_code.map(|code| format!("its listener ended with code {code}")));
    if record.oom_kills > 0 {
        reasons.push(format!(
            "{} of its processes were killed for lack of memory (OOM): see kernel.log",
            record.oom_kills
        ));
    }
    if record.phase == Phase::Gone && !record.marks.0.contains_key(&Phase::Finished) {
        let guest = "where no other log is here, its instance was gone before it could be read";
        reasons.push(guest.to_owned());
    }
    reasons
}

fn line(text: &mut String, line: &str) {
    text.extend([line, "\n"]);
}
