//! Sections 7 and 8: what was exercised, what the checks took, and how operations ended.

use std::borrow::Cow;

use serde::Serialize;

use super::page::{Drawn, Scene, SectionError};
use crate::bounded::{shortened, visible};
use crate::human::grouped;
use crate::run_report::Guarantee;

/// A plain table.
#[derive(Serialize, Default)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) class: &'static str,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    pub(super) empty: &'static str,
    pub(super) note: Cow<'static, str>,
}

#[derive(Serialize, Default)]
pub(super) struct Row {
    pub(super) class: &'static str,
    pub(super) cells: Vec<String>,
}

/// A row with its cells bounded and visible.
pub(super) fn row(class: &'static str, cells: &[String]) -> Row {
    let cells = cells.iter().map(|cell| visible(&shortened(cell, 512))).collect();
    Row { class, cells }
}

pub(super) fn draw(scene: &Scene<'_>) -> Result<Drawn, SectionError> {
    let report = scene.report;
    let facts = report.coverage_facts.iter().map(|it| {
        let unmet = it.seen < it.required;
        let required =
            if it.required == 0 { "–".to_owned() } else { format!("≥ {}", it.required) };
        let word = match (it.required, unmet) {
            (0, _) => "",
            (_, true) => "not reached",
            (_, false) => "✓",
        };
        let class = if unmet { "warn" } else { "" };
        row(class, &[it.fact.clone(), grouped(it.seen), required, word.to_owned()])
    });
    let facts = Table {
        class: "nums",
        head: vec!["Situation", "Seen", "Required", ""],
        rows: facts.collect(),
        empty: "The checkers named no situation they depend on.",
        note: "A guarantee only counts as held when what it is about really happened.".into(),
        ..Table::default()
    };
    let costs = Table {
        title: "What the checks took".to_owned(),
        class: "nums",
        head: vec![
            "Guarantee",
            "Configurations",
            "Peak memory",
            "Engines",
            "Certificates",
            "Limit",
        ],
        rows: report.guarantees.iter().map(cost).collect(),
        empty: "No guarantee was checked.",
        ..Table::default()
    };
    let html = scene.templates.render("tables.html", &[facts, costs])?;
    Ok(Drawn { html, notes: Vec::new() })
}

fn cost(it: &Guarantee) -> Row {
    let engines: Vec<String> =
        it.cost.engines.iter().map(|(name, count)| format!("{name} × {count}")).collect();
    let hit = it.cost.budget_hit.clone();
    let class = if hit.is_some() { "warn" } else { "" };
    row(
        class,
        &[
            it.id.clone(),
            grouped(it.cost.configurations),
            format!("{:.1} MB", it.cost.peak_bytes as f64 / 1e6),
            engines.join(", "),
            grouped(it.cost.certificates_verified),
            hit.unwrap_or_else(|| "–".to_owned()),
        ],
    )
}

pub(super) fn draw_errors(scene: &Scene<'_>) -> Result<Drawn, SectionError> {
    let counts = &scene.report.counts;
    let by_f = counts.by_f.iter().map(|(name, it)| {
        row("", &[name.clone(), grouped(it.ok), grouped(it.fail), grouped(it.info)])
    });
    let by_f = Table {
        title: "By operation".to_owned(),
        class: "nums",
        head: vec!["Operation", "ok", "fail", "info"],
        rows: by_f.collect(),
        empty: "No operation was asked for.",
        ..Table::default()
    };
    let total: u64 = counts.by_error.values().sum();
    let mut errors: Vec<(&String, &u64)> = counts.by_error.iter().collect();
    errors.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let rows = errors.into_iter().map(|(name, count)| {
        let share = 100.0 * *count as f64 / total.max(1) as f64;
        row("", &[name.clone(), grouped(*count), format!("{share:.1} %")])
    });
    let mut note =
        "fail: it did not happen. info: nobody knows, at any later time or never.".to_owned();
    if let Some(late) = scene.report.late_replies.sentence() {
        note = format!("{note} {late}.");
    }
    let errors = Table {
        title: "Error classes".to_owned(),
        class: "nums",
        head: vec!["Class", "Operations", "Share"],
        rows: rows.collect(),
        empty: "Every operation ended ok.",
        note: note.into(),
    };
    let html = scene.templates.render("tables.html", &[by_f, errors])?;
    Ok(Drawn { html, notes: Vec::new() })
}
