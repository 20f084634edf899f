//! A runner against a world that lies, loses answers and repeats itself.

mod application;
mod hold;
mod life;
mod telling;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Step, step};
use crate::model::{
    Action, Application, CloudInitReading, CloudInitStatus, CloudRunnerState, Deadlines, Event,
    Fault, Found, GuestPhase, GuestReport, InstanceType, JournalKind, Phase, PostJobMetrics,
    PostJobStatus, ProbeReading, Quiesced, Record, RunnerMetrics, Spec, next_due, pending,
};

const GUEST_LIFE: [GuestPhase; 6] = [
    GuestPhase::Preparing,
    GuestPhase::Ready,
    GuestPhase::Claimed,
    GuestPhase::Listening,
    GuestPhase::Busy,
    GuestPhase::Finished,
];

/// What really is, as opposed to what the record says.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are true or not, each by itself")]
struct World {
    exists: bool,
    running: bool,
    frozen: bool,
    guest: usize,
    has_credential: bool,
    has_application: bool,
    boot_error: bool,
    forced: bool,
    killed_job: bool,
    /// The manager has read what the runner left when it ended.
    left_metrics: bool,
}

/// What happens next.
#[derive(Debug, Clone)]
enum Move {
    /// The action at hand is tried; its answer may be lost or a fault.
    Act {
        outcome: Outcome,
    },
    /// The guest goes on.
    GuestAdvances,
    /// The guest's report arrives.
    ReportArrives,
    /// A probe arrives, or fails.
    ProbeArrives {
        works: bool,
    },
    /// LXD's view arrives.
    SeenArrives,
    /// Somebody deletes the instance.
    StrangerDeletes,
    /// The guest powers itself off.
    PowerOff,
    /// The farm wants it frozen, or thawed.
    Freeze,
    Thaw,
    /// Somebody thaws it.
    StrangerThaws,
    /// A credential is given for it.
    Claim,
    /// A step of cloud-init's failed; the runner goes on all the same.
    BootError,
    /// Time passes.
    Wait {
        seconds: i64,
    },
    /// Somebody asks for removal.
    Remove {
        force: bool,
    },
    /// Somebody wants its instance held, or lets go of it.
    Hold {
        seconds: Option<i64>,
    },
    /// The manager starts anew without the credential.
    Restart,
    /// Any event at all, true or not, but for answers to actions that were never tried.
    Nonsense {
        phase: usize,
        seq: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Done,
    /// Done, but the answer never comes.
    Lost,
    Transient,
    Permanent,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Done),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Transient),
        1 => Just(Outcome::Permanent),
    ];
    let one = prop_oneof![
        8 => outcome.prop_map(|outcome| Move::Act { outcome }),
        6 => Just(Move::GuestAdvances),
        5 => Just(Move::ReportArrives),
        2 => any::<bool>().prop_map(|works| Move::ProbeArrives { works }),
        2 => Just(Move::SeenArrives),
        1 => Just(Move::StrangerDeletes),
        1 => Just(Move::PowerOff),
        1 => Just(Move::BootError),
        3 => Just(Move::Freeze),
        1 => Just(Move::Thaw),
        1 => Just(Move::StrangerThaws),
        1 => Just(Move::Claim),
        2 => (0i64..400).prop_map(|seconds| Move::Wait { seconds }),
        1 => any::<bool>().prop_map(|force| Move::Remove { force }),
        1 => proptest::option::of(0i64..2000).prop_map(|seconds| Move::Hold { seconds }),
        1 => Just(Move::Restart),
        1 => (0usize..4, any::<u64>()).prop_map(|(phase, seq)| Move::Nonsense { phase, seq }),
    ];
    proptest::collection::vec(one, 0..60)
}

/// A record, the world it is about, and what was written to the journal.
struct Story {
    record: Record,
    world: World,
    now: Timestamp,
    journal: Vec<JournalKind>,
    deadlines: Deadlines,
}

fn spec() -> Spec {
    Spec::new("default", "debian", InstanceType::Container)
}

fn report(phase: GuestPhase, seq: u64) -> GuestReport {
    GuestReport {
        seq,
        phase,
        reached: [(phase, Timestamp::UNIX_EPOCH)].into(),
        exit_code: (phase == GuestPhase::Finished).then_some(0),
        detail: None,
        oom_kills: 0,
        pre_job: Found::Corrupt("not JSON".into()),
        post_job: if phase == GuestPhase::Finished {
            let status = PostJobStatus::Normal;
            Found::Present(PostJobMetrics { timestamp: 1_700_000_001.0, status, status_info: None })
        } else {
            Found::Absent
        },
    }
}

impl Story {
    fn new(claimed: bool, application: Application) -> Self {
        // Every runner that ends badly is held; the end of each story lets go of it.
        let keep_failed = Some(SignedDuration::from_mins(30));
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let name = "t-0123456789ab".parse().unwrap();
        let has_application = application == Application::InImage;
        Self {
            record: Record { application, ..Record::planned(name, spec(), claimed, now) },
            world: World { has_application, ..World::default() },
            now,
            journal: Vec::new(),
            deadlines: Deadlines {
                job: Some(SignedDuration::from_mins(60)),
                keep_failed,
                ..Default::default()
            },
        }
    }

    /// Meets an event, twice, and checks what must hold for each step.
    fn meet(&mut self, event: &Event) -> Vec<Action> {
        let before = self.record.clone();
        let Ok(Step { record, journal, asks }) = step(&before, event, &self.deadlines, self.now)
        else {
            return Vec::new();
        };
        assert!(record.phase >= before.phase, "{event:?} led back from {}", before.phase);
        if let Ok(again) = step(&record, event, &self.deadlines, self.now) {
            assert_eq!(again.record, record, "{event:?} met twice");
            assert!(again.journal.is_empty(), "{event:?} met twice told {:?}", again.journal);
        }
        self.record = record;
        self.journal.extend(journal);
        asks
    }

    fn guest(&self) -> GuestPhase {
        GUEST_LIFE[self.world.guest]
    }

    fn job_runs(&self) -> bool {
        self.world.running && self.guest() == GuestPhase::Busy
    }

    fn lose_instance(&mut self) {
        self.world.exists = false;
        self.world.running = false;
    }

    fn seen(&self) -> CloudRunnerState {
        match (self.world.exists, self.world.running) {
            (false, _) => CloudRunnerState::Deleted,
            (true, true) => CloudRunnerState::Active,
            (true, false) if self.record.phase <= Phase::Creating => CloudRunnerState::Created,
            (true, false) => CloudRunnerState::Stopped,
        }
    }

    fn look(&self) -> Event {
        if self.world.exists && self.world.running && self.world.frozen {
            return Event::SeenFrozen;
        }
        Event::Seen(self.seen())
    }

    fn probe(&self) -> ProbeReading {
        let status = match (self.world.boot_error, self.guest()) {
            (true, _) => CloudInitStatus::Error,
            (false, GuestPhase::Finished) => CloudInitStatus::Done,
            (false, _) => CloudInitStatus::Running,
        };
        ProbeReading {
            cloud_init: CloudInitReading { status, degraded: false, detail: None },
            runner_started: self.guest() >= GuestPhase::Claimed,
            runner_process: matches!(
                self.guest(),
                GuestPhase::Claimed | GuestPhase::Listening | GuestPhase::Busy
            ),
        }
    }

    fn freeze(&mut self, freeze: bool, failed: bool, fault: Fault) -> Event {
        match (freeze, failed || !self.world.running) {
            (true, true) => return Event::FreezeFailed(fault),
            (false, true) => return Event::ThawFailed(fault),
            (_, false) => self.world.frozen = freeze,
        }
        if freeze { Event::Froze } else { Event::Thawed(SignedDuration::ZERO) }
    }

    fn act(&mut self, action: Action, outcome: Outcome) -> Option<Event> {
        let frozen = self.world.frozen && action == Action::HandOver;
        assert!(!frozen, "a frozen one gets a credential");
        let fault = Fault {
            transient: outcome == Outcome::Transient,
            message: "database is locked".into(),
        };
        let failed = matches!(outcome, Outcome::Transient | Outcome::Permanent);
        let event = match action {
            Action::Create if failed => Event::CreateFailed(fault),
            Action::Create => {
                self.world.exists = true;
                Event::Created(SignedDuration::ZERO)
            }
            Action::Start if failed || !self.world.exists => Event::StartFailed(fault),
            Action::Start => {
                self.world.running = true;
                Event::Started(SignedDuration::ZERO)
            }
            Action::Install if failed || !self.world.running => Event::InstallFailed(fault),
            Action::Install => {
                self.world.has_application = true;
                Event::Installed { version: "2.330.0".into(), took: SignedDuration::ZERO }
            }
            Action::Freeze | Action::Thaw => self.freeze(action == Action::Freeze, failed, fault),
            Action::HandOver if failed || !self.world.running => Event::HandOverFailed(fault),
            Action::HandOver => {
                self.world.has_credential = true;
                Event::HandedOver(SignedDuration::ZERO)
            }
            Action::Quiesce { .. } if failed || !self.world.running => {
                Event::Quiesced(Quiesced::Unreachable("no agent".into()))
            }
            Action::Quiesce { force: false } if self.job_runs() => Event::Quiesced(Quiesced::Busy),
            Action::Quiesce { .. } => {
                self.world.killed_job |= self.job_runs() && !self.world.forced;
                self.world.guest = GUEST_LIFE.len() - 1;
                Event::Quiesced(Quiesced::Stopped)
            }
            Action::Collect { .. } if outcome == Outcome::Transient => Event::CollectFailed(fault),
            Action::Collect { .. } if self.world.running && outcome == Outcome::Done => {
                self.world.left_metrics |= self.guest() == GuestPhase::Finished;
                Event::Collected(Some(Box::new(report(self.guest(), u64::MAX))))
            }
            Action::Collect { .. } => Event::Collected(None),
            Action::Remove if self.record.is_held(self.now) => panic!("a held one is removed"),
            Action::Remove if failed => Event::RemoveFailed(fault),
            Action::Remove => {
                self.world.killed_job |= self.job_runs() && !self.world.forced;
                self.lose_instance();
                Event::Removed
            }
            Action::Inspect => self.look(),
            Action::Probe => Event::Probed(Ok(self.probe())),
        };
        (outcome != Outcome::Lost).then_some(event)
    }

    fn act_on_record(&mut self, outcome: Outcome) {
        if let Some(action) = pending(&self.record, self.now)
            && let Some(event) = self.act(action, outcome)
        {
            self.meet(&event);
        }
    }

    fn make(&mut self, one: &Move) {
        match one {
            Move::Act { outcome } => self.act_on_record(*outcome),
            Move::GuestAdvances => self.guest_advances(),
            Move::ReportArrives if self.world.running => {
                let report = report(self.guest(), u64::try_from(self.world.guest).unwrap() + 1);
                self.meet(&Event::Reported(Box::new(report)));
            }
            Move::ProbeArrives { works } if self.world.running => {
                let probe = if *works { Ok(self.probe()) } else { Err("timed out".into()) };
                self.meet(&Event::Probed(probe));
            }
            Move::SeenArrives => {
                let seen = self.look();
                self.meet(&seen);
            }
            Move::StrangerDeletes => self.lose_instance(),
            Move::Freeze => {
                self.meet(&Event::FreezeWanted);
            }
            Move::Thaw => {
                self.meet(&Event::ThawWanted);
            }
            Move::Claim => {
                self.meet(&Event::Claimed);
            }
            Move::StrangerThaws => self.world.frozen = false,
            Move::BootError => self.world.boot_error = true,
            Move::PowerOff => self.world.running = false,
            Move::Wait { seconds } => self.wait(*seconds),
            Move::Remove { force } => {
                self.world.forced |= force;
                self.meet(&Event::RemovalWanted { force: *force, reason: "asked".into() });
            }
            Move::Hold { seconds } => {
                self.meet(&seconds.map_or(Event::Released, |seconds| {
                    Event::HoldWanted(SignedDuration::from_secs(seconds))
                }));
            }
            Move::Restart => {
                self.meet(&Event::CredentialLost);
            }
            Move::Nonsense { phase, seq } if self.world.running => {
                // A hostile guest may say what it likes; it only harms itself.
                self.world.forced = true;
                let report = report(GUEST_LIFE[*phase + 2], *seq);
                self.meet(&Event::Reported(Box::new(report)));
            }
            Move::ReportArrives | Move::ProbeArrives { .. } | Move::Nonsense { .. } => {}
        }
    }

    fn told_metrics(&self) -> impl Iterator<Item = &RunnerMetrics> {
        self.journal.iter().filter_map(|kind| match kind {
            JournalKind::Metrics { metrics } => Some(metrics),
            JournalKind::Phase { .. }
            | JournalKind::Metric { .. }
            | JournalKind::Mismatch { .. }
            | JournalKind::Note { .. } => None,
        })
    }

    /// Everything works for a moment.
    fn go_on(&mut self) {
        self.act_on_record(Outcome::Done);
        self.guest_advances();
        self.make(&Move::ReportArrives);
    }

    fn guest_advances(&mut self) {
        let waits = match self.guest() {
            GuestPhase::Preparing => !self.world.has_application,
            GuestPhase::Ready => !self.world.has_credential,
            GuestPhase::Claimed
            | GuestPhase::Listening
            | GuestPhase::Busy
            | GuestPhase::Finished
            | GuestPhase::Failed => false,
        };
        if self.world.running
            && !self.world.frozen
            && !waits
            && self.world.guest + 1 < GUEST_LIFE.len()
        {
            self.world.guest += 1;
        }
    }

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        // A job that ran into the limit that was configured for jobs may be killed.
        let due = next_due(&self.record, &self.deadlines).is_some_and(|due| due <= self.now);
        if due {
            self.world.forced |= self.record.phase == Phase::Busy;
            for ask in self.meet(&Event::Due) {
                if let Some(event) = self.act(ask, Outcome::Done) {
                    self.meet(&event);
                }
            }
        }
    }

    /// From wherever it is, a runner that is wanted gone gets there once LXD answers again.
    fn end(&mut self) {
        self.world.forced = true;
        self.meet(&Event::RemovalWanted { force: true, reason: "the end".into() });
        self.meet(&Event::Released);
        for _ in 0..20 {
            self.now += SignedDuration::from_mins(1);
            self.act_on_record(Outcome::Done);
        }
    }
}

fn admitted(claimed: bool) -> Story {
    admitted_with(claimed, Application::InImage)
}

fn admitted_with(claimed: bool, application: Application) -> Story {
    let mut story = Story::new(claimed, application);
    story.meet(&Event::Admitted);
    story
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_story_leaks_an_instance_or_kills_a_job(
        claimed: bool,
        pushed: bool,
        lucky in 0usize..12,
        moves in moves(),
    ) {
        let application = if pushed { Application::Wanted } else { Application::InImage };
        let mut story = admitted_with(claimed, application);
        // So that late phases are met as often as early ones.
        for _ in 0..lucky {
            story.go_on();
        }
        for one in &moves {
            story.make(one);
            prop_assert!(!story.world.killed_job, "a job was killed by {one:?}");
            prop_assert!(story.record.phase != Phase::Gone || !story.world.exists, "leaked");
        }
        story.end();
        prop_assert_eq!(story.record.phase, Phase::Gone, "{:?}", story.record);
        prop_assert!(!story.world.exists, "leaked");
        let told: Vec<_> = story.told_metrics().collect();
        prop_assert_eq!(told.len(), 1, "metrics are told once");
        prop_assert!(!story.world.left_metrics || told[0].post_job.is_some(), "metrics are lost");
    }
}
