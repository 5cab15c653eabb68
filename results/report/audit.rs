//! Section 7: what was meant to happen to the cluster, and what was measured to have happened.

use serde::Serialize;

use super::page::{Drawn, Scene, SectionError};
use crate::bounded::{shortened, visible};
use crate::limits;
use crate::run_report::{Bite, Fault};

/// Measurements shown of one step: the matrix, and one for each node of a small cluster.
const EVIDENCE: usize = 6;

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
    evidence: Vec<(String, String)>,
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
        evidence: evidence(&it.evidence),
    }
}

/// One line for each step, `verified` with all that was measured then. What a step repeats of the
/// one before it is said once, with both their names.
fn evidence(notes: &[String]) -> Vec<(String, String)> {
    let mut steps: Vec<(String, Vec<&str>)> = Vec::new();
    for note in notes {
        let (step, note) = note.split_once(": ").unwrap_or(("", note));
        match steps.last_mut() {
            Some((last, notes)) if last == step => notes.push(note),
            Some(_) | None => steps.push((step.to_owned(), vec![note])),
        }
    }
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for (step, notes) in steps {
        match lines.last_mut() {
            Some((names, same)) if *same == notes => *names = format!("{names}, {step}"),
            Some(_) | None => lines.push((step, notes)),
        }
    }
    let shown = |(names, notes): (String, Vec<&str>)| {
        let more = notes.len().saturating_sub(EVIDENCE);
        let mut text = notes[..notes.len() - more].join(" · ");
        if more > 0 {
            text += &format!(" · {more} more in verdicts.json");
        }
        (visible(&shortened(&names, 100)), visible(&shortened(&text, 900)))
    };
    lines.into_iter().map(shown).collect()
}

fn instant(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "–".to_owned(), seconds)
}

fn seconds(nanos: u64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::evidence;

    #[test]
    fn what_two_steps_measured_alike_is_said_once() {
        let notes = ["injected: a", "injected: b", "verified: a", "verified: b", "healed: c"];
        let lines = evidence(&notes.map(str::to_owned));
        let line = |names: &str, text: &str| (names.to_owned(), text.to_owned());
        assert_eq!(lines, [line("injected, verified", "a · b"), line("healed", "c")]);
    }
}
