//! The command line as types; no behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

/// Puts distributed databases on trial.
///
/// Drives concurrent clients against a real cluster, breaks it in planned ways, records every
/// operation, and decides from the record alone which promises were kept.
///
/// Results go to stdout, progress to stderr. A seed reproduces what is asked and what is broken,
/// not what the cluster does.
///
/// Exit codes: 0 held, 1 anomaly, 2 unknown, 3 nothing was tested, 64 usage, 69 infrastructure,
/// 70 bug, 130 interrupted: twice, or where there was nothing to judge yet.
#[derive(Debug, Parser)]
#[command(name = "tribunal", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Only the result: no progress on stderr.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// More on stderr; repeat for more.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Where run directories are made.
    #[arg(
        long,
        global = true,
        env = "TRIBUNAL_RUNS_DIR",
        default_value = "runs",
        value_name = "DIR"
    )]
    pub(crate) runs_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a suite, judge it, and write its report.
    Run(RunArgs),
    /// Print the operations and faults a seed will produce; touches no network.
    Plan(RunArgs),
    /// Judge a stored history or run directory again.
    Check(CheckArgs),
    /// Write a history in another format, and say what that cannot hold.
    Convert(ConvertArgs),
    /// Write the report of a run directory again.
    Report {
        /// The run directory or its name below --runs-dir; `latest` for the newest. Also a moment
        /// in it, as reports print them.
        run: PathBuf,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// What there is: targets, workloads, faults, checkers, models, formats, suites, runs.
    List {
        /// Which list; everything but runs without one.
        what: Option<ListWhat>,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Remove every fault any run left on the nodes. Safe at any time, twice too.
    Heal(HealArgs),
    /// What each node can do, and what to install where it cannot.
    Doctor(NodesArgs),
    /// Quickstart on the best kind of nodes this machine allows.
    Demo(DemoArgs),
    /// Repeat a run that failed with faults left out, until those are left that it needs to fail.
    Shrink(ShrinkArgs),
    /// Bring up local nodes that stay (a lab); prints the inventory to give to --nodes.
    Up(UpArgs),
    /// Take a lab down.
    Down {
        /// The inventory that `up` printed.
        inventory: PathBuf,
    },
    /// The process that holds a lab's nodes.
    #[command(hide = true)]
    Keep {
        /// Where the lab lives.
        dir: PathBuf,
        /// Number of nodes.
        nodes: usize,
    },
    /// One repetition of a run.
    #[command(hide = true)]
    Again {
        /// As JSON.
        order: String,
    },
    /// The process that judges.
    #[command(hide = true)]
    Work {
        /// As JSON.
        order: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListWhat {
    Targets,
    Workloads,
    Faults,
    Checkers,
    Models,
    Formats,
    Suites,
    Runs,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArgs {
    /// A suite (TOML). Without one, flags suffice.
    pub(crate) suite: Option<PathBuf>,

    /// System under test.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,

    /// What the clients do.
    #[arg(long, value_name = "NAME")]
    pub(crate) workload: Option<String>,

    /// Faults: `partition,kill,pause`, each with shapes if wanted (`partition:bridge+one-way`); or
    /// `none`.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub(crate) nemesis: Option<Vec<String>>,

    /// Faults as an earlier run had them, instead of the suite's: its directory, or its
    /// schedule.json, whole or with windows taken out.
    #[arg(long, value_name = "RUN", conflicts_with = "nemesis")]
    pub(crate) schedule: Option<PathBuf>,

    /// Let faults take down more nodes than a cluster can lose and still answer.
    #[arg(long)]
    pub(crate) beyond_quorum: bool,

    /// Where the nodes come from: `local:5`, `processes:3`, an inventory file, `vagrant`, or
    /// `host1,host2`.
    #[arg(long, value_name = "NODES")]
    pub(crate) nodes: Option<String>,

    /// Length of the load.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) time: Option<String>,

    /// Clients: a number, or a multiple of the nodes (`2n`).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) concurrency: Option<String>,

    /// Operations per second over all clients.
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub(crate) rate: Option<f64>,

    /// Where everything random comes from; drawn and printed when not given.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,

    /// Plant a defect in one of the project's own servers; suites/negative has the faults that each
    /// needs to be seen.
    #[arg(long, value_name = "NAME")]
    pub(crate) bug: Vec<String>,

    /// An option of the target.
    #[arg(long = "option", short = 'o', value_name = "K=V")]
    pub(crate) options: Vec<String>,

    /// An option of the workload.
    #[arg(long = "workload-option", short = 'w', value_name = "K=V")]
    pub(crate) workload_options: Vec<String>,

    /// Directory of this run, new or empty, instead of a new one below --runs-dir.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Afterwards delete older runs that passed, beyond this many of the newest. Runs that did not
    /// pass stay.
    #[arg(long, value_name = "N", env = "TRIBUNAL_KEEP", allow_negative_numbers = true)]
    pub(crate) keep: Option<usize>,

    /// Succeed iff an anomaly is found.
    #[arg(long)]
    pub(crate) expect_anomaly: bool,

    /// Judge while the load runs: `off`, `report` (say a violation at once), `stop` (and end the
    /// load). The whole history is judged afterwards in every case.
    #[arg(long, value_name = "MODE")]
    pub(crate) live: Option<String>,

    /// How host keys are checked: `strict`, `tofu` (trust on first use), `insecure`.
    #[arg(long, value_name = "MODE")]
    pub(crate) host_keys: Option<String>,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which algorithms may decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(crate) enum EngineArg {
    /// A near-linear one where the model has one, else the search.
    Auto,
    /// The search, with the refutations that need none.
    Search,
    /// The search alone.
    Bare,
}

/// Time that one input of `check` may take, when nobody says.
pub(crate) const TIME_LIMIT: &str = "60s";

/// Memory that one input of `check` may take, when nobody says.
pub(crate) const MEMORY_LIMIT: &str = "4GiB";

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(crate) struct CheckArgs {
    /// Histories, also packed with zstd or gzip, or run directories.
    #[arg(required = true, value_name = "FILE|RUN")]
    pub(crate) inputs: Vec<PathBuf>,

    /// What the objects are: `register`, `set`, `mutex`, see `list models`. A run directory names
    /// its own.
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: Option<String>,

    /// A setting of the model, such as `permits=3` of a semaphore.
    #[arg(long = "option", short = 'o', value_name = "K=V")]
    pub(crate) options: Vec<String>,

    /// Consistency level; the strongest that the model can be judged for when not given.
    #[arg(long, short = 'c', value_name = "LEVEL")]
    pub(crate) consistency: Option<String>,

    /// Format of the file; found from its content when not given.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,

    /// Whether every value of EDN or Jepsen's JSON is a pair of key and value; found from the file
    /// when not given.
    #[arg(long, value_name = "BOOL")]
    pub(crate) independent: Option<bool>,

    /// Initial value of every object that has one: an integer, a text, or `nil`.
    #[arg(long, value_name = "V", default_value = "nil", allow_hyphen_values = true)]
    pub(crate) init: String,

    /// What a read of nil and a failed compare-and-set mean: `tribunal`, `etcd`, `knossos`. Found
    /// from the format when not given.
    #[arg(long, value_name = "DIALECT")]
    pub(crate) dialect: Option<String>,

    /// Which algorithms may decide.
    #[arg(long, value_enum, value_name = "ENGINE", default_value = "auto")]
    pub(crate) engine: EngineArg,

    /// Stop at the first bad key, instead of naming every one.
    #[arg(long)]
    pub(crate) first: bool,

    /// Replay the orders that prove keys linearizable; `--verify=false` spares the time.
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub(crate) verify: bool,

    /// Write the orders that prove keys linearizable to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) orders: Option<PathBuf>,

    /// Give up after this long: the verdict is then unknown.
    #[arg(long, value_name = "DURATION", default_value = TIME_LIMIT)]
    pub(crate) time_limit: String,

    /// Give up beyond this much memory: the verdict is then unknown.
    #[arg(long, value_name = "SIZE", default_value = MEMORY_LIMIT)]
    pub(crate) memory_limit: String,

    /// Write the report as a page too: one file, with a picture of every finding. Takes one input.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ConvertArgs {
    /// A history, also packed with zstd or gzip.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,

    /// Where to. The ending says the format: .jsonl, .edn, .log.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,

    /// Format of the input; found from its content when not given. See `list formats`.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) from: Option<String>,

    /// Format of the output, whatever its ending.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NodesArgs {
    /// The nodes, as for `run`.
    #[arg(long, value_name = "NODES", default_value = "local:3")]
    pub(crate) nodes: String,

    /// How host keys are checked: `strict`, `tofu`, `insecure`.
    #[arg(long, value_name = "MODE")]
    pub(crate) host_keys: Option<String>,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HealArgs {
    #[command(flatten)]
    pub(crate) nodes: NodesArgs,

    /// Also while another controller's lease lives.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// The run directory or its name below --runs-dir; `latest` for the newest.
    pub(crate) run: PathBuf,

    /// How often a run must fail for its faults to count as enough, at least.
    #[arg(long, value_name = "RATE", default_value_t = 0.5, allow_negative_numbers = true)]
    pub(crate) rate: f64,

    /// Most repetitions with the same faults; where they do not tell, these do not count as enough.
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub(crate) tries: u64,

    /// Repetitions with the faults that are left, to tell how often it fails with them.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) confirm: u64,

    /// Where the seeds of the repetitions come from; drawn when not given.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,

    /// Directory of the repetitions and of the schedule that is left, instead of `shrunk` in that
    /// of the run.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Kind of nodes, instead of the best this machine allows.
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,

    /// Plant a defect to see one found.
    #[arg(long, value_name = "NAME")]
    pub(crate) bug: Vec<String>,

    /// Where everything random comes from.
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,

    /// Length of the load.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) time: Option<String>,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct UpArgs {
    /// `local:N`.
    #[arg(long, value_name = "NODES", default_value = "local:5")]
    pub(crate) nodes: String,

    /// Where the lab lives.
    #[arg(long, value_name = "DIR", default_value = "runs/lab")]
    pub(crate) dir: PathBuf,
}
