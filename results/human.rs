//! The report for a terminal. Text from outside is shown escaped.

use std::fmt::Write;

use crate::bounded::{shortened, visible};
use crate::class::Class;
use crate::limits;
use crate::run_report::{Bite, Finding, Guarantee, Levels, RunReport};
use crate::witness::write_witness;

/// What the caller decides about the text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HumanOptions {
    /// Whether to colour it; the caller knows the terminal.
    pub color: bool,
    /// Where the page is, if one was written.
    pub report_path: Option<String>,
}

/// Findings of one guarantee that are told in full. The report has all.
const FINDINGS: usize = 4;

const RED: &str = "\u{1b}[1;31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// The report as text: at most a screen for a pass, then each finding.
pub fn human(report: &RunReport, options: &HumanOptions) -> String {
    let mut out = String::new();
    let paint = |text: &str, color: &str| {
        if options.color { format!("{color}{text}{RESET}") } else { text.to_owned() }
    };
    write_run(&mut out, report);
    for guarantee in &report.guarantees {
        write_guarantee(&mut out, report, guarantee, options, &paint);
    }
    if report.guarantees.is_empty() {
        let _ = writeln!(out, "  {} nothing was judged", paint("?", YELLOW));
    }
    for failure in &report.failures {
        let _ = writeln!(out, "  {} {}", paint("infrastructure:", RED), line(failure));
    }
    for warning in &report.warnings {
        let text = format!("warning {}: {}", line(&warning.code), line(&warning.text));
        let _ = writeln!(out, "  {}", paint(&text, YELLOW));
    }
    let foreign = is_foreign(report);
    if !foreign {
        let _ = writeln!(out, "  seed    {}", report.run.seed);
    }
    if let Some(path) = &options.report_path {
        let _ = writeln!(out, "  report  {}", line(path));
    }
    if !report.run.repro.is_empty() {
        let _ = writeln!(out, "  repro   {}", line(&report.run.repro));
    }
    let class = report.class.name().to_uppercase();
    let color = match report.exit_code {
        0 => GREEN,
        1 => RED,
        _ => YELLOW,
    };
    let relaxed = if report.relaxed { " (relaxed)" } else { "" };
    let code = report.exit_code;
    let headline = shortened(&line(&report.headline), 400);
    // A negative suite: the class says what the database did, the code what was expected of it.
    let class = match (report.class, code) {
        (Class::Pass, 1) => "NOT FOUND".to_string(),
        _ => class,
    };
    let _ = writeln!(out, "{}{relaxed}  {headline}  exit {code}", paint(&class, color));
    if !foreign {
        let dimmed = format!("a seed reproduces inputs, not the cluster · run {}", report.run.id);
        let _ = writeln!(out, "{}", paint(&line(&dimmed), DIM));
    }
    out
}

/// Whether the history came from somewhere else: no target, no seed and no faults are known.
pub(crate) fn is_foreign(report: &RunReport) -> bool {
    report.run.target.is_empty()
}

fn write_run(out: &mut String, report: &RunReport) {
    let run = &report.run;
    let counts = &report.counts;
    let ops = format!(
        "ops {} ok · {} info · {} fail",
        grouped(counts.ok),
        grouped(counts.info),
        grouped(counts.fail),
    );
    if is_foreign(report) {
        let dialect = report.options.get("dialect");
        let dialect = dialect.map(|name| format!(" · dialect {}", line(name))).unwrap_or_default();
        let _ = writeln!(out, "  {}{dialect}\n  {ops}", line(&run.id));
        write_late(out, report);
        return;
    }
    let simulated = if run.simulated { " · SIMULATED" } else { "" };
    let _ = writeln!(
        out,
        "  {} x{} ({}) · {} · {} clients · {:.1} s{simulated}",
        line(&run.target),
        run.nodes.len(),
        line(&run.provider),
        line(&run.workload),
        run.concurrency,
        run.duration_ns as f64 / 1e9,
    );
    if let Some(why) = &run.stopped_early {
        let _ = writeln!(out, "  stopped early: {}", line(why));
    }
    let bit = report.faults.iter().filter(|fault| fault.verified == Bite::Bit).count();
    let lame = report.faults.iter().filter(|fault| fault.verified == Bite::DidNotBite).count();
    let never = report.faults.len() - bit - lame;
    let some = |count: usize, what: &str| match count {
        0 => String::new(),
        count => format!(", {count} {what}"),
    };
    let (lame, never) = (some(lame, "did not bite"), some(never, "did not happen"));
    let planned = report.faults.len();
    let _ = writeln!(out, "  {ops}     faults {planned} planned, {bit} verified{lame}{never}");
    write_late(out, report);
}

fn write_late(out: &mut String, report: &RunReport) {
    if let Some(sentence) = report.late_replies.sentence() {
        let _ = writeln!(out, "  late {sentence}");
    }
}

fn write_guarantee(
    out: &mut String,
    report: &RunReport,
    guarantee: &Guarantee,
    options: &HumanOptions,
    paint: &dyn Fn(&str, &str) -> String,
) {
    let name = line(&guarantee.id);
    match guarantee.verdict.as_str() {
        "valid" if guarantee.requires() => {
            let _ = writeln!(out, "  {} {name}   {}", paint("✓", GREEN), line(&guarantee.seen()));
        }
        "valid" => {
            let strength = &guarantee.strength;
            let faults = match report.faults.is_empty() {
                true => String::new(),
                false => {
                    let seconds = strength.fault_ns_verified as f64 / 1e9;
                    format!(", {seconds:.1} s of verified faults")
                }
            };
            let _ = writeln!(
                out,
                "  {} {name}   {} ops, {} at once (median){faults}",
                paint("✓", GREEN),
                grouped(strength.ops),
                strength.median_concurrency,
            );
        }
        "invalid" => {
            let _ = writeln!(out, "  {} {name}", paint("✗", RED));
            let mine = |finding: &&Finding| guarantee.findings.contains(&finding.r#ref);
            let findings: Vec<&Finding> = report.findings.iter().filter(mine).collect();
            for finding in findings.iter().take(FINDINGS) {
                write_finding(out, report, finding, paint);
            }
            if let Some(rest) = findings.get(FINDINGS..).filter(|rest| !rest.is_empty()) {
                let more = rest.len();
                let of: u64 = rest.iter().map(|finding| finding.count.max(1)).sum();
                let where_ = match &options.report_path {
                    Some(_) => "the report shows them",
                    None => "--json shows them",
                };
                let _ = writeln!(out, "    {more} more findings, {of} anomalies; {where_}");
            }
        }
        _ => {
            let why = guarantee.reason.as_deref().unwrap_or("no reason was given");
            let class = guarantee.reason_class.as_deref().unwrap_or("undecided");
            let _ = writeln!(out, "  {} {name}   {class}: {}", paint("?", YELLOW), line(why));
        }
    }
    for sentence in guarantee.levels.iter().flat_map(Levels::sentences) {
        let _ = writeln!(out, "    {}", line(&sentence));
    }
}

fn write_finding(
    out: &mut String,
    report: &RunReport,
    finding: &Finding,
    paint: &dyn Fn(&str, &str) -> String,
) {
    let minimal = if finding.minimal { ", minimal" } else { "" };
    let ops = finding.evidence.operations.len() as u64 + finding.evidence.operations_cut;
    let again =
        if finding.count > 1 { format!(", {} alike", finding.count) } else { String::new() };
    let _ = writeln!(
        out,
        "    {} {} · {} ({ops} ops{minimal}{again}, {})",
        paint(&finding.r#ref, RED),
        line(&finding.kind),
        line(&finding.summary),
        during(report, finding),
    );
    if let Some(whom) = finding.whom(limits::SUBJECTS_SHOWN) {
        let _ = writeln!(out, "      {}", line(&whom));
    }
    let failing = finding.evidence.operations.iter().find(|op| op.failed);
    if let Some(op) = failing {
        let end = op.ret.map_or_else(String::new, |ret| format!("..#{ret}"));
        let node = op.node.as_deref().map_or_else(String::new, |it| format!(" at {}", line(it)));
        let (call, process, text) = (op.call, op.process, op.text(80));
        let _ = writeln!(out, "      event #{call}{end} p{process}{node}: {text}");
    }
    write_witness(out, finding);
    for state in finding.evidence.states.iter().take(8) {
        let (held, why) =
            (shortened(&line(&state.state), 200), shortened(&line(&state.because), 400));
        let _ = writeln!(out, "      state {held}: {why}");
    }
    let more = finding.evidence.states.len().saturating_sub(8) as u64 + finding.evidence.states_cut;
    if more > 0 {
        let _ = writeln!(out, "      and {more} more states, each of which refuses it");
    }
    if finding.evidence.states_open {
        let _ = writeln!(out, "      and maybe other states, each of which refuses it");
    }
    if let Some(about) = &finding.evidence.about {
        let about = shortened(&line(about), 200);
        let _ = writeln!(
            out,
            "      of {about} alone: no order of what these operations say of that is legal"
        );
    }
    if let Some(sentence) = &finding.evidence.unconfirmed {
        let _ = writeln!(out, "      {}", line(sentence));
    }
    for step in finding.evidence.steps.iter().take(12) {
        let because = line(&step.because);
        let _ = match &step.edge {
            Some(edge) => writeln!(out, "      {:<8} {because}", line(&edge.kind)),
            None => writeln!(out, "      event #{}: {because}", step.event),
        };
    }
    let _ = writeln!(out, "      {}", paint(&line(&finding.moment), DIM));
}

/// `during F3 partition`, or that no fault was active.
pub(crate) fn during(report: &RunReport, finding: &Finding) -> String {
    if finding.during_faults.is_empty() {
        let known = !is_foreign(report) || !report.faults.is_empty();
        return if known { "no fault active" } else { "faults not known" }.to_owned();
    }
    let named = |id: &String| {
        let fault = report.faults.iter().find(|fault| &fault.id == id);
        fault.map_or_else(|| id.clone(), |fault| format!("{} {id}", line(&fault.kind)))
    };
    let names: Vec<String> = finding.during_faults.iter().take(4).map(named).collect();
    let more = finding.during_faults.len().saturating_sub(4);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("during {}{more}", names.join(", "))
}

fn line(text: &str) -> String {
    visible(text)
}

/// `48 211`, with a thin no-break space between groups.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}
