//! From nothing to a cluster that serves: nodes, agents, claims, target. Whatever fails here names
//! the node, the step and what to do, and leaves no node behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::Digest;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tribunal_agent::protocol::Body;
use tribunal_checkers::Checker;
use tribunal_harness::clock::Clock;
use tribunal_harness::cluster::{
    AgentError, Claim, Cluster, ClusterError, Node, Provider, UpOptions,
};
use tribunal_harness::control::HostKeyMode;
use tribunal_harness::deadlines::Deadlines;
use tribunal_harness::generator::Gen;
use tribunal_harness::node::NodeInfo;
use tribunal_harness::runner::Recorder;
use tribunal_harness::target::Target;
use tribunal_history::codec::native::LogHeader;
use tribunal_nemesis::Recorded;
use tribunal_nemesis::schedule::{self, Planned};
use tribunal_results::RunInfo;
use tribunal_results::store::{self, RunDir};
use tribunal_workloads::registry as workloads;

use super::assume::Expected;
use super::interrupt::{self, Brakes};
use super::place::state;
use super::{Request, setting};
use crate::exit_code::Trouble;
use crate::experiment::{Experiment, written};
use crate::plan;
use crate::suite::SuiteFile;

/// Patience for emptying a data directory.
const RESET: Duration = Duration::from_secs(20);

/// Nodes that a plan assumes where they can only be counted by asking them.
const NOMINAL_NODES: usize = 5;

/// Tries of installing and starting the target.
const TRIES: u32 = 3;

type Final = Box<dyn FnOnce() -> Gen + Send>;

/// A workload, whose generators are taken one after the other.
pub(crate) struct Loads {
    main: Mutex<Option<Gen>>,
    last: Mutex<Option<Final>>,
    pub(crate) checkers: Arc<Vec<Box<dyn Checker>>>,
}

/// Everything a run acts through.
pub(crate) struct Stage {
    pub(crate) control: Runtime,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) infos: Arc<Vec<NodeInfo>>,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) workload: Loads,
    pub(crate) schedule: Vec<Planned>,
    pub(crate) recorder: Recorder,
    pub(crate) deadlines: Deadlines,
    pub(crate) concurrency: usize,
}

impl Loads {
    /// The load. Asked for once.
    pub(crate) fn take_generator(&self) -> Gen {
        let taken = self.main.lock().expect("no panic while it is locked").take();
        taken.expect("the load is run once")
    }

    /// The final reads, now that it is known what was touched. Asked for once.
    pub(crate) fn take_final(&self) -> Gen {
        let taken = self.last.lock().expect("no panic while it is locked").take();
        taken.expect("final reads are made once")()
    }
}

/// What can be known to be wrong before anything is made: a run that cannot begin leaves no
/// directory, and `latest` stays where it was. How many nodes there will be, as far as it is known
/// without asking them.
pub(crate) fn sound(
    experiment: &Experiment,
    suite: &SuiteFile,
    seed: u64,
) -> Result<usize, Trouble> {
    let tables = &suite.suite;
    build_target(experiment)
        .map_err(|trouble| suite.blame(trouble, &tables.target.named(experiment)))?;
    let cluster = &tables.cluster;
    let provider = experiment.nodes.parse().map_err(trouble);
    let provider: Provider = provider
        .map_err(|trouble| suite.blame_value(trouble, &cluster.nodes, &experiment.nodes))?;
    let keys = &experiment.host_keys;
    host_keys(keys).map_err(|trouble| suite.blame_value(trouble, &cluster.host_keys, keys))?;
    let known = match provider {
        Provider::Local(nodes) | Provider::Processes(nodes) => Some(nodes),
        Provider::Hosts(ref hosts) => Some(hosts.split(',').count()),
        // How many there are is known when they are asked.
        Provider::Inventory(_) | Provider::SshConfig(_) | Provider::Vagrant => None,
    };
    let nodes = known.unwrap_or(NOMINAL_NODES);
    let blame = |trouble| suite.blame(trouble, &tables.workload.named(experiment));
    let entry = workloads::find(&experiment.workload)
        .ok_or_else(|| unknown("workload", &experiment.workload, "workloads"))
        .map_err(blame)?;
    let clients = tables.load.concurrency.as_ref();
    let clients = clients.filter(|key| key.get_ref().to_string() == experiment.concurrency);
    let clients = clients.map(|key| ("concurrency", Some(key.span().start)));
    let nominal =
        setting(experiment, nodes).map_err(|trouble| suite.blame(trouble, clients.as_slice()))?;
    (entry.build)(&nominal).map_err(|problem| blame(Trouble::usage(problem)))?;
    if known.is_none() && experiment.schedule.is_some() {
        return Ok(nodes);
    }
    plan::faults(experiment, seed, nodes).map_err(|trouble| {
        let time = tables.load.time.iter().map(|time| ("windows", Some(time.span().start)));
        let words: Vec<_> = written(experiment, suite).into_iter().chain(time).collect();
        suite.blame(trouble, &words)
    })?;
    Ok(nodes)
}

/// Phases 0 to 6.
pub(super) fn set_up(
    request: &Request,
    dir: &RunDir,
    brakes: &Brakes,
    info: &mut RunInfo,
) -> Result<Stage, Trouble> {
    let experiment = &request.experiment;
    let deadlines = Deadlines::default();
    let target = build_target(experiment)?;
    let entry = workloads::find(&experiment.workload)
        .ok_or_else(|| unknown("workload", &experiment.workload, "workloads"))?;
    let provider: Provider = experiment.nodes.parse().map_err(trouble)?;
    request.voice.now(format!("bringing up {}", experiment.nodes));
    let mut options = UpOptions::new(state(dir)).map_err(trouble)?;
    options.host_keys = host_keys(&experiment.host_keys)?;
    // A helper program that has no group of its own yet dies of the interrupt.
    let cluster = Cluster::up(&provider, &options).map_err(|error| match brakes.interrupted() {
        true => interrupt::before_it_began(),
        false => trouble(error),
    })?;
    // What is awaited on this thread opens its sockets here.
    cluster.enter_network().map_err(trouble)?;
    let infos: Vec<NodeInfo> = cluster.nodes.iter().map(|node| node.info.clone()).collect();
    let setting = setting(experiment, infos.len())?;
    let workload = (entry.build)(&setting).map_err(Trouble::usage)?;
    speaks(target.as_ref(), &workload)?;
    let clients = setting.concurrency;
    let (load, seed) = (&workload.generator, request.seed);
    let expected = Expected::of(load, seed, clients, infos.len(), experiment.time);
    let schedule = plan::faults(experiment, request.seed, infos.len())?;
    describe(request, dir, info, target.as_ref(), &infos, &schedule, setting.concurrency);
    dir.save_plan(&info.plan).map_err(Trouble::infra)?;
    let kept = Recorded::new(infos.len(), schedule.clone());
    dir.write(store::SCHEDULE, kept.text().as_bytes()).map_err(Trouble::infra)?;
    let recorder = record(request, dir, info)?;
    let cluster = Arc::new(cluster);
    let stage = Stage {
        control: control_runtime(&cluster)?,
        cluster,
        infos: Arc::new(infos),
        target,
        workload: Loads {
            main: Mutex::new(Some(workload.generator)),
            last: Mutex::new(Some(workload.final_generator)),
            checkers: Arc::new(workload.checkers),
        },
        schedule,
        recorder,
        deadlines,
        concurrency: setting.concurrency,
    };
    let prepared = stage.control.block_on(async {
        tokio::select! {
            prepared = stage.prepare(request, info, &expected) => prepared,
            () = brakes.rest.stopped() => Err(interrupt::before_it_began()),
        }
    });
    match prepared {
        Ok(()) => Ok(stage),
        Err(trouble) => {
            for problem in stage.tear_down() {
                request.voice.say(format!("teardown: {problem}"));
            }
            Err(trouble)
        }
    }
}

/// How host keys are checked; `None` leaves it to the inventory.
pub(crate) fn host_keys(text: &str) -> Result<Option<HostKeyMode>, Trouble> {
    match text {
        "" => Ok(None),
        text => match text.parse() {
            Ok(mode) => Ok(Some(mode)),
            Err(problem) => Err(Trouble::usage(format!("host keys {text:?}: {problem}"))),
        },
    }
}

fn build_target(experiment: &Experiment) -> Result<Arc<dyn Target>, Trouble> {
    let entry = tribunal_targets::registry::find(&experiment.target)
        .ok_or_else(|| unknown("target", &experiment.target, "targets"))?;
    let mut options = experiment.target_options.clone();
    if !experiment.bugs.is_empty() {
        options.insert("bug".into(), experiment.bugs.join(","));
    }
    (entry.build)(&options).map_err(Trouble::usage)
}

fn unknown(what: &str, name: &str, list: &str) -> Trouble {
    Trouble::usage(format!("no {what} is called {name:?}; see `tribunal list {list}`"))
}

fn speaks(target: &dyn Target, workload: &tribunal_workloads::Workload) -> Result<(), Trouble> {
    let spoken = target.vocabulary().families;
    match workload.needs.families.iter().find(|family| !spoken.contains(family)) {
        None => Ok(()),
        Some(family) => Err(Trouble::usage(format!(
            "workload {} needs operations of family {}, which target {} does not speak",
            workload.name,
            family.name(),
            target.name()
        ))),
    }
}

/// A cluster's complaint, with its exit code.
pub(crate) fn trouble(error: ClusterError) -> Trouble {
    if error.is_usage() { Trouble::usage(error) } else { Trouble::infra(error) }
}

/// What was asked for and what runs, for the record.
fn describe(
    request: &Request,
    dir: &RunDir,
    info: &mut RunInfo,
    target: &dyn Target,
    infos: &[NodeInfo],
    schedule: &[Planned],
    concurrency: usize,
) {
    let experiment = &request.experiment;
    let plan = &mut info.plan;
    plan.id = dir.id();
    plan.seed = request.seed;
    plan.suite = experiment.name.clone();
    plan.suite_text = request.suite.text.clone();
    plan.expect_anomaly = experiment.expect_anomaly;
    plan.provider = experiment.nodes.clone();
    plan.nodes = infos
        .iter()
        .map(|node| tribunal_results::NodeInfo {
            name: node.name.clone(),
            address: node.address.to_string(),
        })
        .collect();
    plan.target = experiment.target.clone();
    plan.options = experiment.target_options.clone();
    if !experiment.bugs.is_empty() {
        plan.options.insert("bug".into(), experiment.bugs.join(","));
    }
    plan.workload = experiment.workload.clone();
    for (key, value) in &experiment.workload_options {
        plan.options.insert(format!("workload.{key}"), value.clone());
    }
    plan.concurrency = concurrency as u32;
    plan.faults = schedule.iter().map(plan::sentence).collect();
    plan.repro = request.repro.clone();
    let environment = &mut info.environment;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    environment.started_utc = store::utc(now);
    environment.target = target.describe();
    environment.versions = BTreeMap::from([
        ("tribunal".to_string(), env!("CARGO_PKG_VERSION").to_string()),
        ("kernel".to_string(), kernel()),
    ]);
}

fn kernel() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_string()
}

fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_string()
}

/// The history begins: from here on nothing that was recorded is lost.
fn record(request: &Request, dir: &RunDir, info: &RunInfo) -> Result<Recorder, Trouble> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let header =
        LogHeader { run_id: dir.id(), wall_start_ns: wall.as_nanos() as u64, boot_id: boot_id() };
    let path = dir.file(store::HISTORY);
    let recorder =
        Recorder::create(Path::new(&path), &header, Clock::start()).map_err(Trouble::infra)?;
    let meta = serde_json::json!({
        "experiment": request.experiment,
        "plan": info.plan,
        "environment": info.environment,
    });
    recorder.meta(&meta.to_string()).map_err(Trouble::infra)?;
    Ok(recorder)
}

/// A runtime whose threads live in the cluster's network.
fn control_runtime(cluster: &Arc<Cluster>) -> Result<Runtime, Trouble> {
    let network = cluster.network();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .on_thread_start(move || {
            if let Err(error) = network.enter() {
                tracing::error!("{error}");
            }
        })
        .enable_all()
        .build()
        .map_err(|error| Trouble::infra(format!("start the control runtime: {error}")))
}

impl Stage {
    /// Claims the nodes, checks that the faults are possible, starts the target, and shows what
    /// the run takes for granted.
    async fn prepare(
        &self,
        request: &Request,
        info: &mut RunInfo,
        expected: &Expected,
    ) -> Result<(), Trouble> {
        let voice = &request.voice;
        voice.now("claiming nodes");
        let claim = Claim {
            run: claim_name(&info.plan.id),
            controller: format!("run {} (pid {})", info.plan.id, std::process::id()),
            lease: schedule::LEASE,
            force: false,
        };
        let healed = self.cluster.claim(&claim, self.deadlines.claim).await.map_err(trouble)?;
        for (node, found) in healed.iter().filter(|(_, found)| !found.is_empty()) {
            voice.say(format!("{node}: left by an earlier run and healed: {}", found.join(", ")));
        }
        self.possible(request).await?;
        let mut tries = 0;
        loop {
            tries += 1;
            voice.now(format!("starting {}", self.target.name()));
            match self.serve().await {
                Ok(()) => break,
                Err(problem) if tries < TRIES => voice.say(format!("{problem}; trying again")),
                Err(problem) => return Err(Trouble::infra(problem)),
            }
        }
        info.environment.target = self.target.describe();
        for answer in self.cluster.ask_all(|_| Body::Sealed, self.deadlines.request).await {
            answer.map_err(Trouble::infra)?;
        }
        voice.now("checking assumptions");
        let patience = self.deadlines.assumptions;
        expected.hold(&self.target, &self.infos, patience).await.map_err(Trouble::infra)
    }

    /// Installs and starts the target on every node and waits until it serves.
    async fn serve(&self) -> Result<(), String> {
        let setup = self.deadlines.setup;
        let mut installs = JoinSet::new();
        for node in self.cluster.nodes.clone() {
            let (target, all) = (Arc::clone(&self.target), Arc::clone(&self.infos));
            let cluster = Arc::clone(&self.cluster);
            installs.spawn(async move { start_on(&cluster, &node, target.as_ref(), &all).await });
        }
        let started = async {
            while let Some(done) = installs.join_next().await {
                done.map_err(|panic| panic.to_string())??;
            }
            self.target.ready(&self.infos).await.map_err(|error| error.to_string())
        };
        match tokio::time::timeout(setup, started).await {
            Ok(result) => result,
            Err(_) => Err(format!("{} did not serve within {setup:?}", self.target.name())),
        }
    }

    /// Logs of every daemon into the run directory; what could not be had, in words.
    pub(crate) fn collect_logs(
        &self,
        dir: &RunDir,
    ) -> impl Future<Output = Vec<String>> + Send + 'static {
        let (cluster, target) = (Arc::clone(&self.cluster), Arc::clone(&self.target));
        let (all, patience) = (Arc::clone(&self.infos), self.deadlines.logs);
        let folders: Vec<_> = all.iter().map(|node| dir.logs(&node.name)).collect();
        async move {
            let mut problems = Vec::new();
            let fetching = async {
                for (node, folder) in cluster.nodes.iter().zip(folders) {
                    let folder = match folder {
                        Ok(folder) => folder,
                        Err(error) => {
                            problems.push(error.to_string());
                            continue;
                        }
                    };
                    for daemon in target.daemons(&node.info, &all) {
                        let name = format!("{}.log", daemon.spec.name);
                        let fetched = node.fetch_file(&daemon.spec.log, &folder.join(name)).await;
                        problems.extend(fetched.err().map(|error| error.to_string()));
                    }
                }
            };
            let late = tokio::time::timeout(patience, fetching).await.is_err();
            if late {
                problems.push(format!("logs: not all collected within {patience:?}"));
            }
            problems
        }
    }

    /// Stops the target, releases the nodes, ends the cluster. What went wrong, in words.
    pub(crate) fn tear_down(self) -> Vec<String> {
        let patience = self.deadlines.teardown;
        // Tasks that still hold the cluster end with their runtime.
        self.control.shutdown_timeout(Duration::from_secs(2));
        match Arc::try_unwrap(self.cluster) {
            Ok(cluster) => cluster.close(patience),
            Err(_held) => vec!["a task still holds the cluster; it ends with this program".into()],
        }
    }
}

/// Names what belongs to a run on a node: 8 hex digits.
fn claim_name(run: &str) -> String {
    let digest = sha2::Sha256::digest(run.as_bytes());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Installs and starts what the target wants on one node, from an empty state.
async fn start_on(
    cluster: &Cluster,
    node: &Node,
    target: &dyn Target,
    all: &[NodeInfo],
) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let daemons = target.daemons(&node.info, all);
    for daemon in &daemons {
        match node.stop(&daemon.spec.name, Duration::from_millis(500)).await {
            Err(AgentError::Refused { failure_code, .. }) if failure_code == "not-found" => {}
            stopped => stopped.map_err(|error| words(&error))?,
        }
        for dir in &daemon.data {
            node.call(Body::Reset { dir: dir.clone() }, RESET).await.map_err(|e| words(&e))?;
        }
    }
    target.install(node).await.map_err(|error| words(&error))?;
    for daemon in &daemons {
        let patience = Duration::from_secs(20);
        cluster.start_daemon(node, daemon, patience).await.map_err(|error| words(&error))?;
    }
    Ok(())
}
