//! What LXD and GitHub did, counted.

use super::Metrics;
use crate::{github, lxd};

/// What the removal of a runner is called by the room that asks GitHub.
const REMOVAL: &str = "remove a runner";

impl lxd::Observer for Metrics {
    fn request(&self, seen: lxd::Observed) {
        let took = seen.took.as_secs_f64();
        self.instruments.lxd.with_label_values(&[seen.what]).observe(took);
        self.lxd_failed(seen);
    }

    fn operation(&self, seen: lxd::Observed) {
        let took = seen.took.as_secs_f64();
        self.instruments.lxd_operations.with_label_values(&[seen.what]).observe(took);
        self.lxd_failed(seen);
    }

    fn connected(&self) {
        self.instruments.lxd_connects.inc();
    }
}

impl github::Observer for Metrics {
    fn request(&self, seen: github::Observed) {
        let all = &*self.instruments;
        let method = seen.what.replace(' ', "-");
        if let Some(took) = seen.took {
            all.github.with_label_values(&[&method]).observe(took.as_secs_f64());
            all.github_calls.with_label_values(&[&method]).inc();
        }
        if let Some(error) = seen.error {
            all.github_errors.with_label_values(&[method.as_str(), error]).inc();
        } else if let (REMOVAL, Some(took)) = (seen.what, seen.took) {
            let flavor = [&*self.flavor];
            all.delete_runner.with_label_values(&flavor).observe(took.as_secs_f64());
            all.deleted_runners.with_label_values(&flavor).inc();
        }
    }
}

impl Metrics {
    fn lxd_failed(&self, seen: lxd::Observed) {
        if let Some(kind) = seen.error {
            self.instruments.lxd_errors.with_label_values(&[seen.what, kind]).inc();
        }
    }
}
