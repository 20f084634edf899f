//! The plot: for each size and contender a bar to each stage's median, from the order on, with a
//! mark at its 95th of a hundred.

use std::path::Path;

use plotters::prelude::*;

use crate::figures::{Row, STAGES};
use crate::machine::Machine;

const WIDTH: i32 = 1000;
/// Where bars begin and how wide the longest is.
const LEFT: i32 = 190;
const SPAN: i32 = 690;
const BAR: i32 = 12;
const GAP: i32 = 10;
const TITLE: i32 = 34;
const TEXT: RGBColor = RGBColor(40, 40, 40);
/// The turnaround, which is the last panel.
const TURN: &str = "end to next ready";
/// Each stage's own, the last for the turnaround.
const COLOURS: [RGBColor; 8] = [
    RGBColor(68, 119, 170),
    RGBColor(102, 204, 238),
    RGBColor(34, 136, 51),
    RGBColor(204, 187, 68),
    RGBColor(238, 102, 119),
    RGBColor(170, 51, 119),
    RGBColor(120, 120, 120),
    RGBColor(68, 119, 170),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Bars that share a scale.
struct Panel<'a> {
    title: String,
    rows: Vec<&'a Row>,
}

pub(crate) fn draw(file: &Path, machine: &Machine, rows: &[Row]) {
    let panels = panels(rows);
    let heights = panels.iter().map(height).sum::<i32>();
    let (width, height) = (WIDTH.try_into().unwrap(), (heights + 90).try_into().unwrap());
    let area = SVGBackend::new(file, (width, height)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    write(&area, "larm: from the order to each stage, median and p95 (ms)", (10, 10), 18);
    legend(&area);
    let mut top = 56;
    for panel in &panels {
        draw_panel(&area, panel, top);
        top += self::height(panel);
    }
    write(&area, &machine.line(), (10, top + 4), 11);
    write(&area, &machine.command, (10, top + 18), 11);
    area.present().unwrap();
}

fn panels(rows: &[Row]) -> Vec<Panel<'_>> {
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for row in rows {
        let title = match row.stage {
            TURN => "a pool of one: from a job's end until the next instance is ready".to_owned(),
            _ => format!("{} at once", row.size),
        };
        match panels.iter_mut().find(|panel| panel.title == title) {
            Some(panel) => panel.rows.push(row),
            None => panels.push(Panel { title, rows: vec![row] }),
        }
    }
    panels
}

fn height(panel: &Panel<'_>) -> i32 {
    let pairs = panel.rows.iter().zip(panel.rows.iter().skip(1));
    let gaps = pairs.filter(|(one, next)| one.contender != next.contender).count();
    let (bars, gaps) = (length(panel.rows.len()), length(gaps));
    TITLE + bars * BAR + gaps * GAP + 20
}

fn draw_panel(area: &Area<'_>, panel: &Panel<'_>, top: i32) {
    write(area, &panel.title, (10, top + 10), 15);
    let longest = panel.rows.iter().map(|row| row.p95).fold(1.0, f64::max);
    let (mut y, mut before) = (top + TITLE, "");
    for row in &panel.rows {
        if row.contender != before {
            y += if before.is_empty() { 0 } else { GAP };
            write(area, row.contender, (10, y), 12);
            before = row.contender;
        }
        draw_bar(area, row, longest, y);
        y += BAR;
    }
}

fn draw_bar(area: &Area<'_>, row: &Row, longest: f64, y: i32) {
    let x = |milliseconds: f64| LEFT + pixels(milliseconds / longest * f64::from(SPAN));
    let bar = [(LEFT, y), (x(row.p50), y + BAR - 2)];
    area.draw(&Rectangle::new(bar, colour(row.stage).filled())).unwrap();
    let mark = [(x(row.p50), y + BAR / 2 - 1), (x(row.p95), y + BAR / 2 - 1)];
    area.draw(&PathElement::new(mark.to_vec(), TEXT.stroke_width(1))).unwrap();
    let text = format!("{:.0}, {:.0}", row.p50, row.p95);
    write(area, &text, (x(row.p95) + 4, y), 10);
}

fn legend(area: &Area<'_>) {
    let mut x = 10;
    for stage in STAGES {
        let square = [(x, 36), (x + 10, 46)];
        area.draw(&Rectangle::new(square, colour(stage).filled())).unwrap();
        write(area, stage, (x + 14, 35), 12);
        x += 30 + 8 * length(stage.len());
    }
}

fn colour(stage: &str) -> RGBColor {
    let place = STAGES.iter().position(|one| *one == stage).unwrap_or(STAGES.len());
    COLOURS.get(place).copied().unwrap_or(TEXT)
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), size: i32) {
    let style = ("sans-serif", size).into_font().color(&TEXT);
    area.draw_text(text, &style, at).unwrap();
}

fn length(count: usize) -> i32 {
    count.try_into().unwrap()
}

/// Whole pixels of a length that fits on the page.
#[expect(clippy::cast_possible_truncation, clippy::as_conversions, reason = "it fits on the page")]
fn pixels(length: f64) -> i32 {
    length.round().clamp(0.0, f64::from(WIDTH)) as i32
}
