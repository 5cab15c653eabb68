//! Load and faults, healing, quiet, final reads: everything that makes history.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tribunal_harness::generator::{Gen, validate};
use tribunal_harness::node::NodeInfo;
use tribunal_harness::runner::{
    Connecting, Ended, LoadConfig, LoadOutcome, LoadParts, Progress, StopReason, StopSignal, Tap,
    run_load,
};
use tribunal_harness::seed::Seed;
use tribunal_harness::target::Target;
use tribunal_history::{FaultEvent, NodeId, Process};
use tribunal_nemesis::Ledger;
use tribunal_nemesis::driver::{self, Primaries, Scene, Summary};
use tribunal_results::{RunInfo, SelfNoise, Warning};

use super::Request;
use super::interrupt::Brakes;
use super::setup::Stage;
use super::survivors::Survivors;
use super::watch::{self, Onlooker};
use crate::progress::Voice;

/// What the phases said, beside what is in the history.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Why the experiment itself failed.
    pub(crate) failures: Vec<String>,
    /// Final reads were made on every node.
    pub(crate) final_reads: bool,
}

/// Phases 7 to 11. Never fails: what goes wrong is told, and what was recorded stays.
pub(crate) fn drive(request: &Request, stage: &Stage, brakes: &Brakes, info: &mut RunInfo) -> Told {
    let mut told = Told::default();
    let mut runner = Runner::new(request, stage);

    let main = main_phase(request, stage, brakes, &mut runner, &mut told, info);
    heal(stage, &main.faults, &mut told, info);
    let Survivors { dead, any } = Survivors::of(stage);
    told.failures.extend(dead);
    let goes_on = || !brakes.interrupted() && main.recorded && any;
    if goes_on() {
        quiet(request, stage, brakes);
    }
    if goes_on() {
        final_reads(request, stage, brakes, &mut runner, &mut told);
    }
    let reason = match (main.recorded, brakes.interrupted()) {
        (false, _) => "failed",
        (true, true) => "interrupted",
        (true, false) => "complete",
    };
    if let Err(error) = stage.recorder.end(reason) {
        told.failures.push(format!("history: {error}"));
    }
    if brakes.interrupted() {
        info.environment.stopped_early = Some("interrupted".into());
    }
    brakes.judging();
    told
}

struct Main {
    faults: Summary,
    recorded: bool,
}

/// Phase 7: clients and faults at the same time.
fn main_phase(
    request: &Request,
    stage: &Stage,
    brakes: &Brakes,
    runner: &mut Runner,
    told: &mut Told,
    info: &mut RunInfo,
) -> Main {
    mark(stage, "main");
    let generator = stage.workload.take_generator();
    let faults = stage.control.spawn(driver::run(
        scene(stage),
        stage.schedule.clone(),
        brakes.faults.subscribe(),
    ));
    let (live, bytes) = (request.experiment.live, request.experiment.check_memory);
    let checkers = &stage.workload.checkers;
    let looking = watch::look_on(live, checkers, bytes, brakes, &request.voice);
    let (tap, onlooker) = looking.unzip();
    let time = request.experiment.time;
    let outcome = runner.run(stage, Load { generator, stream: "gen", tap }, time, &brakes.load);
    brakes.faults.send_replace(true);
    if let Some(why) = onlooker.and_then(Onlooker::end) {
        note(stage, &format!("live check: {why}"));
    }
    let faults = stage.control.block_on(faults).unwrap_or_else(|panic| {
        told.failures.push(format!("the fault schedule panicked: {panic}"));
        Summary { unhealed: 1, ..Summary::default() }
    });
    match outcome {
        Ok(outcome) => {
            info.environment.self_noise = Some(noise(&outcome));
            let recorded = ended(&outcome, told, info);
            Main { faults, recorded }
        }
        Err(error) => {
            told.failures.push(error);
            Main { faults, recorded: false }
        }
    }
}

fn warn(info: &mut RunInfo, code: &str, text: String) {
    info.environment.warnings.push(Warning { code: code.into(), text });
}

/// Why the load ended, if not because its time was up; whether the history can still grow.
fn ended(outcome: &LoadOutcome, told: &mut Told, info: &mut RunInfo) -> bool {
    let mut warn = |code, text| warn(info, code, text);
    if outcome.suspended > Duration::from_secs(1) {
        let text = format!("the machine slept for {:?} during the run", outcome.suspended);
        told.failures.push(text);
    }
    if outcome.open > 0 {
        warn("workers-stuck", format!("{} operations never came back", outcome.open));
    }
    if outcome.late.turned_away > 0 {
        let count = outcome.late.turned_away;
        let why = "two for each client were waited for already";
        warn("late-replies", format!("{count} overdue replies were not waited for: {why}"));
    }
    match outcome.client_is_broken() {
        true => told.failures.push(format!("{} operations panicked in the client", outcome.panics)),
        false if outcome.panics > 0 => {
            warn("client-panics", format!("{} operations panicked in the client", outcome.panics));
        }
        false => {}
    }
    let failure = match &outcome.ended {
        Ended::TimeLimit | Ended::Done | Ended::Stopped(StopReason::Interrupt) => return true,
        Ended::Stopped(reason) => {
            let text = match reason {
                StopReason::Early(why) => format!("the load was ended early: {why}"),
                StopReason::FaultsDone => "the load ended with the fault schedule".to_owned(),
                StopReason::Interrupt => "interrupted".to_owned(),
            };
            warn("stopped", text);
            return true;
        }
        Ended::Stuck { path } => format!("the generator is stuck at {path}"),
        Ended::BadOffer(what) | Ended::ClientBug(what) => what.clone(),
        Ended::History(error) => {
            told.failures.push(format!("history: {error}"));
            return false;
        }
    };
    told.failures.push(failure);
    true
}

/// Phase 8: every node is asked to undo whatever may still be in force.
fn heal(stage: &Stage, faults: &Summary, told: &mut Told, info: &mut RunInfo) {
    mark(stage, "heal");
    for (node, result) in stage.control.block_on(stage.cluster.heal_all(stage.deadlines.heal)) {
        match result {
            Ok(undone) if undone.is_empty() => {}
            Ok(undone) => note(stage, &format!("{node}: healed late: {}", undone.join(", "))),
            Err(error) => told.failures.push(format!("heal {node}: {error}; its lease ends it")),
        }
    }
    if faults.unhealed > 0 {
        let text = format!(
            "{} faults could not be seen to end in time; each node's lease ends them",
            faults.unhealed
        );
        note(stage, &text);
        warn(info, "unhealed", text);
    }
}

/// Phase 9: the cluster comes to rest.
fn quiet(request: &Request, stage: &Stage, brakes: &Brakes) {
    mark(stage, "quiet");
    request.voice.now("quiet");
    let rest = async {
        let patience = stage.deadlines.setup;
        let ready = stage.target.ready(&stage.infos);
        if let Ok(Err(problem)) = tokio::time::timeout(patience, ready).await {
            note(stage, &format!("after healing: {problem}"));
        }
        tokio::time::sleep(request.experiment.quiet).await;
    };
    stage.control.block_on(async {
        tokio::select! {
            () = rest => {}
            () = brakes.rest.stopped() => {}
        }
    });
}

/// Phase 10: every touched object is read on every node.
fn final_reads(
    request: &Request,
    stage: &Stage,
    brakes: &Brakes,
    runner: &mut Runner,
    told: &mut Told,
) {
    mark(stage, "final-reads");
    request.voice.now("final reads");
    let load = Load { generator: stage.workload.take_final(), stream: "final", tap: None };
    let limit = stage.deadlines.final_reads;
    match runner.run(stage, load, limit, &brakes.rest) {
        Ok(outcome) => {
            told.final_reads = matches!(outcome.ended, Ended::Done);
            if told.final_reads {
                mark(stage, "final-reads-complete");
            } else {
                note(stage, "final reads did not complete on every node in time");
            }
        }
        Err(error) => told.failures.push(error),
    }
}

/// What one load needs beside the stage.
struct Load {
    generator: Gen,
    /// Name of its random stream.
    stream: &'static str,
    tap: Option<Tap>,
}

/// Runs loads one after the other; processes are never used twice.
struct Runner {
    config: LoadConfig,
    progress: Arc<Progress>,
    seed: Seed,
    voice: Voice,
}

impl Runner {
    fn new(request: &Request, stage: &Stage) -> Runner {
        let nodes = stage.infos.len() as u16;
        let config = LoadConfig {
            op_timeout: request.experiment.op_timeout,
            late_grace: request.experiment.late_grace,
            ..LoadConfig::new(stage.concurrency as u32, nodes)
        };
        Runner {
            config,
            progress: Arc::new(Progress::new()),
            seed: Seed(request.seed),
            voice: request.voice.clone(),
        }
    }

    /// One load on a thread of its own, inside the cluster's network.
    fn run(
        &mut self,
        stage: &Stage,
        load: Load,
        limit: Duration,
        stop: &StopSignal,
    ) -> Result<LoadOutcome, String> {
        let Load { generator, stream, tap } = load;
        let mut generator = if cfg!(debug_assertions) { validate(generator) } else { generator };
        generator.bind(&self.seed.root().child(stream));
        let config = LoadConfig { time_limit: Some(limit), ..self.config.clone() };
        let parts = LoadParts {
            generator,
            connect: connector(stage),
            recorder: stage.recorder.clone(),
            stop: stop.clone(),
            progress: Arc::clone(&self.progress),
            tap,
        };
        let network = stage.cluster.network();
        let load = std::thread::Builder::new().name("load".into()).spawn(move || {
            network.enter().map_err(|error| error.to_string())?;
            run_load(config, parts).map_err(|error| error.to_string())
        });
        let load = load.map_err(|error| format!("start the load's thread: {error}"))?;
        let (start, mut shown) = (Instant::now(), Instant::now());
        while !load.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
            if shown.elapsed() >= self.voice.period() {
                shown = Instant::now();
                self.voice.status(line(&self.progress, start.elapsed(), limit));
            }
        }
        let outcome = load.join().map_err(|_| "the load panicked; see stderr".to_string())??;
        self.config.first_process = outcome.next_process;
        Ok(outcome)
    }
}

/// The live line.
fn line(progress: &Progress, elapsed: Duration, limit: Duration) -> String {
    let now = progress.snapshot();
    let left = limit.saturating_sub(elapsed).as_secs();
    format!(
        "{:>4.0} s  {} ok · {} info · {} fail · {} open   p50 {:.1} ms · p99 {:.1} ms   {left} s left",
        elapsed.as_secs_f64(),
        now.ok,
        now.info,
        now.fail,
        now.open,
        now.p50.0 as f64 / 1e6,
        now.p99.0 as f64 / 1e6,
    )
}

/// Opens clients of the target, each pinned to one node.
fn connector(stage: &Stage) -> Arc<dyn tribunal_harness::runner::Connect> {
    let (target, nodes) = (Arc::clone(&stage.target), Arc::clone(&stage.infos));
    Arc::new(move |node: NodeId, _process: Process| -> Connecting<'static> {
        let (target, nodes) = (Arc::clone(&target), Arc::clone(&nodes));
        Box::pin(async move { target.connect(&nodes[usize::from(node.0)]).await })
    })
}

/// What the fault schedule acts through.
fn scene(stage: &Stage) -> Scene {
    let recorder = stage.recorder.clone();
    let sink = move |event: FaultEvent, durable: bool| {
        recorder.fault(&event, durable).map_err(std::io::Error::other)
    };
    Scene {
        cluster: Arc::clone(&stage.cluster),
        primaries: Arc::new(Leaders {
            target: Arc::clone(&stage.target),
            nodes: Arc::clone(&stage.infos),
        }),
        ledger: Ledger::new(stage.recorder.clock(), &stage.cluster, Arc::new(sink)),
    }
}

/// Asks the target who leads.
struct Leaders {
    target: Arc<dyn Target>,
    nodes: Arc<Vec<NodeInfo>>,
}

#[async_trait]
impl Primaries for Leaders {
    async fn primaries(&self) -> Vec<NodeId> {
        self.target.primaries(&self.nodes).await
    }
}

/// The figure every report carries: how long decisions waited before they were sent.
fn noise(outcome: &LoadOutcome) -> SelfNoise {
    let delay = outcome.noise.dispatch_to_send;
    SelfNoise {
        samples: delay.count,
        p50_ns: delay.p50_ns,
        p99_ns: delay.p99_ns,
        max_ns: delay.max_ns,
    }
}

/// A mark that cannot be written is told by the next phase that writes.
fn mark(stage: &Stage, name: &str) {
    if let Err(error) = stage.recorder.mark(name) {
        tracing::error!("history: mark {name}: {error}");
    }
}

fn note(stage: &Stage, text: &str) {
    if let Err(error) = stage.recorder.note(text) {
        tracing::error!("history: note {text:?}: {error}");
    }
}
