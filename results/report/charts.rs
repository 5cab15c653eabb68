//! Section 5: throughput and latency over time, faults shaded. Static SVG that stretches with the
//! page; its labels are HTML, so they keep their size at any width.

use serde::Serialize;

use super::coverage::{Table, row};
use super::page::{Drawn, Scene, SectionError};
use super::series::{PerF, Series, quantiles};
use crate::bounded::visible;
use crate::human::grouped;
use crate::run_report::Bite;

#[derive(Serialize)]
struct View {
    charts: Vec<Chart>,
    note: String,
}

#[derive(Serialize)]
struct Chart {
    title: String,
    unit: &'static str,
    bands: Vec<Band>,
    shapes: Vec<Shape>,
    y_ticks: Vec<(String, String)>,
    x_ticks: Vec<(String, String)>,
    legend: Vec<(&'static str, &'static str)>,
}

#[derive(Serialize)]
struct Band {
    x: String,
    width: String,
    name: String,
    bit: bool,
}

#[derive(Serialize)]
struct Shape {
    class: &'static str,
    d: String,
}

/// Inner size of every chart; the page stretches it.
const W: f64 = 1000.0;
const H: f64 = 200.0;

pub(super) fn draw(scene: &Scene<'_>) -> Result<Drawn, SectionError> {
    let series = Series::new(scene.history);
    if scene.history.is_empty() || scene.history.end().0 == 0 {
        let why = if scene.history.is_empty() {
            "No operation was asked for."
        } else {
            "The record has no times, so it says nothing about throughput or latency."
        };
        let view = View { charts: Vec::new(), note: why.to_owned() };
        let html = scene.templates.render("charts.html", &view)?;
        return Ok(Drawn { html, notes: Vec::new() });
    }
    let mut charts = vec![throughput(scene, &series)];
    charts.extend(series.per_f.iter().map(|per_f| latency(scene, &series, per_f)));
    let bin = series.bin_ns as f64 / 1e9;
    let note = format!("Bins of {bin:.3} s by completion; latency of operations that ended ok.");
    let html = scene.templates.render("charts.html", &View { charts, note })?;
    let rows = series.per_f.iter().map(|per_f| {
        let [p50, p95, p99, max] = quantiles(&per_f.whole).map(millis);
        row("", &[per_f.name.to_owned(), grouped(per_f.whole.count()), p50, p95, p99, max])
    });
    let table = Table {
        title: "Latency of the whole run, ms".to_owned(),
        class: "nums",
        head: vec!["Operation", "ok", "p50", "p95", "p99", "max"],
        rows: rows.collect(),
        empty: "No operation ended ok.",
        ..Table::default()
    };
    let table = scene.templates.render("tables.html", &[table])?;
    Ok(Drawn { html: html + &table, notes: Vec::new() })
}

fn millis(us: u64) -> String {
    format!("{:.2}", us as f64 / 1e3)
}

fn throughput(scene: &Scene<'_>, series: &Series) -> Chart {
    let per_second = 1e9 / series.bin_ns as f64;
    let total = |at: usize| {
        let bin = series.counts[at];
        (bin.ok + bin.fail + bin.info) as f64 * per_second
    };
    let peak = (0..series.counts.len()).map(total).fold(1.0, f64::max);
    let top = nice(peak);
    let bins = series.counts.len();
    let level = |take: fn(&super::series::Bin) -> u64| -> Vec<f64> {
        series.counts.iter().map(|bin| take(bin) as f64 * per_second / top).collect()
    };
    let shapes = vec![
        Shape { class: "area info", d: area(&level(|bin| bin.ok + bin.fail + bin.info)) },
        Shape { class: "area fail", d: area(&level(|bin| bin.ok + bin.fail)) },
        Shape { class: "area ok", d: area(&level(|bin| bin.ok)) },
    ];
    let y_ticks = (0..=4).map(|at| {
        let share = f64::from(at) / 4.0;
        (percent(1.0 - share), short_number(top * share))
    });
    Chart {
        title: "Throughput".to_owned(),
        unit: "operations per second, by outcome",
        bands: bands(scene, series, series.bin_ns * bins as u64),
        shapes,
        y_ticks: y_ticks.collect(),
        x_ticks: x_ticks(series.bin_ns * bins as u64),
        legend: vec![("ok", "ok"), ("fail", "fail"), ("info", "info")],
    }
}

fn latency(scene: &Scene<'_>, series: &Series, per_f: &PerF) -> Chart {
    let all = || per_f.bins.iter().flatten().flatten();
    let low = (all().copied().min().unwrap_or(1).max(1) as f64).log10().floor();
    let high = (all().copied().max().unwrap_or(10).max(1) as f64).log10().ceil().max(low + 1.0);
    let place = |us: u64| ((us.max(1) as f64).log10() - low) / (high - low);
    let classes = ["line p50", "line p95", "line p99", "dots max"];
    let order = [3usize, 2, 1, 0];
    let shapes = order.iter().map(|&q| {
        let levels: Vec<Option<f64>> =
            per_f.bins.iter().map(|bin| bin.map(|it| place(it[q]))).collect();
        let d = if q == 3 { dots(&levels) } else { line(&levels) };
        Shape { class: classes[q], d }
    });
    let decades = (low as i32)..=(high as i32);
    let y_ticks = decades.map(|decade| {
        let share = (f64::from(decade) - low) / (high - low);
        (percent(1.0 - share), duration(10f64.powi(decade)))
    });
    let end = series.bin_ns * series.counts.len() as u64;
    Chart {
        title: format!("Latency of {}", per_f.name),
        unit: "log scale",
        bands: bands(scene, series, end),
        shapes: shapes.collect(),
        y_ticks: y_ticks.collect(),
        x_ticks: x_ticks(end),
        legend: vec![("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("max", "max")],
    }
}

fn bands(scene: &Scene<'_>, series: &Series, end: u64) -> Vec<Band> {
    let faults = scene.report.faults.iter();
    let band = |fault: &crate::Fault| {
        let (from, to) = fault.window(scene.history.end().0)?;
        let share = |at: u64| at.saturating_sub(series.origin) as f64 / end.max(1) as f64 * W;
        Some(Band {
            x: format!("{:.2}", share(from)),
            width: format!("{:.2}", (share(to) - share(from)).max(1.0)),
            name: visible(&format!("{} {} {}", fault.id, fault.kind, fault.shape)),
            bit: fault.verified != Bite::DidNotBite,
        })
    };
    faults.filter_map(band).take(400).collect()
}

fn x_of(at: usize, bins: usize) -> f64 {
    at as f64 / bins as f64 * W
}

/// Steps from bin to bin down to the base line.
fn area(levels: &[f64]) -> String {
    let mut d = format!("M0 {H}");
    for (at, level) in levels.iter().enumerate() {
        let (x, next) = (x_of(at, levels.len()), x_of(at + 1, levels.len()));
        let y = H * (1.0 - level);
        d.push_str(&format!("L{x:.1} {y:.1}H{next:.1}"));
    }
    d.push_str(&format!("V{H}Z"));
    d
}

/// From the middle of one bin to the next, broken where a bin is empty.
fn line(levels: &[Option<f64>]) -> String {
    let mut d = String::new();
    let mut pen = false;
    for (at, level) in levels.iter().enumerate() {
        let Some(level) = level else {
            pen = false;
            continue;
        };
        let (x, y) = (x_of(at, levels.len()) + W / levels.len() as f64 / 2.0, H * (1.0 - level));
        d.push_str(&format!("{}{x:.1} {y:.1}", if pen { "L" } else { "M" }));
        if !pen {
            // A lone bin between gaps still leaves a mark.
            d.push_str("h0.01");
        }
        pen = true;
    }
    d
}

/// Marks of no length: round line caps draw them.
fn dots(levels: &[Option<f64>]) -> String {
    let dot = |(at, level): (usize, &Option<f64>)| {
        level.map(|level| {
            let x = x_of(at, levels.len()) + W / levels.len() as f64 / 2.0;
            format!("M{x:.1} {:.1}h0.01", H * (1.0 - level))
        })
    };
    levels.iter().enumerate().filter_map(dot).collect()
}

/// 1, 2 or 5 times a power of ten, not below `peak`.
fn nice(peak: f64) -> f64 {
    let power = 10f64.powf(peak.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|top| *top >= peak).unwrap_or(10.0 * power)
}

fn x_ticks(end_ns: u64) -> Vec<(String, String)> {
    let end = end_ns as f64 / 1e9;
    let step = nice(end / 6.0);
    let digits = if step < 1.0 { (-step.log10()).ceil() as usize } else { 0 };
    let mut ticks = Vec::new();
    let mut at = 0.0;
    while at <= end * 0.97 {
        ticks.push((percent(at / end), format!("{at:.digits$} s")));
        at += step;
    }
    ticks
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

fn short_number(number: f64) -> String {
    match number {
        it if it >= 1e6 => format!("{:.1} M", it / 1e6),
        it if it >= 10_000.0 => format!("{:.0} k", it / 1e3),
        it if it >= 1000.0 => format!("{:.1} k", it / 1e3),
        it => format!("{it:.0}"),
    }
}

fn duration(us: f64) -> String {
    match us {
        it if it >= 1e6 => format!("{:.0} s", it / 1e6),
        it if it >= 1e3 => format!("{:.0} ms", it / 1e3),
        it => format!("{it:.0} µs"),
    }
}
