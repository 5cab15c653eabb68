//! A counterexample as text that a person can follow: its operations by invocation, each with who,
//! when, what was asked and answered, and its place in the longest legal order, with what the
//! object held after it. Bounded; text from outside is shown escaped.

use std::fmt::Write;

use crate::bounded::{shortened, visible};
use crate::run_report::{Finding, OpReport};

/// Operations told one by one.
const SHOWN: usize = 16;
/// Bytes of a value, and of a state.
const VALUE: usize = 60;

/// Writes the operations of the proof, if there are several.
pub(crate) fn write_witness(out: &mut String, finding: &Finding) {
    let operations = &finding.evidence.operations;
    if operations.len() < 2 {
        return;
    }
    let shown = chosen(operations);
    let numbered = operations.iter().any(|op| op.point.is_some());
    let title = match (numbered, &finding.evidence.about) {
        (true, None) => ", numbered as the longest legal order has them".to_owned(),
        (true, Some(about)) => {
            let about = visible(&shortened(about, VALUE));
            format!(", numbered as the longest legal order of what they say of {about} has them")
        }
        (false, _) => String::new(),
    };
    let _ = writeln!(out, "      operations by invocation{title}:");
    let when: Vec<String> = shown.iter().map(|op| interval(op)).collect();
    let who: Vec<String> = shown.iter().map(|op| asked(finding, op)).collect();
    let wide = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let (who_wide, when_wide) = (wide(&who), wide(&when));
    for ((op, when), who) in shown.iter().zip(&when).zip(&who) {
        let mark = match (op.failed, op.point) {
            (true, _) => "✗".to_owned(),
            (false, Some(point)) => format!("{point}."),
            (false, None) => "-".to_owned(),
        };
        let (text, ended) = (visible(&op.text(VALUE)), outcome(op));
        let held = match &op.state_after {
            Some(state) if !op.failed => format!("   then {}", visible(&shortened(state, VALUE))),
            Some(_) | None => String::new(),
        };
        let _ = writeln!(
            out,
            "      {mark:>5} {who:<who_wide$} {when:<when_wide$}  {text}{ended}{held}"
        );
    }
    let left = (operations.len() - shown.len()) as u64 + finding.evidence.operations_cut;
    if left > 0 {
        let _ = writeln!(out, "            and {left} more operations");
    }
}

/// Who did it; and whom they asked, where a process asked several.
fn asked(finding: &Finding, op: &OpReport) -> String {
    let who = finding.who(op);
    let mut own = finding.evidence.operations.iter().filter(|it| it.process == op.process);
    match &op.node {
        Some(node) if own.any(|it| it.node != op.node) => format!("{who} on {}", visible(node)),
        Some(_) | None => who,
    }
}

/// Those invoked last, and the failing one among them: what is nearest explains most.
fn chosen(operations: &[OpReport]) -> Vec<&OpReport> {
    let failed = operations.iter().position(|op| op.failed).unwrap_or(0);
    let skip = operations.len().saturating_sub(SHOWN);
    if failed >= skip {
        return operations[skip..].iter().collect();
    }
    std::iter::once(&operations[failed]).chain(&operations[skip + 1..]).collect()
}

fn interval(op: &OpReport) -> String {
    let (call, ret) = (op.call, op.ret.filter(|_| op.completed_ns.is_some()));
    let events = match ret {
        Some(ret) => format!("#{call}..#{ret}"),
        None => format!("#{call}.."),
    };
    let second = |ns: u64| format!("{:.3}", ns as f64 / 1e9);
    match (op.invoked_ns, op.completed_ns) {
        // Formats without times have ranks only.
        (0, Some(0)) => events,
        (from, Some(to)) => format!("{events} {}..{} s", second(from), second(to)),
        (0, None) => events,
        (from, None) => format!("{events} {}.. s", second(from)),
    }
}

fn outcome(op: &OpReport) -> &'static str {
    match op.outcome.as_str() {
        "ok" => "",
        "fail" => "   (failed)",
        _ => "   (outcome unknown)",
    }
}
