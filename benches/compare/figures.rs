//! What was measured: stages of instances, and what a round cost.

use serde::Serialize;

/// Stages in the order of an instance's life, in milliseconds: since it was wanted, and the last one
/// since its end.
pub(crate) const STAGES: [&str; 7] =
    ["created", "started", "ready", "listening", "picked", "finished", "end to gone"];

/// One instance: the stages that it had, by name, in milliseconds.
pub(crate) type Life = Vec<(&'static str, f64)>;

/// One round of one contender.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Each instance.
    pub(crate) lives: Vec<Life>,
    pub(crate) cost: Cost,
}

/// What a round cost.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Cost {
    /// From the first order until the last instance is gone.
    pub(crate) seconds: f64,
    /// CPU time of everybody meanwhile, the guests and the kernel too.
    pub(crate) machine_cpu_seconds: f64,
    /// CPU time of LXD, that of its ended children included.
    pub(crate) lxd_cpu_seconds: f64,
    /// CPU time of the daemon, where there is one.
    pub(crate) larm_cpu_seconds: Option<f64>,
    /// The daemon's resident memory at the end.
    pub(crate) larm_mebibytes: Option<f64>,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rounds: Vec<(&'static str, usize, Round)>,
    turnarounds: Vec<(&'static str, Vec<f64>)>,
}

/// The lengths of one stage, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) contender: &'static str,
    /// How many at once.
    pub(crate) size: usize,
    pub(crate) stage: &'static str,
    pub(crate) count: usize,
    pub(crate) min: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) max: f64,
}

/// What the rounds of a contender cost, as their mean.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CostRow {
    pub(crate) contender: &'static str,
    pub(crate) size: usize,
    pub(crate) rounds: usize,
    #[serde(flatten)]
    pub(crate) mean: Cost,
}

impl Figures {
    pub(crate) fn add(&mut self, contender: &'static str, size: usize, round: Round) {
        self.rounds.push((contender, size, round));
    }

    /// From the end of a job, or the order to stop, until the next instance is ready.
    pub(crate) fn add_turnarounds(&mut self, contender: &'static str, lengths: Vec<f64>) {
        match self.turnarounds.iter_mut().find(|(name, _)| *name == contender) {
            Some((_, all)) => all.extend(lengths),
            None => self.turnarounds.push((contender, lengths)),
        }
    }

    /// Each size and contender, in the order of the first round.
    pub(crate) fn contenders(&self) -> Vec<(usize, &'static str)> {
        let mut all = Vec::new();
        for (name, size, _) in &self.rounds {
            if !all.contains(&(*size, *name)) {
                all.push((*size, *name));
            }
        }
        all
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (size, contender) in self.contenders() {
            for stage in STAGES {
                let lives = self.of(contender, size).flat_map(|round| &round.lives).flatten();
                let lengths = lives.filter(|(name, _)| *name == stage).map(|(_, length)| *length);
                rows.extend(row(contender, size, stage, lengths.collect()));
            }
        }
        for (contender, lengths) in &self.turnarounds {
            rows.extend(row(contender, 1, "end to next ready", lengths.clone()));
        }
        rows
    }

    pub(crate) fn costs(&self) -> Vec<CostRow> {
        let of = |(size, contender)| {
            let costs: Vec<&Cost> = self.of(contender, size).map(|round| &round.cost).collect();
            CostRow { contender, size, rounds: costs.len(), mean: Cost::mean(&costs) }
        };
        self.contenders().into_iter().map(of).collect()
    }

    fn of(&self, contender: &'static str, size: usize) -> impl Iterator<Item = &Round> {
        let mine =
            move |(name, count, _): &&(&str, usize, Round)| *name == contender && *count == size;
        self.rounds.iter().filter(mine).map(|(_, _, round)| round)
    }
}

impl Cost {
    fn mean(costs: &[&Self]) -> Self {
        let mean = |value: fn(&Self) -> Option<f64>| {
            let values: Vec<f64> = costs.iter().filter_map(|cost| value(cost)).collect();
            let count = f64::from(u32::try_from(values.len()).unwrap());
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / count)
        };
        let always = |value| mean(value).unwrap_or_default();
        Self {
            seconds: always(|cost| Some(cost.seconds)),
            machine_cpu_seconds: always(|cost| Some(cost.machine_cpu_seconds)),
            lxd_cpu_seconds: always(|cost| Some(cost.lxd_cpu_seconds)),
            larm_cpu_seconds: mean(|cost| cost.larm_cpu_seconds),
            larm_mebibytes: mean(|cost| cost.larm_mebibytes),
        }
    }
}

fn row(
    contender: &'static str,
    size: usize,
    stage: &'static str,
    mut lengths: Vec<f64>,
) -> Option<Row> {
    lengths.sort_by(f64::total_cmp);
    // The nearest rank: with few instances the 95th of a hundred is the worst.
    let of = |part: usize| {
        let rank = (lengths.len() * part).div_ceil(100).max(1) - 1;
        lengths.get(rank).copied()
    };
    let (min, p50, p95, max) = (of(0)?, of(50)?, of(95)?, of(100)?);
    Some(Row { contender, size, stage, count: lengths.len(), min, p50, p95, max })
}
