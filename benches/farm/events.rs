//! When the lines of the events file were there: its length, looked at each millisecond.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use larm::model::{MetricEvent, MetricFact};

/// Looks at the events file of a daemon until it is stopped.
pub(crate) struct Watch {
    file: PathBuf,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Timestamp, u64)>>,
}

impl Watch {
    pub(crate) fn begin(state: &Path) -> Self {
        let (file, over) = (state.join("events.jsonl"), Arc::new(AtomicBool::new(false)));
        let (path, stop) = (file.clone(), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let (mut seen, mut length) = (Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                let now = std::fs::metadata(&path).map_or(0, |file| file.len());
                if now != length {
                    length = now;
                    seen.push((larm::clock::now(), now));
                }
                pause();
            }
            seen
        });
        Self { file, over, thread }
    }

    /// From each start and end of a job by the guest's clock to its line, in milliseconds.
    pub(crate) fn end(self) -> Vec<(&'static str, Vec<f64>)> {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.thread.join().unwrap();
        let (mut starts, mut stops, mut end) = (Vec::new(), Vec::new(), 0);
        for line in std::fs::read_to_string(&self.file).unwrap().lines() {
            end += u64::try_from(line.len()).unwrap() + 1;
            let event: MetricEvent = serde_json::from_str(line).unwrap();
            let at = seen.iter().find(|(_, length)| *length >= end).unwrap().0;
            let late = (at.as_duration().as_secs_f64() - event.timestamp) * 1000.0;
            match event.what {
                MetricFact::RunnerStart { .. } => starts.push(late),
                MetricFact::RunnerStop { .. } => stops.push(late),
                MetricFact::RunnerInstalled { .. } | MetricFact::Reconciliation { .. } => {}
            }
        }
        vec![("job began -> event in the file", starts), ("job ended -> event in the file", stops)]
    }
}

#[expect(clippy::disallowed_methods, reason = "on a thread of its own")]
fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}
