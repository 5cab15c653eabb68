//! `tribunal check`: judges stored histories, ours or foreign, and run directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tribunal_checkers::linearizable::{Dialect, Engines, Options, Which};
use tribunal_checkers::registry::{self as checkers, Parameters};
use tribunal_checkers::{Checker, Consistency, Verdict};
use tribunal_history::codec::{self, CodecError, Format, Read, ReadOptions};
use tribunal_history::{Family, History, OpIndex, Value};
use tribunal_results::store::{self, RunDir};
use tribunal_results::{Answer, HumanOptions, RunInfo, RunReport, Warning, assemble, human};
use tribunal_workloads::{Setting, registry};

use crate::cli::{CheckArgs, EngineArg};
use crate::exit_code::{ExitCode, Trouble};
use crate::judge::{self, Limits};
use crate::report::{named, write_page};
use crate::run::{color, of_report, print, quoted};
use crate::units;

/// One judged input.
struct Judged {
    shown: String,
    report: RunReport,
    code: ExitCode,
    /// Where its page is, if one was written.
    page: Option<String>,
}

/// The subcommand: every input is judged, whatever became of its neighbours.
pub(crate) fn check(args: &CheckArgs, runs_dir: &Path) -> Result<ExitCode, Trouble> {
    let limits = Limits {
        time: units::duration(&args.time_limit)
            .map_err(|problem| Trouble::usage(format!("--time-limit: {problem}")))?,
        bytes: units::bytes(&args.memory_limit)
            .map_err(|problem| Trouble::usage(format!("--memory-limit: {problem}")))?,
    };
    // A wrong flag is wrong for every input: it is said once, before anything is read.
    format(args)?;
    checkers(args, dialect(args, None)?)?;
    if args.orders.is_some() && args.inputs.len() > 1 {
        return Err(Trouble::usage("--orders takes one input: orders are of one history"));
    }
    if args.report.is_some() && args.inputs.len() > 1 {
        return Err(Trouble::usage("--report takes one input: a page is about one history"));
    }
    let mut code = None::<ExitCode>;
    let mut results = Vec::new();
    for input in &args.inputs {
        let one = match judge_one(args, &named(input, runs_dir).path, limits) {
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
    let (path, mut info) = if run {
        let dir = RunDir::open(input).map_err(Trouble::usage)?;
        (history_of(&dir)?, dir.load_info().map_err(Trouble::usage)?)
    } else {
        (input.to_path_buf(), foreign(args, &shown))
    };
    let format = format(args)?.or(run.then_some(Format::Native));
    let family = if run { None } else { model(args)?.family };
    let read = read(&path, format, family, limits)?;
    for warning in &read.warnings {
        eprintln!("tribunal: {}: {warning}", path.display());
    }
    let checkers = match run && args.model.is_none() {
        true => checkers_of_run(&info)?,
        false => {
            let dialect = dialect(args, Some(&read))?;
            info.plan.options.insert("dialect".into(), dialect.name().into());
            checkers(args, dialect)?
        }
    };
    let answers = judge_read(&read, &checkers, limits, &mut info);
    stop_at_errors(&path, &answers)?;
    if let Some(file) = &args.orders {
        write_orders(file, &read.history, &answers)?;
    }
    let mut judged = judged(shown, &info, &read.history, &answers);
    if let Some(page) = &args.report {
        judged.page = write_page(page, &judged.report, &read.history);
    }
    Ok(judged)
}

/// A stored run, judged as it was when it was made.
pub(crate) fn judge_run(dir: &RunDir) -> Result<(RunInfo, History, Vec<Answer>), Trouble> {
    let path = history_of(dir)?;
    let mut info = dir.load_info().map_err(Trouble::usage)?;
    let limits = Limits { time: Duration::from_secs(120), bytes: 4 << 30 };
    let read = read(&path, Some(Format::Native), None, limits)?;
    let checkers = checkers_of_run(&info)?;
    let answers = judge_read(&read, &checkers, limits, &mut info);
    stop_at_errors(&path, &answers)?;
    Ok((info, read.history, answers))
}

/// Where the history of a run is, if the directory is one.
fn history_of(dir: &RunDir) -> Result<PathBuf, Trouble> {
    let path = dir.file(store::HISTORY);
    match path.is_file() {
        true => Ok(path),
        false => Err(Trouble::usage(format!(
            "{} is not a run: it has no {}; name a history file, or a run of `tribunal list runs`",
            dir.path().display(),
            store::HISTORY
        ))),
    }
}

fn read(
    path: &Path,
    format: Option<Format>,
    family: Option<Family>,
    limits: Limits,
) -> Result<Read, Trouble> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Trouble::usage(format!("read {shown}: {error}; name a history file or a run directory"))
    })?;
    let unpacked_bytes = Some(limits.bytes);
    let options = ReadOptions { family, unpacked_bytes, ..ReadOptions::default() };
    codec::read(&bytes, format, &options).map_err(|error| {
        Trouble::usage(match error {
            CodecError::Text { line, column, message } => {
                format!("{shown}:{line}:{column}: {message}")
            }
            CodecError::Events { line, source } => format!("{shown}:{line}: {source}"),
            CodecError::Unsupported(_)
            | CodecError::Packed(_)
            | CodecError::Native { .. }
            | CodecError::NativeEvents { .. }
            | CodecError::RecordTooLong { .. }
            | CodecError::FrameTooLong { .. }
            | CodecError::Io(_) => format!("{shown}: {error}"),
        })
    })
}

/// The answers, of which none may call a history valid that is known to be cut short.
fn judge_read(
    read: &Read,
    checkers: &[Box<dyn Checker>],
    limits: Limits,
    info: &mut RunInfo,
) -> Vec<Answer> {
    let mut answers = judge::judge(&read.history, checkers, limits);
    let missing = match (&read.torn, read.format, &read.ended) {
        (Some(torn), _, _) => torn.to_string(),
        (None, Format::Native, None) => "it has no end: the run was cut short".to_string(),
        (None, _, _) => return answers,
    };
    let reason = format!("the history is incomplete: {missing}");
    judge::doubt(&mut answers, &reason);
    info.environment.warnings.push(Warning { code: "history-incomplete".into(), text: reason });
    answers
}

/// A checker that could not judge ends the check, unless another has found an anomaly: that is
/// hidden by nothing.
fn stop_at_errors(path: &Path, answers: &[Answer]) -> Result<(), Trouble> {
    let trouble = match judge::internal_error(answers) {
        Some(error) => Trouble::bug(error),
        None => match answers.iter().find_map(|(_, answer)| answer.as_ref().err()) {
            Some(error) => Trouble::usage(format!("{}: {error}", path.display())),
            None => return Ok(()),
        },
    };
    if judge::any_invalid(answers) {
        eprintln!("tribunal: error: {trouble}");
        return Ok(());
    }
    Err(trouble)
}

fn judged(shown: String, info: &RunInfo, history: &History, answers: &[Answer]) -> Judged {
    let report = assemble(info, history, answers);
    let code = of_report(&report);
    Judged { shown, report, code, page: None }
}

/// What is known about a history that is not one of our runs.
fn foreign(args: &CheckArgs, shown: &str) -> RunInfo {
    let mut info = RunInfo::default();
    info.plan.id = shown.to_string();
    let mut words = vec!["tribunal".to_string(), "check".into(), shown.to_string()];
    let mut flag = |name: &str, value: Option<&String>| {
        words.extend(value.into_iter().flat_map(|value| [name.to_string(), value.clone()]));
    };
    flag("-m", args.model.as_ref());
    flag("--format", args.format.as_ref());
    flag("--init", Some(&args.init).filter(|init| *init != "nil"));
    flag("--dialect", args.dialect.as_ref());
    args.options.iter().for_each(|option| flag("--option", Some(option)));
    info.plan.repro = quoted(words);
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

/// What answers mean: as the flag says, or as those mean it who write such files.
fn dialect(args: &CheckArgs, read: Option<&Read>) -> Result<Dialect, Trouble> {
    match (&args.dialect, read) {
        (Some(name), _) => Dialect::named(name).ok_or_else(|| {
            let known: Vec<&str> = Dialect::NAMED.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            Trouble::usage(format!("--dialect {name:?} is not known; there are {known}"))
        }),
        (None, Some(Read { jepsen: true, .. })) => Ok(Dialect::KNOSSOS),
        (None, Some(Read { format: Format::Porcupine, .. })) => Ok(Dialect::ETCD),
        (None, Some(_) | None) => Ok(Dialect::TRIBUNAL),
    }
}

/// The checker the flags ask for.
fn checkers(args: &CheckArgs, dialect: Dialect) -> Result<Vec<Box<dyn Checker>>, Trouble> {
    let level = Consistency::named(&args.consistency).ok_or_else(|| {
        let known = Consistency::ALL.map(Consistency::name).join(", ");
        Trouble::usage(format!("-c {:?} is not a level; there are {known}", args.consistency))
    })?;
    let parameters = Parameters {
        dialect,
        initial: initial(&args.init),
        level: Some(level),
        options: options(args),
        settings: settings(args)?,
    };
    Ok(vec![model(args)?.build(&parameters).map_err(Trouble::usage)?])
}

/// The model the flags ask for.
fn model(args: &CheckArgs) -> Result<&'static checkers::Entry, Trouble> {
    let name = args.model.as_deref().unwrap_or("cas-register");
    checkers::MODELS.iter().find(|model| model.name == name).ok_or_else(|| {
        let known: Vec<&str> = checkers::MODELS.iter().map(|model| model.name).collect();
        let known = known.join(", ");
        Trouble::usage(format!("-m {name:?} is not a model; there are {known}"))
    })
}

fn options(args: &CheckArgs) -> Options {
    let which = if args.first { Which::First } else { Which::All };
    let engines = match args.engine {
        EngineArg::Auto => Engines::Auto,
        EngineArg::Search => Engines::Search,
    };
    let (verify, orders) = (args.verify, args.orders.is_some());
    Options { which, verify, engines, orders, ..Options::default() }
}

fn settings(args: &CheckArgs) -> Result<BTreeMap<String, String>, Trouble> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Trouble::usage(format!("--option {text:?} is not NAME=VALUE"))),
    };
    args.options.iter().map(pair).collect()
}

/// The orders that prove keys linearizable: positions of operations in the history, ranks of their
/// invocations and completions, who, and what.
fn write_orders(file: &Path, history: &History, answers: &[Answer]) -> Result<(), Trouble> {
    let one = |index: &OpIndex| {
        let operation = history.operation(*index);
        json!({
            "operation": index.0,
            "call": operation.call().0,
            "ret": operation.ret().map(|ret| ret.0),
            "process": operation.process().0,
            "text": operation.op().to_string(),
        })
    };
    let reports = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    let orders: Vec<Json> = reports
        .flat_map(|report| &report.linearizations)
        .map(|proof| {
            let order: Vec<Json> = proof.order.iter().map(one).collect();
            json!({ "subject": proof.subject, "order": order })
        })
        .collect();
    let text = serde_json::to_string(&orders).map_err(Trouble::bug)?;
    std::fs::write(file, text + "\n")
        .map_err(|error| Trouble::usage(format!("write {}: {error}", file.display())))
}

fn initial(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(int) => Value::Int(int),
        Err(_) if text == "nil" => Value::Nil,
        Err(_) => Value::text(text),
    }
}

fn show(judged: &Judged, many: bool) -> Result<(), Trouble> {
    let report_path = judged.page.clone();
    let text = human(&judged.report, &HumanOptions { color: color(), report_path });
    // The text of a run does not name its directory; that of a file names the file.
    match many && !judged.report.run.target.is_empty() {
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
        "dialect": judged.report.options.get("dialect"),
        "checks": judged.report.guarantees,
        "findings": judged.report.findings,
        "counts": judged.report.counts,
        "warnings": judged.report.warnings,
    })
}
