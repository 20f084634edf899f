//! The figures as a table, as JSON and as a plot: the same rows in all three.

use std::path::PathBuf;

use serde::Serialize;

use crate::boot::Boot;
use crate::figures::{CostRow, Figures, Row};
use crate::machine::Machine;
use crate::{host, plot};

#[derive(Serialize)]
struct Report<'a> {
    machine: &'a Machine,
    unit: &'static str,
    stages: &'a [Row],
    costs: &'a [CostRow],
    boot: Option<Boot>,
}

/// Writes both files anew, with all that was measured so far.
pub(crate) fn save(machine: &Machine, figures: &Figures, boot: Option<Boot>) {
    let (rows, costs) = (figures.rows(), figures.costs());
    let (json, svg) = files();
    std::fs::create_dir_all(json.parent().unwrap()).unwrap();
    let report = Report { machine, unit: "milliseconds", stages: &rows, costs: &costs, boot };
    std::fs::write(&json, serde_json::to_string_pretty(&report).unwrap() + "\n").unwrap();
    plot::draw(&svg, machine, &rows);
}

/// The tables, and where the files are.
pub(crate) fn print(machine: &Machine, figures: &Figures, boot: Boot) {
    println!("{}\n{}\n", machine.line(), machine.command);
    print_rows(&figures.rows());
    print_costs(&figures.costs());
    boot.print();
    let (json, svg) = files();
    println!("\n{}\n{}", json.display(), svg.display());
}

fn files() -> (PathBuf, PathBuf) {
    let directory = PathBuf::from(host::variable("LARM_BENCH_OUT", "target/bench"));
    (directory.join("compare.json"), directory.join("compare.svg"))
}

/// Stages are since the order; "end to gone" is since the job's end or the order to stop.
fn print_rows(rows: &[Row]) {
    println!(
        "{:>4} {:<20} {:<18} {:>5} {:>9} {:>9} {:>9} {:>9}  (ms)",
        "size", "contender", "stage", "count", "min", "p50", "p95", "max"
    );
    for row in rows {
        println!(
            "{:>4} {:<20} {:<18} {:>5} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
            row.size, row.contender, row.stage, row.count, row.min, row.p50, row.p95, row.max
        );
    }
}

fn print_costs(costs: &[CostRow]) {
    println!(
        "\n{:>4} {:<20} {:>6} {:>9} {:>12} {:>12} {:>12} {:>14}  (mean of rounds)",
        "size", "contender", "rounds", "s", "all CPU s", "LXD CPU s", "larm CPU s", "larm RSS MiB"
    );
    let or_none = |value: Option<f64>, digits| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    for cost in costs {
        println!(
            "{:>4} {:<20} {:>6} {:>9.2} {:>12.2} {:>12.2} {:>12} {:>14}",
            cost.size,
            cost.contender,
            cost.rounds,
            cost.mean.seconds,
            cost.mean.machine_cpu_seconds,
            cost.mean.lxd_cpu_seconds,
            or_none(cost.mean.larm_cpu_seconds, 3),
            or_none(cost.mean.larm_mebibytes, 1),
        );
    }
}
