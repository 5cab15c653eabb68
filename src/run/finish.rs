//! Judging, report, and what a person sees of it.

use std::io::IsTerminal;

use tribunal_history::{FaultEvent, History};
use tribunal_results::class::{Class, Expected, expect_anomaly};
use tribunal_results::store::{self, RunDir};
use tribunal_results::{Answer, HumanOptions, RunInfo, RunReport, Warning, assemble, html, human};

use super::load::Told;
use super::setup::Stage;
use super::{Finished, Request};
use crate::exit_code::{ExitCode, Trouble};
use crate::judging::{self, Job, Judged, Limits};

/// Phases 12 and 13: the history is read back from the disk and judged, in a process of its own;
/// logs are collected meanwhile; whatever of the artefacts can be written is written.
pub(super) fn judge_and_report(
    request: &Request,
    stage: &Stage,
    dir: RunDir,
    mut info: RunInfo,
    told: Told,
) -> Result<Finished, Trouble> {
    info.environment.failures.extend(told.failures);
    let mut logs = Some(stage.control.spawn(stage.collect_logs(&dir)));
    request.voice.now("judging");
    dir.save_environment(&info.environment).map_err(Trouble::infra)?;
    let experiment = &request.experiment;
    let limits = Limits { time: experiment.check_time, bytes: experiment.check_memory };
    let mut saved = Ok(());
    let mut before_report = || {
        request.voice.now("writing the report");
        let Some(logs) = logs.take() else { return };
        let warnings = stage.control.block_on(logs);
        for text in warnings.unwrap_or_else(|panic| vec![panic.to_string()]) {
            info.environment.warnings.push(Warning { code: "logs".into(), text });
        }
        saved = dir.save_environment(&info.environment).map_err(Trouble::infra);
    };
    let job = Job::Run { dir: dir.path().to_path_buf(), wait: true };
    let judged = judging::judge(job, limits, &mut before_report)?;
    saved?;
    let code = code(request, &judged);
    Ok(Finished { dir, report: judged.report, code })
}

/// Verdicts and fault track, and the page if it is wanted.
pub(crate) fn write_artefacts(
    dir: &RunDir,
    info: &RunInfo,
    history: &History,
    answers: &[Answer],
    page: bool,
) -> Result<RunReport, Trouble> {
    let report = assemble(info, history, answers);
    dir.save_verdicts(&report).map_err(Trouble::infra)?;
    dir.write(store::FAULTS, fault_lines(history).as_bytes()).map_err(Trouble::infra)?;
    if page {
        dir.save_page(&html(&report, history).text).map_err(Trouble::infra)?;
    }
    Ok(report)
}

/// The fault track, one object a line.
fn fault_lines(history: &History) -> String {
    let line = |fault: &FaultEvent| {
        let detail = serde_json::from_str(&fault.detail);
        let detail: serde_json::Value = detail.unwrap_or_else(|_| fault.detail.clone().into());
        let object = serde_json::json!({
            "time_ns": fault.time.0,
            "fault": fault.fault,
            "edge": fault.edge.name(),
            "kind": fault.kind,
            "nodes": fault.nodes,
            "detail": detail,
        });
        format!("{object}\n")
    };
    history.faults().iter().map(line).collect()
}

/// The exit code of a run, with the expectation of a negative suite.
fn code(request: &Request, judged: &Judged) -> ExitCode {
    let report = &judged.report;
    if let Some((code, words)) = &judged.trouble {
        request.voice.say(words);
        let code = ExitCode::of(*code);
        if code == ExitCode::Bug && report.class != Class::Anomaly {
            return code;
        }
    }
    if !request.experiment.expect_anomaly {
        return of_class(report.class);
    }
    let (code, words) = expect_anomaly(report.class, &report.kinds(), &Expected::Any);
    request.voice.say(words);
    of_expected(code, report.class)
}

/// The exit code that a report names: that of its class, or what was expected of a negative suite.
pub(crate) fn of_report(report: &RunReport) -> ExitCode {
    of_expected(report.exit_code, report.class)
}

fn of_expected(code: u8, class: Class) -> ExitCode {
    match code {
        0 => ExitCode::Held,
        1 => ExitCode::Anomaly,
        _ => of_class(class),
    }
}

/// The one place where a class becomes an exit code.
fn of_class(class: Class) -> ExitCode {
    match class {
        Class::Pass => ExitCode::Held,
        Class::Anomaly => ExitCode::Anomaly,
        Class::Unknown => ExitCode::Unknown,
        Class::Vacuous => ExitCode::Vacuous,
        Class::Infra => ExitCode::Infrastructure,
    }
}

/// The result on stdout.
pub(crate) fn show(finished: &Finished, json: bool) -> Result<(), Trouble> {
    let text = if json {
        finished.report.to_json()
    } else {
        let path = finished.dir.file(store::REPORT).display().to_string();
        human(&finished.report, &HumanOptions { color: color(), report_path: Some(path) })
    };
    print(&text)
}

/// Whether stdout may be coloured.
pub(crate) fn color() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    forced || (!plain && std::io::stdout().is_terminal())
}

/// Writes a result. A reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Trouble> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let result = write!(out, "{text}{newline}").and_then(|()| out.flush());
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Trouble::infra(format!("write to stdout: {error}")))
        }
        Err(_) | Ok(()) => Ok(()),
    }
}
