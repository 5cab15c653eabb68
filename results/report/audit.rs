//! Section 7: what was meant to happen to the cluster, and what was measured to have happened.

use serde::Serialize;

use super::page::{Drawn, Scene, SectionError};
use crate::bounded::{shortened, visible};
use crate::limits;
use crate::run_report::{Bite, Fault};

#[derive(Serialize)]
struct View {
    rows: Vec<FaultView>,
    cut: usize,
}

#[derive(Serialize)]
struct FaultView {
    id: String,
    class: &'static str,
    what: String,
    nodes: String,
    planned: String,
    injected: String,
    verified: String,
    word: &'static str,
    healed: String,
    heal_verified: String,
    problem: String,
    evidence: Vec<String>,
}

pub(super) fn draw(scene: &Scene<'_>) -> Result<Drawn, SectionError> {
    let faults = &scene.report.faults;
    let rows = faults.iter().take(limits::FAULT_ROWS).map(fault).collect();
    let view = View { rows, cut: faults.len().saturating_sub(limits::FAULT_ROWS) };
    Ok(Drawn { html: scene.templates.render("audit.html", &view)?, notes: Vec::new() })
}

fn fault(it: &Fault) -> FaultView {
    let refused = it.refused.is_some() && it.injected_ns.is_none();
    let (class, word) = match it.verified {
        Bite::Bit => ("good", "✓ bit"),
        Bite::DidNotBite => ("bad", "✗ did not bite"),
        Bite::Unverified if refused => ("muted", "– refused"),
        Bite::Unverified if it.injected_ns.is_none() => ("muted", "– not injected"),
        Bite::Unverified => ("warn", "? unverified"),
    };
    let problem = it.heal_failed.as_ref().map(|why| format!("could not be healed: {why}"));
    let problem = problem.or_else(|| it.refused.as_ref().map(|why| format!("refused: {why}")));
    let range = |(from, to): (u64, u64)| format!("{} – {}", seconds(from), seconds(to));
    FaultView {
        id: it.id.clone(),
        class,
        what: visible(format!("{} {}", it.kind, it.shape).trim()),
        nodes: visible(&shortened(&it.nodes.join(" "), 200)),
        planned: it.planned.map(range).unwrap_or_else(|| "–".to_owned()),
        injected: instant(it.injected_ns),
        verified: instant(it.verified_ns),
        word,
        healed: instant(it.healed_ns),
        heal_verified: instant(it.heal_verified_ns),
        problem: visible(&shortened(&problem.unwrap_or_default(), 400)),
        evidence: it.evidence.iter().take(8).map(|it| visible(&shortened(it, 300))).collect(),
    }
}

fn instant(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "–".to_owned(), seconds)
}

fn seconds(nanos: u64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}
