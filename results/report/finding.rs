//! Sections 2 and 3: each finding as a sentence, a table and a picture. Complete without script.

use serde::Serialize;

use super::cycle;
use super::legal::could_return;
use super::page::{Drawn, Scene, SectionError};
use super::picture::{self, Picture};
use crate::bounded::{shortened, visible};
use crate::human::{during, grouped, is_foreign};
use crate::limits;
use crate::run_report::{Finding, OpReport, StepReport};

#[derive(Serialize)]
struct View {
    findings: Vec<FindingView>,
    text: &'static str,
    cut: String,
}

#[derive(Serialize)]
struct FindingView {
    name: String,
    kind: String,
    guarantee: String,
    whom: String,
    /// All of them, where there are more than that names.
    subjects: Vec<String>,
    subjects_more: usize,
    subjects_cut: u64,
    summary: String,
    badge: String,
    calm: bool,
    spanned: String,
    count: u64,
    more: Vec<String>,
    size: String,
    moment: String,
    signature: String,
    circle: String,
    picture: String,
    picture_cut: String,
    timed: bool,
    rows: Vec<OpView>,
    any_node: bool,
    any_key: bool,
    any_time: bool,
    any_point: bool,
    any_state: bool,
    any_possible: bool,
    points: String,
    about: String,
    unconfirmed: String,
    possible: String,
    rows_cut: u64,
    states: Vec<(String, String)>,
    states_cut: u64,
    states_open: bool,
    steps: Vec<StepView>,
    failing: String,
}

#[derive(Serialize)]
struct StepView {
    event: u32,
    /// Of an edge, what it is.
    kind: String,
    because: String,
}

#[derive(Serialize)]
struct OpView {
    class: &'static str,
    point: String,
    process: String,
    node: String,
    text: String,
    key: String,
    from: String,
    to: String,
    outcome: String,
    before: String,
    after: String,
    events: String,
}

/// Rows of a table once enough findings have been shown in full.
const SHORT: usize = 12;

pub(super) fn draw(scene: &Scene<'_>) -> Result<Drawn, SectionError> {
    let report = scene.report;
    let mut findings = Vec::new();
    for (at, finding) in report.findings.iter().enumerate() {
        findings.push(finding_view(scene, finding, at)?);
    }
    let drawn = limits::PICTURES;
    let cut = if findings.len() > drawn {
        format!("Findings after the {drawn}th have short tables and no picture here.")
    } else {
        String::new()
    };
    let text = match report.class {
        _ if !findings.is_empty() => "",
        crate::Class::Pass => "Nothing was found. What that rests on is said above and below.",
        _ => "Nothing was found, and nothing is proved: see the reasons above.",
    };
    let html = scene.templates.render("finding.html", &View { findings, text, cut })?;
    Ok(Drawn { html, notes: Vec::new() })
}

fn finding_view(
    scene: &Scene<'_>,
    finding: &Finding,
    at: usize,
) -> Result<FindingView, SectionError> {
    let full = at < limits::PICTURES;
    let evidence = &finding.evidence;
    let ops = &evidence.operations;
    let start = ops.iter().map(|op| op.invoked_ns).min().unwrap_or(0);
    let shown: &[OpReport] = if full { ops } else { &ops[ops.len().saturating_sub(SHORT)..] };
    let (circle, Picture { svg, cut, timed }) = pictures(scene, finding, at)?;
    let any_state = shown.iter().any(|op| op.state_after.is_some());
    let hidden = (ops.len() - shown.len()) as u64 + evidence.operations_cut;
    let total = ops.len() as u64 + evidence.operations_cut;
    let states = evidence.states.iter().take(if full { limits::PROOF_STATES } else { SHORT });
    let steps = evidence.steps.iter().take(if full { limits::PROOF_STEPS } else { SHORT });
    let failing = ops.iter().find(|op| op.failed);
    let row = |op| op_view(op, ops, finding, start, any_state);
    let rows: Vec<OpView> = shown.iter().map(row).collect();
    Ok(FindingView {
        name: finding.r#ref.clone(),
        kind: visible(&finding.kind),
        guarantee: visible(&finding.guarantee),
        whom: finding.whom(limits::SUBJECTS_SHOWN).as_deref().map(visible).unwrap_or_default(),
        subjects: subjects(finding),
        subjects_more: finding.subjects.len().saturating_sub(limits::SUBJECTS_PAGE),
        subjects_cut: finding.subjects_cut,
        summary: visible(&finding.summary),
        badge: match is_foreign(scene.report) && scene.report.faults.is_empty() {
            true => String::new(),
            false => during(scene.report, finding),
        },
        calm: finding.during_faults.is_empty(),
        spanned: finding.spanned_faults.iter().take(8).cloned().collect::<Vec<_>>().join(", "),
        count: finding.count,
        more: finding.more.iter().map(|it| visible(it)).collect(),
        size: format!(
            "{total} operation{}{}",
            if total == 1 { "" } else { "s" },
            if finding.minimal { ", minimal" } else { ", not shown to be minimal" },
        ),
        moment: visible(&finding.moment),
        signature: finding.signature.clone(),
        circle,
        picture: svg,
        picture_cut: cut,
        timed,
        any_key: rows.iter().any(|row| !row.key.is_empty()),
        any_node: shown.iter().any(|op| op.node.is_some()),
        any_time: shown.iter().any(|op| op.invoked_ns > 0 || op.completed_ns > Some(0)),
        any_point: shown.iter().any(|op| op.point.is_some()),
        any_state,
        any_possible: rows.iter().any(|row| !row.after.is_empty()),
        rows,
        points: grouped(evidence.points),
        about: evidence.about.as_deref().map(visible).unwrap_or_default(),
        unconfirmed: evidence.unconfirmed.as_deref().map(visible).unwrap_or_default(),
        possible: possible(finding),
        rows_cut: hidden,
        states: states.map(|it| (visible(&it.state), visible(&it.because))).collect(),
        states_cut: evidence.states_cut,
        states_open: evidence.states_open,
        steps: steps.map(step_view).collect(),
        failing: failing.map(|op| format!("p{} {}", op.process, op.text(80))).unwrap_or_default(),
    })
}

/// The circle, or else the operations; later findings have neither.
fn pictures(
    scene: &Scene<'_>,
    finding: &Finding,
    at: usize,
) -> Result<(String, Picture), SectionError> {
    if at >= limits::PICTURES || finding.evidence.operations.is_empty() {
        return Ok(Default::default());
    }
    if let Some(circle) = cycle::draw(scene, finding)? {
        return Ok((circle, Picture::default()));
    }
    let large = at < limits::PICTURES_LARGE;
    let most = if large { limits::PICTURE_OPERATIONS } else { limits::PICTURE_OPERATIONS_LATER };
    Ok((String::new(), picture::draw(scene, finding, most)?))
}

/// Keys beyond those that the finding's head names.
fn subjects(finding: &Finding) -> Vec<String> {
    match finding.subjects.len() > limits::SUBJECTS_SHOWN {
        true => finding.subjects.iter().take(limits::SUBJECTS_PAGE).map(|it| visible(it)).collect(),
        false => Vec::new(),
    }
}

fn step_view(step: &StepReport) -> StepView {
    StepView {
        event: step.event,
        kind: step.edge.as_ref().map(|it| visible(&it.kind)).unwrap_or_default(),
        because: visible(&step.because),
    }
}

/// With `exact`, states are the model's; else what can be said without one.
fn op_view(op: &OpReport, ops: &[OpReport], finding: &Finding, start: u64, exact: bool) -> OpView {
    let relative = |nanos: u64| format!("+{:.3}", nanos.saturating_sub(start) as f64 / 1e6);
    let error = op.error.as_deref().map(|it| format!(" ({})", visible(it))).unwrap_or_default();
    let state = |state: &Option<String>| state.as_deref().map(visible).unwrap_or_default();
    let (before, after) = match (op.failed, exact) {
        (true, true) => (possible(finding), "✗ illegal".to_owned()),
        (false, true) => (state(&op.state_before), state(&op.state_after)),
        (true, false) => (String::new(), possible(finding)),
        (false, false) if op.f == "read" && op.outcome == "ok" => {
            (String::new(), could_return(op, ops))
        }
        (false, false) => Default::default(),
    };
    OpView {
        class: if op.failed { "failed" } else { class(op) },
        point: op.point.map(|point| point.to_string()).unwrap_or_default(),
        process: finding.who(op),
        node: op.node.as_deref().map(visible).unwrap_or_default(),
        text: op.text(120),
        key: op.key(60).unwrap_or_default(),
        from: relative(op.invoked_ns),
        to: op.completed_ns.map_or_else(|| "…".to_owned(), relative),
        outcome: format!("{}{error}", op.outcome),
        before,
        after,
        events: op
            .ret
            .map_or_else(|| format!("#{}", op.call), |ret| format!("#{}–#{ret}", op.call)),
    }
}

/// States that were possible just before the failing operation, in words.
fn possible(finding: &Finding) -> String {
    const SHOWN: usize = 6;
    let evidence = &finding.evidence;
    let states = evidence.states.iter().take(SHOWN);
    let states: Vec<String> = states.map(|it| shortened(&it.state, 60)).collect();
    let total = evidence.states.len() as u64 + evidence.states_cut;
    match total.saturating_sub(SHOWN as u64) {
        _ if states.is_empty() => "–".to_owned(),
        _ if evidence.states_open => format!("{} or another", visible(&states.join(" or "))),
        0 => visible(&states.join(" or ")),
        more => format!("{} or {more} more", visible(&states.join(" or "))),
    }
}

pub(super) fn class(op: &OpReport) -> &'static str {
    match op.outcome.as_str() {
        "ok" => "ok",
        "fail" => "fail",
        _ => "info",
    }
}
