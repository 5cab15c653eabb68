//! `tribunal run`: from a suite to a verdict. One function per phase, in the order of
//! docs/ARCHITECTURE.md: nothing that fails later loses what came before.

mod assume;
mod finish;
mod interrupt;
mod load;
mod place;
mod possible;
mod setup;
mod survivors;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tribunal_results::store::{Keep, RunDir, Runs};
use tribunal_results::{RunInfo, RunReport};
use tribunal_workloads::Setting;

use crate::cli::{Cli, RunArgs};
use crate::exit_code::{ExitCode, Trouble, told};
use crate::experiment::Experiment;
use crate::progress::Voice;
use crate::suite::SuiteFile;

use interrupt::{Brakes, Leftovers};

pub(crate) use finish::{color, of_report, print, show, write_artefacts};
pub(crate) use interrupt::{ignores_hangup, leave_without, wait_if_leaving};
pub(crate) use setup::{host_keys, sound, trouble};

/// A run before it begins.
pub(crate) struct Request {
    pub(crate) experiment: Experiment,
    pub(crate) suite: SuiteFile,
    pub(crate) seed: u64,
    pub(crate) runs_dir: PathBuf,
    pub(crate) out: Option<PathBuf>,
    /// The line that asks for the same run again.
    pub(crate) repro: String,
    pub(crate) voice: Voice,
}

/// A run that was judged.
pub(crate) struct Finished {
    pub(crate) dir: RunDir,
    pub(crate) report: RunReport,
    pub(crate) code: ExitCode,
}

/// The subcommand.
pub(crate) fn run(cli: &Cli, args: &RunArgs) -> Result<ExitCode, Trouble> {
    let file = match &args.suite {
        Some(path) => SuiteFile::read(path)?,
        None => SuiteFile::default(),
    };
    let experiment = Experiment::resolve(args, &file)?;
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let request = Request {
        repro: repro(args, &experiment, seed),
        experiment,
        suite: file,
        seed,
        runs_dir: cli.runs_dir.clone(),
        out: args.out.clone(),
        voice: Voice::new(cli.quiet),
    };
    let finished = execute(&request)?;
    let mut code = told(finished.code, show(&finished, args.json));
    if let (Some(newest), None) = (args.keep, &args.out) {
        code = told(code, retain(&request, &finished, newest));
    }
    Ok(code)
}

/// Deletes older runs that passed.
fn retain(request: &Request, finished: &Finished, newest: usize) -> Result<(), Trouble> {
    let keep = Keep { newest, failures: true };
    let runs = Runs::at(&request.runs_dir);
    for gone in runs.prune(&keep, Some(&finished.dir.id())).map_err(Trouble::infra)? {
        request.voice.say(format!("deleted {gone}"));
    }
    Ok(())
}

/// Carries a run out, from set-up to report.
pub(crate) fn execute(request: &Request) -> Result<Finished, Trouble> {
    let voice = &request.voice;
    let (brakes, left) = (Brakes::new(), Arc::new(Mutex::new(Leftovers::default())));
    interrupt::watch(brakes.clone(), voice.clone(), Arc::clone(&left));
    voice.say(format!(
        "seed {} · {} on {} · {} · {} s",
        request.seed,
        request.experiment.target,
        request.experiment.nodes,
        request.experiment.workload,
        request.experiment.time.as_secs_f64(),
    ));
    setup::sound(&request.experiment, &request.suite, request.seed)?;
    place::sweep(request);
    let (dir, _held) = place::directory(request, &left)?;
    let mut info = RunInfo::default();
    let stage = match setup::set_up(request, &dir, &brakes, &mut info) {
        Ok(stage) => stage,
        Err(trouble) => {
            voice.end();
            place::forget(request, &dir);
            return Err(trouble);
        }
    };
    if request.out.is_none() {
        Runs::at(&request.runs_dir).begin(&dir).map_err(Trouble::infra)?;
    }
    brakes.loading();
    let told = load::drive(request, &stage, &brakes, &mut info);
    let finished = finish::judge_and_report(request, &stage, dir, info, told);
    voice.now("taking the cluster down");
    let problems = stage.tear_down();
    voice.end();
    for problem in problems {
        voice.say(format!("teardown: {problem}"));
    }
    finished
}

/// What a workload may know.
pub(crate) fn setting(experiment: &Experiment, nodes: usize) -> Result<Setting, Trouble> {
    Ok(Setting {
        nodes,
        concurrency: experiment.clients(nodes)?,
        rate: experiment.rate,
        options: experiment.workload_options.clone(),
    })
}

/// A seed nobody chose. The only number that does not descend from the seed.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 32
}

/// The command that asks for the same run: the suite and every flag that was given.
fn repro(args: &RunArgs, experiment: &Experiment, seed: u64) -> String {
    let mut words = vec![program(), "run".into()];
    words.extend(args.suite.as_ref().map(|suite| suite.display().to_string()));
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.push(format!("--{name}"));
            words.push(value);
        }
    };
    flag("target", args.target.clone());
    flag("workload", args.workload.clone());
    flag("nemesis", args.nemesis.as_ref().map(|kinds| kinds.join(",")));
    flag("schedule", args.schedule.as_ref().map(|path| path.display().to_string()));
    flag("nodes", Some(experiment.nodes.clone()));
    flag("time", args.time.clone());
    flag("concurrency", args.concurrency.clone());
    flag("rate", args.rate.map(|rate| rate.to_string()));
    for bug in &args.bug {
        flag("bug", Some(bug.clone()));
    }
    for option in &args.options {
        flag("option", Some(option.clone()));
    }
    for option in &args.workload_options {
        flag("workload-option", Some(option.clone()));
    }
    flag("live", args.live.clone());
    flag("host-keys", args.host_keys.clone());
    flag("seed", Some(seed.to_string()));
    let switches =
        [("--beyond-quorum", args.beyond_quorum), ("--expect-anomaly", args.expect_anomaly)];
    words.extend(switches.iter().filter(|(_, set)| *set).map(|(name, _)| name.to_string()));
    quoted(words)
}

/// How this program is called from here: by name if a shell finds it by name, else by its path.
pub(crate) fn program() -> String {
    let name = "tribunal";
    let Ok(here) = std::env::current_exe() else { return name.into() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_some_and(|found| found.canonicalize().is_ok_and(|found| found == here)) {
        return name.into();
    }
    let below = std::env::current_dir().ok();
    let below = below.and_then(|dir| here.strip_prefix(dir).ok().map(Path::to_path_buf));
    match below {
        // A bare name would be looked for on the PATH.
        Some(path) if path.components().count() == 1 => format!("./{}", path.display()),
        Some(path) => path.display().to_string(),
        None => here.display().to_string(),
    }
}

/// A command line that a shell reads as these words.
pub(crate) fn quoted(words: Vec<String>) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+".contains(c);
    let quote = |word: String| match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}
