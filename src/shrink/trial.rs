//! One repetition of a run, with some of its faults: a process of its own, as any run is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use tribunal_history::codec::{self, Format, ReadOptions};
use tribunal_nemesis::Recorded;
use tribunal_results::store::{self, RunDir};

use crate::cli::Cli;
use crate::exit_code::{ExitCode, Trouble};
use crate::experiment::Experiment;
use crate::progress::Voice;
use crate::run::{self, Request};
use crate::suite::SuiteFile;

/// Repetitions that may fail for reasons of the cluster, one after the other.
const RETRIES: usize = 3;

/// A run to be repeated.
pub(super) struct Original {
    pub(super) dir: PathBuf,
    pub(super) experiment: Experiment,
    pub(super) schedule: Recorded,
    /// Kinds of what was found.
    pub(super) kinds: Vec<String>,
    /// The command that asks for it again.
    pub(super) repro: String,
}

/// What a repetition is told, as JSON.
#[derive(Serialize, Deserialize)]
struct Order {
    experiment: Experiment,
    seed: u64,
    out: PathBuf,
}

impl Original {
    /// The run of a directory.
    ///
    /// # Errors
    /// No run, or one without a failure, without its schedule, or that does not say what it was.
    pub(super) fn open(path: &Path) -> Result<Original, Trouble> {
        let dir = RunDir::open(path).map_err(Trouble::usage)?;
        let shown = dir.path().display().to_string();
        let complain = |problem: &str| Trouble::usage(format!("{shown}: {problem}"));
        let report = dir.load_verdicts().map_err(Trouble::usage)?;
        let (kinds, repro) = (report.kinds(), report.run.repro.clone());
        if kinds.is_empty() {
            return Err(complain("nothing was found in this run; there is nothing to repeat"));
        }
        let text = std::fs::read_to_string(dir.file(store::SCHEDULE));
        let text = text.map_err(|error| complain(&format!("{}: {error}", store::SCHEDULE)))?;
        let schedule = Recorded::parse(&text).map_err(|problem| complain(&problem))?;
        let mut log = std::fs::File::open(dir.file(store::HISTORY)).map_err(Trouble::usage)?;
        let read = codec::read_from(&mut log, Some(Format::Native), &ReadOptions::default());
        let read = read.map_err(|error| Trouble::usage(error.in_file(&shown)))?;
        let experiment = read.meta.as_deref().and_then(experiment_of);
        let Some(experiment) = experiment else {
            return Err(complain("its history does not say what was asked for"));
        };
        Ok(Original { dir: dir.path().to_path_buf(), experiment, schedule, kinds, repro })
    }

    /// Repeats the run with these of its windows, in a new directory. Whether one of the kinds that
    /// were found was found again.
    ///
    /// # Errors
    /// The program cannot be started, or the cluster failed again and again.
    pub(super) fn repeat(&self, windows: &[usize], seed: u64, out: &Path) -> Result<bool, Trouble> {
        let mut experiment = self.experiment.clone();
        experiment.faults.clear();
        experiment.expect_anomaly = false;
        experiment.schedule = Some(self.part(windows));
        let order = Order { experiment, seed, out: out.to_path_buf() };
        let order = serde_json::to_string(&order).map_err(Trouble::bug)?;
        let mut last = String::new();
        for _ in 0..RETRIES {
            let _ = std::fs::remove_dir_all(out);
            let program = std::env::current_exe().map_err(Trouble::infra)?;
            let ended = Command::new(program)
                .args(["--quiet", "again", &order])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .output()
                .map_err(|error| Trouble::infra(format!("start a repetition: {error}")))?;
            let code = ended.status.code().map(|code| ExitCode::of(code as u8));
            match code {
                Some(ExitCode::Anomaly) => return self.is_same(out),
                Some(ExitCode::Held | ExitCode::Unknown | ExitCode::Vacuous) => return Ok(false),
                Some(ExitCode::Infrastructure) => {}
                Some(ExitCode::Interrupted) | None => {
                    return Err(Trouble::infra("a repetition was interrupted"));
                }
                Some(code @ (ExitCode::Usage | ExitCode::Bug)) => {
                    let message = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
                    return Err(Trouble { code, message });
                }
            }
            last = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        }
        Err(Trouble::infra(format!("{RETRIES} repetitions failed in a row, the last one: {last}")))
    }

    fn is_same(&self, out: &Path) -> Result<bool, Trouble> {
        let dir = RunDir::open(out).map_err(Trouble::infra)?;
        let report = dir.load_verdicts().map_err(Trouble::infra)?;
        Ok(report.kinds().iter().any(|kind| self.kinds.contains(kind)))
    }

    /// The schedule with these windows alone.
    pub(super) fn part(&self, windows: &[usize]) -> Recorded {
        let part = windows.iter().map(|at| self.schedule.windows[*at].clone()).collect();
        Recorded::new(self.schedule.nodes, part)
    }
}

/// What a log says that was asked for.
fn experiment_of(meta: &str) -> Option<Experiment> {
    let mut meta: serde_json::Value = serde_json::from_str(meta).ok()?;
    serde_json::from_value(meta.get_mut("experiment")?.take()).ok()
}

/// `tribunal again`: a repetition, as it was ordered.
pub(crate) fn again(cli: &Cli, order: &str) -> Result<ExitCode, Trouble> {
    let Order { experiment, seed, out } = serde_json::from_str(order).map_err(Trouble::usage)?;
    let request = Request {
        experiment,
        suite: SuiteFile::default(),
        seed,
        runs_dir: cli.runs_dir.clone(),
        out: Some(out),
        repro: String::new(),
        voice: Voice::new(cli.quiet),
    };
    Ok(run::execute(&request)?.code)
}
