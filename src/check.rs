//! `tribunal check`: judges stored histories, ours or foreign, and run directories.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tribunal_checkers::linearizable::{Dialect, Options};
use tribunal_checkers::registry::{self as checkers, Parameters};
use tribunal_checkers::{Checker, Consistency, Verdict};
use tribunal_history::codec::{self, Format, ReadOptions};
use tribunal_history::{History, Value};
use tribunal_results::store::{self, RunDir};
use tribunal_results::{Answer, HumanOptions, RunInfo, RunReport, Warning, assemble, human};
use tribunal_workloads::{Setting, registry};

use crate::cli::CheckArgs;
use crate::exit_code::{ExitCode, Trouble};
use crate::judge::{self, Limits};
use crate::run::{color, of_class, print};
use crate::units;

/// One judged input.
struct Judged {
    shown: String,
    report: RunReport,
    code: ExitCode,
}

/// The subcommand: every input is judged, whatever became of its neighbours.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode, Trouble> {
    let limits = Limits {
        time: units::duration(&args.time_limit)
            .map_err(|problem| Trouble::usage(format!("--time-limit: {problem}")))?,
        bytes: units::bytes(&args.memory_limit)
            .map_err(|problem| Trouble::usage(format!("--memory-limit: {problem}")))?,
    };
    let mut code = None::<ExitCode>;
    let mut results = Vec::new();
    for input in &args.inputs {
        let one = match judge_one(args, input, limits) {
            Ok(judged) => {
                if !args.json {
                    show(&judged, args.inputs.len() > 1)?;
                }
                results.push(to_json(&judged));
                judged.code
            }
            Err(trouble) => {
                eprintln!("tribunal: error: {trouble}");
                let shown = input.display().to_string();
                results.push(json!({ "file": shown, "error": trouble.message }));
                trouble.code
            }
        };
        code = Some(code.map_or(one, |code| code.and(one)));
    }
    if args.json {
        let one = results.len() == 1;
        let value = if one { results.remove(0) } else { Json::Array(results) };
        print(&serde_json::to_string_pretty(&value).map_err(Trouble::bug)?)?;
    }
    Ok(code.unwrap_or(ExitCode::Usage))
}

fn judge_one(args: &CheckArgs, input: &Path, limits: Limits) -> Result<Judged, Trouble> {
    let shown = input.display().to_string();
    let run = input.is_dir();
    let path = if run { input.join(store::HISTORY) } else { input.to_path_buf() };
    let bytes = std::fs::read(&path)
        .map_err(|error| Trouble::usage(format!("{}: {error}", path.display())))?;
    let format = format(args)?;
    let read = codec::read(&bytes, format, &ReadOptions::default())
        .map_err(|error| Trouble::usage(format!("{}:{error}", path.display())))?;
    for warning in &read.warnings {
        eprintln!("tribunal: {}: {warning}", path.display());
    }
    let mut info = match run {
        true => RunDir::open(input).and_then(|dir| dir.load_info()).map_err(Trouble::usage)?,
        false => foreign(&shown),
    };
    let checkers = match run && args.model.is_none() {
        true => checkers_of_run(&info)?,
        false => checkers(args, read.format)?,
    };
    if let Some(torn) = &read.torn {
        eprintln!("tribunal: {}: {torn}", path.display());
        info.environment.warnings.push(Warning { code: "torn".into(), text: torn.to_string() });
    }
    let answers = judge::judge(&read.history, &checkers, limits);
    if let Some(error) = judge::internal_error(&answers) {
        return Err(Trouble::bug(error));
    }
    if let Some(Err(error)) = answers.iter().map(|(_, answer)| answer).find(|a| a.is_err()) {
        return Err(Trouble::usage(format!("{}: {error}", path.display())));
    }
    Ok(judged(shown, &info, &read.history, &answers))
}

/// A stored run, judged as it was when it was made.
pub(crate) fn judge_run(dir: &RunDir) -> Result<(RunInfo, History, Vec<Answer>), Trouble> {
    let path = dir.file(store::HISTORY);
    let bytes = std::fs::read(&path)
        .map_err(|error| Trouble::usage(format!("{}: {error}", path.display())))?;
    let options = ReadOptions::default();
    let read = codec::read(&bytes, Some(Format::Native), &options)
        .map_err(|error| Trouble::usage(format!("{}:{error}", path.display())))?;
    let info = dir.load_info().map_err(Trouble::usage)?;
    let checkers = checkers_of_run(&info)?;
    let limits = Limits { time: Duration::from_secs(120), bytes: 4 << 30 };
    let answers = judge::judge(&read.history, &checkers, limits);
    match judge::internal_error(&answers) {
        Some(error) => Err(Trouble::bug(error)),
        None => Ok((info, read.history, answers)),
    }
}

fn judged(shown: String, info: &RunInfo, history: &History, answers: &[Answer]) -> Judged {
    let report = assemble(info, history, answers);
    let code = of_class(report.class);
    Judged { shown, report, code }
}

/// What is known about a history that is not one of our runs.
fn foreign(shown: &str) -> RunInfo {
    let mut info = RunInfo::default();
    info.plan.id = shown.to_string();
    info.plan.repro = format!("tribunal check {shown}");
    info
}

/// What judged the run when it was made.
fn checkers_of_run(info: &RunInfo) -> Result<Vec<Box<dyn Checker>>, Trouble> {
    let name = &info.plan.workload;
    let Some(entry) = registry::find(name) else {
        return Err(Trouble::usage(format!(
            "the run's workload {name:?} is not known here; name a model with -m"
        )));
    };
    let setting = Setting {
        nodes: info.plan.nodes.len().max(1),
        concurrency: (info.plan.concurrency as usize).max(1),
        rate: None,
        options: workload_options(info),
    };
    Ok((entry.build)(&setting).map_err(Trouble::usage)?.checkers)
}

/// Options of the workload are stored with a prefix beside those of the target.
fn workload_options(info: &RunInfo) -> BTreeMap<String, String> {
    let options = info.plan.options.iter();
    options
        .filter_map(|(key, value)| Some((key.strip_prefix("workload.")?.into(), value.clone())))
        .collect()
}

fn format(args: &CheckArgs) -> Result<Option<Format>, Trouble> {
    let Some(name) = &args.format else { return Ok(None) };
    match Format::from_name(name) {
        Some(format) => Ok(Some(format)),
        None => {
            let known: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
            Err(Trouble::usage(format!(
                "--format {name:?} is not known; there are {}",
                known.join(", ")
            )))
        }
    }
}

/// The checker the flags ask for. Files without a dialect of their own get their format's.
fn checkers(args: &CheckArgs, format: Format) -> Result<Vec<Box<dyn Checker>>, Trouble> {
    let dialect = match &args.dialect {
        Some(name) => Dialect::named(name).ok_or_else(|| {
            let known: Vec<&str> = Dialect::NAMED.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            Trouble::usage(format!("--dialect {name:?} is not known; there are {known}"))
        })?,
        None => match format {
            Format::Native | Format::Jsonl => Dialect::TRIBUNAL,
            Format::Edn => Dialect::KNOSSOS,
            Format::Porcupine => Dialect::ETCD,
        },
    };
    let level = Consistency::named(&args.consistency).ok_or_else(|| {
        let known = Consistency::ALL.map(Consistency::name).join(", ");
        Trouble::usage(format!("-c {:?} is not a level; there are {known}", args.consistency))
    })?;
    let parameters = Parameters {
        dialect,
        initial: initial(&args.init),
        level: Some(level),
        options: Options::default(),
    };
    let name = args.model.as_deref().unwrap_or("cas-register");
    let entry = checkers::find(name).map_err(|error| Trouble::usage(format!("-m: {error}")))?;
    Ok(vec![entry.build(&parameters).map_err(Trouble::usage)?])
}

fn initial(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(int) => Value::Int(int),
        Err(_) if text == "nil" => Value::Nil,
        Err(_) => Value::text(text),
    }
}

fn show(judged: &Judged, many: bool) -> Result<(), Trouble> {
    let text = human(&judged.report, &HumanOptions { color: color(), report_path: None });
    match many {
        true => print(&format!("{}\n{text}", judged.shown)),
        false => print(&text),
    }
}

/// `verdict` and `checks` on top, then everything `verdicts.json` has.
fn to_json(judged: &Judged) -> Json {
    let verdicts = judged.report.guarantees.iter().map(|g| Verdict::named(&g.verdict));
    let verdict = Verdict::worst(verdicts).name();
    json!({
        "file": judged.shown,
        "verdict": verdict,
        "exit_code": judged.code as u8,
        "checks": judged.report.guarantees,
        "findings": judged.report.findings,
        "counts": judged.report.counts,
        "warnings": judged.report.warnings,
    })
}
