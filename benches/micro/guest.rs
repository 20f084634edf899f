//! What is put into an instance.

use std::hint::black_box;

use criterion::Criterion;
use larm::guest::user_data::render;
use larm::guest::{RunnerSource, UserData};

pub(crate) fn measure(criterion: &mut Criterion) {
    let data = UserData { runner: RunnerSource::Pushed, ..UserData::default() };
    criterion.bench_function("user-data: render", |bencher| {
        bencher.iter(|| render(black_box(&data)).unwrap());
    });
}
