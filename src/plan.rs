//! `tribunal plan`: what a seed will do. No network, no privileges, the same bytes each time.

use std::fmt::Write;

use serde_json::json;
use tribunal_harness::generator::{Plan, plan as plan_operations};
use tribunal_harness::nemesis::ClusterView;
use tribunal_harness::seed::Seed;
use tribunal_history::Nanos;
use tribunal_nemesis::schedule::{self, Planned};
use tribunal_workloads::registry;

use crate::cli::RunArgs;
use crate::exit_code::{ExitCode, Trouble};
use crate::experiment::Experiment;
use crate::run::{self, print};
use crate::suite::SuiteFile;

/// The subcommand.
pub(crate) fn plan(args: &RunArgs) -> Result<ExitCode, Trouble> {
    let file = match &args.suite {
        Some(path) => SuiteFile::read(path)?,
        None => SuiteFile::default(),
    };
    let experiment = Experiment::resolve(args, &file)?;
    let seed = args.seed.unwrap_or_else(run::fresh_seed);
    let nodes = run::sound(&experiment, &file, seed)?;
    let windows = faults(&experiment, seed, nodes)?;
    let operations = operations(&experiment, seed, nodes)?;
    let text = match args.json {
        true => to_json(&experiment, seed, nodes, &windows, &operations)?,
        false => to_text(&experiment, seed, nodes, &windows, &operations),
    };
    print(&text)?;
    Ok(ExitCode::Held)
}

/// The fault schedule: the one that is given, or a function of experiment, seed and number of
/// nodes.
pub(crate) fn faults(
    experiment: &Experiment,
    seed: u64,
    nodes: usize,
) -> Result<Vec<Planned>, Trouble> {
    let stream = Seed(seed).root().child("nemesis");
    let guard = experiment.guard(nodes);
    let view = ClusterView { nodes };
    if let Some(recorded) = &experiment.schedule {
        let windows = recorded.windows(guard, &view, experiment.time);
        return windows.map_err(|problem| Trouble::usage(format!("--schedule: {problem}")));
    }
    schedule::plan(&experiment.faults, guard, &view, &stream, experiment.time)
        .map_err(Trouble::usage)
}

/// The operations the generator offers when every one is answered at once. What a cluster answers
/// changes which operations follow; the draws stay the same.
fn operations(experiment: &Experiment, seed: u64, nodes: usize) -> Result<Plan, Trouble> {
    let entry = registry::find(&experiment.workload).ok_or_else(|| {
        let known: Vec<&str> = registry::WORKLOADS.iter().map(|entry| entry.name).collect();
        Trouble::usage(format!(
            "no workload is called {:?}; there are {}",
            experiment.workload,
            known.join(", ")
        ))
    })?;
    let setting = run::setting(experiment, nodes)?;
    let workload = (entry.build)(&setting).map_err(Trouble::usage)?;
    let limit = Some(Nanos(experiment.time.as_nanos() as u64));
    let clients = setting.concurrency as u32;
    Ok(plan_operations(&workload.generator, Seed(seed), clients, nodes as u16, limit))
}

fn to_json(
    experiment: &Experiment,
    seed: u64,
    nodes: usize,
    windows: &[Planned],
    plan: &Plan,
) -> Result<String, Trouble> {
    let operations: Vec<_> = plan
        .ops
        .iter()
        .map(|op| {
            json!({
                "at_ns": op.at.0,
                "process": op.process.0,
                "node": op.node.to_string(),
                "op": op.op.to_string(),
            })
        })
        .collect();
    let value = json!({
        "schema": "tribunal.plan",
        "seed": seed,
        "nodes": nodes,
        "experiment": experiment,
        "faults": windows,
        "operations_cut": plan.is_cut(),
        "operations": operations,
    });
    serde_json::to_string_pretty(&value).map_err(Trouble::bug)
}

fn to_text(
    experiment: &Experiment,
    seed: u64,
    nodes: usize,
    windows: &[Planned],
    plan: &Plan,
) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}");
    };
    line(format_args!(
        "{} · {} · {} nodes · {} s · seed {seed}",
        experiment.target,
        experiment.workload,
        nodes,
        experiment.time.as_secs_f64()
    ));
    line(format_args!("faults"));
    for window in windows {
        line(format_args!("  {}", sentence(window)));
    }
    let cut = if plan.is_cut() { cut(plan) } else { String::new() };
    line(format_args!("operations if every one is answered at once: {}{cut}", plan.ops.len()));
    for op in &plan.ops {
        line(format_args!(
            "  {:>12.6} s  {} on {}  {}",
            op.at.as_secs_f64(),
            op.process,
            op.node,
            op.op
        ));
    }
    if plan.is_cut() {
        line(format_args!("  ... and more: the plan is cut here, the run is not"));
    }
    text
}

/// What is missing of a plan that was cut.
fn cut(plan: &Plan) -> String {
    let last = plan.ops.last().map_or(0.0, |op| op.at.as_secs_f64());
    format!(" and more: cut after {last:.3} s, the most that a plan holds")
}

/// One window, for people.
pub(crate) fn sentence(window: &Planned) -> String {
    let it = &window.injection;
    let whom: Vec<String> = it.targets.iter().map(ToString::to_string).collect();
    let cuts: Vec<String> = it.cuts.iter().map(|(from, to)| format!("{from}->{to}")).collect();
    let whom = match (whom.is_empty(), cuts.is_empty()) {
        (false, _) => whom.join(" "),
        (true, false) => cuts.join(" "),
        (true, true) => "decided when it happens".into(),
    };
    let refused =
        window.refused.as_ref().map(|why| format!("  refused: {why}")).unwrap_or_default();
    format!(
        "F{} {:>7.3}-{:.3} s  {} {}  {whom}{refused}",
        it.id,
        it.at.as_secs_f64(),
        (it.at + it.hold).as_secs_f64(),
        it.kind,
        it.shape,
    )
}
