//! Histories and runs, from the disk to an answered report: what a worker does.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use serde_json::{Value as Json, json};
use tribunal_checkers::Checker;
use tribunal_history::codec::{self, CodecError, Format, Read, ReadOptions};
use tribunal_history::{History, OpIndex};
use tribunal_results::store::{self, RunDir};
use tribunal_results::{Answer, LateReplies, RunInfo, Warning, assemble};
use tribunal_workloads::{Setting, registry};

use super::judge::{self, Limits};
use super::order::{Death, Job, Judged, Order, Place};
use super::worker::{Limited, at, limit};
use crate::cli::{CheckArgs, EngineArg, MEMORY_LIMIT, TIME_LIMIT};
use crate::exit_code::{ExitCode, Trouble};
use crate::flags;
use crate::output;
use crate::progress::aside;
use crate::report::write_page;
use crate::run::{quoted, write_artefacts};

/// The whole job.
pub(super) fn carry_out(order: &Order) -> Result<Judged, Trouble> {
    at(Place::Reading)?;
    match &order.job {
        Job::Check { args, input } => check(order, args, input),
        Job::Run { dir, wait } => run(order, dir, *wait),
    }
}

/// Judges one input of `tribunal check`.
fn check(order: &Order, args: &CheckArgs, input: &Path) -> Result<Judged, Trouble> {
    let shown = input.display().to_string();
    let cobra = flags::format(args)? == Some(Format::Cobra) || codec::is_cobra(input);
    let run = input.is_dir() && !cobra;
    let (path, mut info, living) = if run {
        let dir = RunDir::open(input).map_err(Trouble::usage)?;
        let living = dir.is_living();
        (history_of(&dir)?, dir.load_info().map_err(Trouble::usage)?, living)
    } else {
        (input.to_path_buf(), foreign(args, &shown), false)
    };
    let format = flags::format(args)?.or(run.then_some(Format::Native));
    let family = if run { None } else { flags::model(args)?.family };
    let of = ReadOptions { family, independent: args.independent, ..ReadOptions::default() };
    let read = read(&path, format, of, order.limits)?;
    info.environment.late_replies = LateReplies::count(&read.late);
    // Of a run that goes on everybody knows that its history has no end yet.
    for warning in read.warnings.iter().filter(|_| !living) {
        aside(format!("tribunal: {}: {warning}", path.display()));
    }
    let checkers = match run && args.model.is_none() {
        true => checkers_of_run(&info)?,
        false => {
            let dialect = flags::dialect(args, Some(&read))?;
            info.plan.options.insert("dialect".into(), dialect.name().into());
            flags::checkers(args, dialect)?
        }
    };
    let answers = ask(order, &read, living, &checkers, &mut info)?;
    stop_at_errors(&path, &answers)?;
    let orders = args.orders.as_ref().map(|file| write_orders(file, &read.history, &answers));
    at(Place::Report)?;
    let report = assemble(&info, &read.history, &answers);
    let page = args.report.as_ref().map(|page| match report_death(order) {
        None => write_page(page, &report, &read.history),
        Some(death) => {
            let words = format!("{} is not written: {}", page.display(), death.why);
            Err(Trouble::infra(words))
        }
    });
    let (page, unwritten) = match page {
        Some(Ok(page)) => (Some(page), None),
        Some(Err(trouble)) => (None, Some(trouble)),
        None => (None, None),
    };
    // The verdict stands, whatever could not be written beside it.
    let trouble = orders.and_then(Result::err).or(unwritten);
    let trouble = trouble.map(|it| (it.code as u8, it.message));
    Ok(Judged { shown, report, page, trouble })
}

/// Judges a stored run again and writes what is made of it.
fn run(order: &Order, dir: &Path, wait: bool) -> Result<Judged, Trouble> {
    let dir = RunDir::open(dir).map_err(Trouble::usage)?;
    let path = history_of(&dir)?;
    let mut info = dir.load_info().map_err(Trouble::usage)?;
    let read = read(&path, Some(Format::Native), ReadOptions::default(), order.limits)?;
    let checkers = checkers_of_run(&info)?;
    let living = !wait && dir.is_living();
    let answers = ask(order, &read, living, &checkers, &mut info)?;
    let warnings = info.environment.warnings;
    at(Place::Report)?;
    if wait {
        // Only that a line came matters; none comes from a program that ended, and neither do we.
        std::io::stdin().lock().read_line(&mut String::new()).map_err(Trouble::infra)?;
    }
    info = dir.load_info().map_err(Trouble::usage)?;
    info.environment.late_replies = LateReplies::count(&read.late);
    if wait {
        info.environment.duration_ns = read.history.end().0;
        dir.save_environment(&info.environment).map_err(Trouble::infra)?;
    }
    info.environment.warnings.extend(warnings.into_iter().filter(|w| w.code == INCOMPLETE));
    let page = report_death(order).is_none();
    let report = write_artefacts(&dir, &info, &read.history, &answers, page)?;
    let trouble = judge::trouble(&answers).map(|(code, words)| (code as u8, words));
    let shown = dir.path().display().to_string();
    Ok(Judged { shown, report, page: None, trouble })
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
    of: ReadOptions,
    limits: Limits,
) -> Result<Read, Trouble> {
    let options = ReadOptions { unpacked_bytes: Some(limits.bytes), ..of };
    read_file(path, format, &options)
}

/// A history file, or a directory of Cobra's logs; of what is neither, such as a pipe, everything
/// is read first.
pub(crate) fn read_file(
    path: &Path,
    format: Option<Format>,
    options: &ReadOptions,
) -> Result<Read, Trouble> {
    let shown = path.display();
    let no_file = |error: std::io::Error| {
        Trouble::usage(format!("read {shown}: {error}; name a history file or a run directory"))
    };
    let mut file = std::fs::File::open(path).map_err(no_file)?;
    let kind = file.metadata().map_err(no_file)?;
    let named = format == Some(Format::Cobra);
    let read = if kind.is_dir() && (named || format.is_none() && codec::is_cobra(path)) {
        codec::read_cobra(path)
    } else if kind.is_file() {
        codec::read_from(&mut file, format, options)
    } else {
        codec::read(&std::fs::read(path).map_err(no_file)?, format, options)
    };
    read.map_err(|error| {
        let next = match &error {
            CodecError::Io(_) | CodecError::Unsupported(_) => "",
            _ => "; docs/history-format.md says what a file may hold",
        };
        Trouble::usage(format!("{}{next}", error.in_file(&shown)))
    })
}

/// Code of the warning that part of a history is missing.
const INCOMPLETE: &str = "history-incomplete";

/// The answers, of which none may call a history valid that is known to be cut short.
fn ask(
    order: &Order,
    read: &Read,
    living: bool,
    checkers: &[Box<dyn Checker>],
    info: &mut RunInfo,
) -> Result<Vec<Answer>, Trouble> {
    limit(Limited::Judging(order.limits))?;
    let mut silent = Ok(());
    let mut before = |index, checker: &dyn Checker| {
        let place = Place::Checker { index, name: checker.name().to_string() };
        let died = order.deaths.iter().find(|death| death.place == place);
        if died.is_none() && silent.is_ok() {
            silent = at(place);
        }
        died.map(|death| death.why.clone())
    };
    let mut answers = judge::judge(&read.history, checkers, order.limits, &mut before);
    silent?;
    limit(Limited::Free)?;
    let missing = match (&read.torn, read.format, &read.ended) {
        _ if living => "the run is still going on".to_string(),
        (Some(torn), _, _) => torn.to_string(),
        (None, Format::Native, None) => "it has no end: the run was cut short".to_string(),
        (None, _, _) => return Ok(answers),
    };
    let reason = format!("the history is incomplete: {missing}");
    judge::doubt(&mut answers, &reason);
    info.environment.warnings.push(Warning { code: INCOMPLETE.into(), text: reason });
    Ok(answers)
}

/// Whether an earlier worker died of the report.
fn report_death(order: &Order) -> Option<&Death> {
    order.deaths.iter().find(|death| death.place == Place::Report)
}

/// A checker that could not judge ends the check, unless another has found an anomaly: that is
/// hidden by nothing.
fn stop_at_errors(path: &Path, answers: &[Answer]) -> Result<(), Trouble> {
    let trouble = match judge::trouble(answers) {
        None => return Ok(()),
        Some((ExitCode::Usage, words)) => Trouble::usage(format!("{}: {words}", path.display())),
        Some((code, message)) => Trouble { code, message },
    };
    if judge::any_invalid(answers) {
        aside(format!("tribunal: error: {trouble}"));
        return Ok(());
    }
    Err(trouble)
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
    flag("-c", args.consistency.as_ref());
    flag("--format", args.format.as_ref());
    flag("--init", Some(&args.init).filter(|init| *init != "nil"));
    flag("--dialect", args.dialect.as_ref());
    let engine = args.engine.to_possible_value().map(|engine| engine.get_name().to_owned());
    flag("--engine", engine.as_ref().filter(|_| args.engine != EngineArg::Auto));
    let independent = args.independent.map(|whether| whether.to_string());
    flag("--independent", independent.as_ref());
    args.options.iter().for_each(|option| flag("--option", Some(option)));
    flag("--time-limit", Some(&args.time_limit).filter(|limit| *limit != TIME_LIMIT));
    flag("--memory-limit", Some(&args.memory_limit).filter(|limit| *limit != MEMORY_LIMIT));
    words.extend(args.first.then(|| "--first".to_owned()));
    words.extend((!args.verify).then(|| "--verify=false".to_owned()));
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
    let written: io::Result<()> = output::write(file, |out| writeln!(out, "{text}"));
    written.map_err(|error| output::trouble(file, &error, ""))
}
