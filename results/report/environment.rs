//! Section 10: what the run met, and how much the harness itself disturbed it.

use std::collections::BTreeMap;

use super::coverage::{Row, Table, row};
use super::page::{Drawn, Scene, SectionError};
use crate::human::grouped;

pub(super) fn draw(scene: &Scene<'_>) -> Result<Drawn, SectionError> {
    let report = scene.report;
    let nodes = report.run.nodes.iter().take(256);
    let noise = report.self_noise.iter().flat_map(|it| {
        [
            row("", &["operations measured".to_owned(), grouped(it.samples)]),
            row("", &["median".to_owned(), micros(it.p50_ns)]),
            row("", &["99 %".to_owned(), micros(it.p99_ns)]),
            row("", &["longest".to_owned(), micros(it.max_ns)]),
        ]
    });
    let warnings = report.warnings.iter().take(256);
    let tables = [
        Table {
            title: "Nodes".to_owned(),
            rows: nodes.map(|it| row("", &[it.name.clone(), it.address.clone()])).collect(),
            empty: "No node is on record.",
            ..Table::default()
        },
        map("Target", &report.target, "The target said nothing about itself."),
        map("Options", &report.options, "Every option had its default."),
        map("Clients", &report.driver, "No client setting is on record."),
        map("Versions", &report.tool.versions, "No version is on record."),
        Table {
            title: "Harness self-noise".to_owned(),
            class: "nums",
            rows: noise.collect(),
            empty: "Not measured.",
            note: "Delay between the decision to send an operation and its sending.".into(),
            ..Table::default()
        },
        Table {
            title: "Warnings".to_owned(),
            rows: warnings.map(|it| row("warn", &[it.code.clone(), it.text.clone()])).collect(),
            empty: "None.",
            ..Table::default()
        },
    ];
    let html = scene.templates.render("tables.html", &tables)?;
    Ok(Drawn { html: format!("<div class=\"columns\">{html}</div>"), notes: Vec::new() })
}

fn map(title: &str, map: &BTreeMap<String, String>, empty: &'static str) -> Table {
    let rows: Vec<Row> =
        map.iter().take(256).map(|(name, value)| row("", &[name.clone(), value.clone()])).collect();
    Table { title: title.to_owned(), rows, empty, ..Table::default() }
}

fn micros(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        _ => format!("{:.2} ms", nanos as f64 / 1e6),
    }
}
