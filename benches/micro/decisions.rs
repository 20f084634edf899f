//! The model: the plan of a large farm, and one event of one runner.

use std::hint::black_box;

use criterion::Criterion;
use larm::model::plan::plan;
use larm::model::{Deadlines, GuestPhase, step};

use crate::scene::{NOW, Scene, booting, report};

pub(crate) fn measure(criterion: &mut Criterion) {
    let scene = Scene::large();
    assert!(!plan(scene.farm()).waiting.is_empty(), "no job waits in the scene");
    criterion.bench_function("plan: 1,000 runners, 10,000 jobs", |bencher| {
        bencher.iter(|| plan(black_box(scene.farm())));
    });
    let (record, event, deadlines) = (booting(), report(GuestPhase::Ready), Deadlines::default());
    criterion.bench_function("step: one event", |bencher| {
        bencher.iter(|| step(black_box(&record), black_box(&event), &deadlines, NOW));
    });
}
