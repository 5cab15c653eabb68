//! Every fault against real servers: what was planned, brought about, measured and healed, and
//! where it can be had at all. The tables of docs/FAULTS.md.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::root;

/// Who bears them.
const TARGETS: [&str; 2] = ["raftkv", "etcd"];

/// Kinds of nodes that are asked what they can bear; a machine behind SSH says it of itself.
const PROVIDERS: [&str; 2] = ["local:1", "processes:1"];

/// Nodes enough for every shape.
const NODES: &str = "local:5";

const TIME: &str = "25s";

/// Edges that a fault which did all it should has, in this order.
const EDGES: [&str; 4] = ["injected", "verified", "healed", "heal-verified"];

/// Runs every fault on every target `seeds` times, and prints both tables.
pub(crate) fn run(tribunal: &Path, seeds: u64) -> Result<ExitCode> {
    providers(tribunal)?;
    println!("\n| fault | {} | command |", TARGETS.map(columns).join(" | "));
    println!("|---|{}---|", "---|---|".repeat(TARGETS.len()));
    let mut failed = false;
    for fault in faults(tribunal)? {
        let mut cells = Vec::new();
        for target in TARGETS {
            let mut sum = Outcome::default();
            for seed in 1..=seeds {
                let one = one(tribunal, target, &fault, seed)?;
                eprintln!("faults: {fault} on {target}, seed {seed}: {one:?}");
                sum.add(&one);
            }
            failed |= !sum.is_whole();
            cells.extend([sum.edges(), sum.codes()]);
        }
        let command = format!("tribunal run --target T --nemesis {fault} --nodes {NODES}");
        println!("| {fault} | {} | `{command}` |", cells.join(" | "));
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn columns(target: &str) -> String {
    format!("{target}: planned, {} | exit codes", EDGES.join(", "))
}

/// What came of runs of one fault.
#[derive(Debug, Default)]
struct Outcome {
    planned: usize,
    edges: [usize; EDGES.len()],
    codes: BTreeMap<i32, usize>,
}

impl Outcome {
    fn add(&mut self, other: &Outcome) {
        self.planned += other.planned;
        for (sum, more) in self.edges.iter_mut().zip(other.edges) {
            *sum += more;
        }
        for (code, count) in &other.codes {
            *self.codes.entry(*code).or_default() += count;
        }
    }

    /// Everything planned was brought about, measured, healed, and measured again; verdicts stand.
    fn is_whole(&self) -> bool {
        let all = self.planned > 0 && self.edges.iter().all(|count| *count == self.planned);
        all && self.codes.keys().all(|code| *code == 0)
    }

    fn edges(&self) -> String {
        let counts = self.edges.iter().map(|count| format!(", {count}"));
        format!("{}{}", self.planned, counts.collect::<String>())
    }

    fn codes(&self) -> String {
        let codes = self.codes.iter().map(|(code, count)| format!("{code}: {count}"));
        codes.collect::<Vec<_>>().join(", ")
    }
}

/// Each kind; of partitions, which differ in nothing else, each shape.
fn faults(tribunal: &Path) -> Result<Vec<String>> {
    let list = json(tribunal, &["list", "faults", "--json"])?;
    let list = list.as_array().context("a list of faults")?;
    let mut faults = Vec::new();
    for fault in list {
        let (name, shapes) = (text(fault, "name")?, text(fault, "says")?);
        match name {
            "partition" => faults.extend(shapes.split(", ").map(|it| format!("{name}:{it}"))),
            name => faults.push(name.to_owned()),
        }
    }
    Ok(faults)
}

fn one(tribunal: &Path, target: &str, fault: &str, seed: u64) -> Result<Outcome> {
    let dir = tempfile::tempdir().context("make a scratch directory")?;
    let out = dir.path().join("run");
    let status = Command::new(tribunal)
        .args(["run", "--quiet", "--target", target, "--workload", "register"])
        .args(["--nemesis", fault, "--nodes", NODES, "--time", TIME])
        .args(["--seed", &seed.to_string(), "--out"])
        .arg(&out)
        .current_dir(root())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("starting {}", tribunal.display()))?;
    let path = out.join("faults.jsonl");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{fault} on {target}: no {}", path.display()))?;
    let mut outcome = Outcome::default();
    *outcome.codes.entry(status.code().unwrap_or(-1)).or_default() += 1;
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).context("a line of the fault track")?;
        let edge = self::text(&event, "edge")?;
        outcome.planned += usize::from(edge == "planned");
        if let Some(at) = EDGES.iter().position(|known| *known == edge) {
            outcome.edges[at] += 1;
        }
    }
    Ok(outcome)
}

/// What each kind of node says when it is asked.
fn providers(tribunal: &Path) -> Result<()> {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut order = Vec::new();
    for provider in PROVIDERS {
        let nodes = json(tribunal, &["doctor", "--nodes", provider, "--json"])?;
        let families = nodes.pointer("/0/families").and_then(Value::as_array);
        for family in families.with_context(|| format!("doctor of {provider}: no families"))? {
            let name = text(family, "family")?.to_owned();
            let cell = match family.get("unavailable").and_then(Value::as_str) {
                Some(reason) => format!("no: {}", reason.replace('|', "/")),
                None => format!("works ({})", text(family, "mechanism")?),
            };
            if !order.contains(&name) {
                order.push(name.clone());
            }
            rows.entry(name).or_default().push(cell);
        }
    }
    println!("| family | {} |", PROVIDERS.join(" | "));
    println!("|---|{}", "---|".repeat(PROVIDERS.len()));
    for name in order {
        println!("| {name} | {} |", rows.remove(&name).unwrap_or_default().join(" | "));
    }
    Ok(())
}

/// What the program prints, whatever it ends with: 69 of `doctor` says that something is missing.
fn json(tribunal: &Path, args: &[&str]) -> Result<Value> {
    let output = Command::new(tribunal)
        .args(args)
        .current_dir(root())
        .output()
        .with_context(|| format!("starting {}", tribunal.display()))?;
    serde_json::from_slice(&output.stdout).or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("tribunal {}: {error}: {said}", args.join(" "))
    })
}

fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("no {key} in {value}"))
}
