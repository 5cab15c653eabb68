//! Section 1: the outcome at a glance, and how to ask for the same run again.

use serde::Serialize;

use super::page::{Drawn, Scene, SectionError, icon};
use crate::bounded::{shortened, visible};
use crate::class::Class;
use crate::human::{grouped, is_foreign};
use crate::run_report::{Guarantee, Levels, RunReport};

#[derive(Serialize)]
struct View {
    class: &'static str,
    word: &'static str,
    icon: &'static str,
    headline: String,
    simulated: bool,
    relaxed: bool,
    guarantees: Vec<GuaranteeView>,
    facts: Vec<(&'static str, String)>,
    repro: String,
    seeded: bool,
    moments: Vec<(String, String)>,
    more_moments: usize,
    failures: Vec<String>,
    stopped: String,
}

#[derive(Serialize)]
struct GuaranteeView {
    verdict: String,
    icon: &'static str,
    id: String,
    text: String,
    refs: Vec<String>,
    levels: Vec<String>,
}

/// References listed beside one guarantee.
const REFS: usize = 12;

pub(super) fn draw(scene: &Scene<'_>) -> Result<Drawn, SectionError> {
    let report = scene.report;
    let foreign = is_foreign(report);
    let moments = report.findings.iter().take(REFS);
    let view = View {
        class: report.class.name(),
        word: word(report.class),
        icon: icon(report.class),
        headline: visible(&shortened(&report.headline, 600)),
        simulated: report.run.simulated,
        relaxed: report.relaxed,
        guarantees: report.guarantees.iter().map(|it| guarantee(it, foreign)).collect(),
        facts: facts(report),
        repro: visible(&report.run.repro),
        seeded: !foreign,
        moments: moments.map(|it| (it.r#ref.clone(), visible(&it.moment))).collect(),
        more_moments: report.findings.len().saturating_sub(REFS),
        failures: report.failures.iter().map(|it| visible(it)).collect(),
        stopped: report.run.stopped_early.as_deref().map(visible).unwrap_or_default(),
    };
    let html = scene.templates.render("strip.html", &view)?;
    Ok(Drawn { html, notes: Vec::new() })
}

fn word(class: Class) -> &'static str {
    match class {
        Class::Pass => "Held",
        Class::Anomaly => "Anomaly",
        Class::Infra => "Infrastructure",
        Class::Unknown => "Unknown",
        Class::Vacuous => "Vacuous",
    }
}

fn guarantee(it: &Guarantee, foreign: bool) -> GuaranteeView {
    let strength = &it.strength;
    let text = match it.verdict.as_str() {
        "valid" if it.requires() => it.seen(),
        "valid" if foreign => format!(
            "{} operations ok, {} at once (median). That this record keeps the promise says \
             nothing about another.",
            grouped(strength.ops),
            strength.median_concurrency,
        ),
        "valid" => format!(
            "{} operations ok, {} at once (median), {:.1} s under verified faults. One run alone \
             bounds the rate of bad runs at {:.0} % ({:.0} % confidence): repeat it with other \
             seeds.",
            grouped(strength.ops),
            strength.median_concurrency,
            strength.fault_ns_verified as f64 / 1e9,
            strength.rate_upper * 100.0,
            strength.confidence * 100.0,
        ),
        "invalid" => "violated, with the evidence below".to_owned(),
        _ => {
            let class = it.reason_class.as_deref().unwrap_or("undecided");
            format!("{class}: {}", it.reason.as_deref().unwrap_or("no reason was given"))
        }
    };
    GuaranteeView {
        verdict: it.verdict.clone(),
        icon: match it.verdict.as_str() {
            "valid" => "✓",
            "invalid" => "✗",
            _ => "?",
        },
        id: visible(&it.id),
        text: visible(&text),
        refs: it.findings.iter().take(REFS).cloned().collect(),
        levels: it.levels.iter().flat_map(Levels::sentences).map(|it| visible(&it)).collect(),
    }
}

fn facts(report: &RunReport) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let nodes: Vec<&str> = run.nodes.iter().take(9).map(|node| node.name.as_str()).collect();
    let more = run.nodes.len().saturating_sub(nodes.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let version = report.target.get("version").cloned().unwrap_or_default();
    let counts = &report.counts;
    let bit = report.faults.iter().filter(|it| it.verified == crate::Bite::Bit).count();
    let mut facts = vec![
        ("Seed", run.seed.to_string()),
        ("Target", format!("{} {}", run.target, shortened(&version, 80))),
        ("Workload", format!("{}, {} clients", run.workload, run.concurrency)),
        ("Nodes", format!("{} {} ({}{more})", run.nodes.len(), run.provider, nodes.join(" "))),
        ("Duration", format!("{:.1} s", run.duration_ns as f64 / 1e9)),
        (
            "Operations",
            format!(
                "{} ok, {} fail, {} info",
                grouped(counts.ok),
                grouped(counts.fail),
                grouped(counts.info)
            ),
        ),
        ("Faults", format!("{} planned, {bit} verified", report.faults.len())),
        ("Started", run.started_utc.clone()),
        ("Suite", run.suite.clone()),
        ("Tribunal", report.tool.version.clone()),
    ];
    if is_foreign(report) {
        let known = ["Operations", "Started", "Suite", "Tribunal"];
        let faults = !report.faults.is_empty();
        facts.retain(|(name, _)| known.contains(name) || (faults && *name == "Faults"));
    }
    facts.retain(|(_, value)| !value.trim().is_empty());
    facts.into_iter().map(|(name, value)| (name, visible(value.trim()))).collect()
}
