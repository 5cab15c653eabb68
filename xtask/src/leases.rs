//! The lease storm: controllers are killed during faults, and nodes are looked at from outside.
//!
//! Nothing here asks our agent. A node is clean when the kernel says so: no table of ours, no
//! process in state T, its daemon runs, every peer answers a fresh connection, and the rules that
//! somebody else had put there are the same bytes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::outside::{self, Node, Seen};
use crate::steps::root;

/// Labs at once: a kill is mostly waiting, and a lab of three nodes takes little of a core.
const LABS: u64 = 4;

/// The lease, and what the specification grants beyond it.
const LEASE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(2);

/// Longest wait for a run to have a fault in force.
const PATIENCE: Duration = Duration::from_secs(90);

/// Every so many kills take the agent of one node along.
const AGENT_TOO: u64 = 4;

/// Faults that begin at once, overlap, and leave few moments without one.
const SUITE: &str = r#"schema = 1
name = "leases"
[target]
name = "raftkv"
[load]
concurrency = "1n"
rate = 50
time = "60s"
op_timeout = "2s"
[check]
beyond_quorum = true
[workload]
name = "register"
[[fault]]
kind = "partition"
shapes = ["halves", "majority-minority", "one-way", "flapping"]
hold = "2s..5s"
recover = "100ms..500ms"
[[fault]]
kind = "kill"
shapes = ["one"]
hold = "1s..3s"
recover = "200ms..1s"
[[fault]]
kind = "pause"
shapes = ["one"]
hold = "1s..3s"
recover = "200ms..1s"
"#;

/// What one kill left.
struct Outcome {
    agent_too: bool,
    /// What was in force when the signal was sent.
    cut: bool,
    paused: bool,
    down: bool,
    healed_after: Option<Duration>,
    /// In words, per node; empty is what is wanted.
    leftovers: Vec<String>,
}

/// Kills `kills` controllers and prints a Markdown table.
pub(crate) fn run(tribunal: &Path, kills: u64) -> Result<ExitCode> {
    let dir = std::env::temp_dir().join(format!("tribunal-leases-{}", std::process::id()));
    fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    fs::write(dir.join("leases.toml"), SUITE)?;
    let workers: Vec<_> = (0..LABS.min(kills))
        .map(|worker| {
            let (tribunal, dir) = (tribunal.to_path_buf(), dir.clone());
            thread::spawn(move || storm(&tribunal, &dir, worker, kills))
        })
        .collect();
    let mut outcomes = Vec::new();
    let mut trouble = Vec::new();
    for worker in workers {
        match worker.join() {
            Ok(Ok(more)) => outcomes.extend(more),
            Ok(Err(error)) => trouble.push(format!("{error:#}")),
            Err(_) => trouble.push("a worker panicked".into()),
        }
    }
    println!(
        "| killed | kills | cut, paused, daemon down at the kill | left behind, or late | \
         slowest heal s | median s |"
    );
    println!("|---|---|---|---|---|---|");
    let leftovers =
        row("controller", &outcomes, false) + row("controller and agent", &outcomes, true);
    for line in &trouble {
        eprintln!("leases: {line}");
    }
    if !trouble.is_empty() || leftovers > 0 {
        eprintln!("leases: kept {}", dir.display());
        return Ok(ExitCode::FAILURE);
    }
    fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// One line of the table; the leftovers in it.
fn row(name: &str, outcomes: &[Outcome], agent_too: bool) -> usize {
    let mine: Vec<&Outcome> = outcomes.iter().filter(|one| one.agent_too == agent_too).collect();
    let count = |what: fn(&Outcome) -> bool| mine.iter().filter(|one| what(one)).count();
    let leftovers: usize = mine.iter().map(|one| one.leftovers.len()).sum();
    let mut times: Vec<f64> =
        mine.iter().filter_map(|one| Some(one.healed_after?.as_secs_f64())).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "| {name} | {} | {}, {}, {} | {leftovers} | {:.1} | {:.1} |",
        mine.len(),
        count(|one| one.cut),
        count(|one| one.paused),
        count(|one| one.down),
        times.last().copied().unwrap_or(f64::NAN),
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN),
    );
    leftovers
}

/// The kills of one lab. The lab goes whatever happens.
fn storm(tribunal: &Path, dir: &Path, worker: u64, kills: u64) -> Result<Vec<Outcome>> {
    let lab = Lab::up(tribunal, &dir.join(format!("lab{worker}")))?;
    let foreign = lab.plant_foreign_rules()?;
    let mut outcomes = Vec::new();
    for kill in (1..=kills).filter(|kill| kill % LABS == worker) {
        let outcome = lab.kill_once(dir, kill).with_context(|| format!("kill {kill}"))?;
        eprintln!(
            "leases: kill {kill}{}: {}",
            if outcome.agent_too { " (agent too)" } else { "" },
            match outcome.healed_after {
                Some(after) => format!("healed after {:.1} s", after.as_secs_f64()),
                None => format!("NOT healed: {}", outcome.leftovers.join("; ")),
            },
        );
        outcomes.push(outcome);
    }
    for (node, before) in lab.nodes.iter().zip(&foreign) {
        let after = outside::foreign_rules(node)?;
        if after != *before {
            bail!("{}: foreign rules were\n{before}\nand are\n{after}", node.name);
        }
    }
    Ok(outcomes)
}

/// Nodes that outlive controllers.
struct Lab {
    tribunal: PathBuf,
    inventory: PathBuf,
    nodes: Vec<Node>,
}

impl Lab {
    fn up(tribunal: &Path, dir: &Path) -> Result<Lab> {
        let status = Command::new(tribunal)
            .args(["up", "--nodes", "local:3", "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("starting {}", tribunal.display()))?;
        if !status.success() {
            bail!("tribunal up: {status}");
        }
        let inventory = dir.join("inventory.toml");
        let mut lab = Lab { tribunal: tribunal.into(), inventory, nodes: Vec::new() };
        lab.nodes = outside::nodes_of(&lab.inventory)?;
        Ok(lab)
    }

    /// Rules of somebody else: sets, counters that have counted, two families.
    fn plant_foreign_rules(&self) -> Result<Vec<String>> {
        self.nodes
            .iter()
            .map(|node| {
                outside::plant(node)?;
                outside::foreign_rules(node)
            })
            .collect()
    }

    fn kill_once(&self, dir: &Path, kill: u64) -> Result<Outcome> {
        let out = dir.join(format!("run{kill}"));
        let mut controller = Controller::start(self, dir, &out, kill)?;
        let waited = self.await_fault(&mut controller, &out);
        waited?;
        thread::sleep(Duration::from_millis(random(kill) % 4_000));
        let before = self.look(false)?;
        let agent_too = kill % AGENT_TOO == AGENT_TOO - 1;
        if agent_too {
            outside::kill_agent(&self.nodes[(random(kill + 1_000) % 3) as usize])?;
        }
        controller.kill()?;
        let killed = Instant::now();
        let healed_after = self.await_clean(killed)?;
        thread::sleep((LEASE + GRACE).saturating_sub(killed.elapsed()));
        let after = self.look(true)?;
        let mut leftovers = self
            .nodes
            .iter()
            .zip(&after)
            .filter_map(|(node, seen)| Some(format!("{}: {}", node.name, seen.trouble()?)))
            .collect::<Vec<_>>();
        if healed_after.is_none() && leftovers.is_empty() {
            leftovers.push(format!("clean, but not seen so within {:?}", LEASE + GRACE));
        }
        let healed_after = healed_after.filter(|_| leftovers.is_empty());
        if leftovers.is_empty() {
            fs::remove_dir_all(&out).with_context(|| format!("remove {}", out.display()))?;
        }
        Ok(Outcome {
            agent_too,
            cut: before.iter().any(|seen| seen.cuts),
            paused: before.iter().any(|seen| seen.stopped > 0),
            down: before.iter().any(|seen| seen.daemons == 0),
            healed_after,
            leftovers,
        })
    }

    /// Waits until a fault bites, as seen from outside.
    fn await_fault(&self, controller: &mut Controller, out: &Path) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = controller.0.try_wait()? {
                let said = fs::read_to_string(out.with_extension("stderr")).unwrap_or_default();
                bail!("the run ended by itself ({status}): {said}");
            }
            if self.look(false)?.iter().any(|seen| seen.cuts || seen.stopped > 0) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("no fault in force within {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// How long after the kill a look that found every node clean was over; `None`: not by lease
    /// and grace. A look that took the machine too long proves nothing and counts as late.
    fn await_clean(&self, killed: Instant) -> Result<Option<Duration>> {
        while killed.elapsed() < LEASE + GRACE {
            let clean = self.look(false)?.iter().all(|seen| seen.trouble().is_none());
            let seen_at = killed.elapsed();
            if clean && seen_at <= LEASE + GRACE {
                return Ok(Some(seen_at));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(None)
    }

    fn look(&self, connect: bool) -> Result<Vec<Seen>> {
        let all: Vec<&str> = self.nodes.iter().map(|node| node.address.as_str()).collect();
        let peers: &[&str] = if connect { &all } else { &[] };
        self.nodes.iter().map(|node| outside::look(node, peers)).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let status = Command::new(&self.tribunal).arg("down").arg(&self.inventory).status();
        if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            eprintln!("leases: tribunal down {}: {status:?}", self.inventory.display());
        }
    }
}

/// A run to be killed; never left behind.
struct Controller(Child);

impl Controller {
    fn start(lab: &Lab, dir: &Path, out: &Path, seed: u64) -> Result<Controller> {
        let child = Command::new(&lab.tribunal)
            .arg("run")
            .arg(dir.join("leases.toml"))
            .arg("--nodes")
            .arg(&lab.inventory)
            .args(["--quiet", "--seed", &seed.to_string(), "--out"])
            .arg(out)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(out.with_extension("stderr"))?)
            .spawn()
            .with_context(|| format!("starting {}", lab.tribunal.display()))?;
        Ok(Controller(child))
    }

    /// `kill -9`.
    fn kill(&mut self) -> Result<()> {
        self.0.kill().context("kill the controller")?;
        self.0.wait().context("wait for the controller")?;
        Ok(())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // Fails when it has ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A number that depends on the kill alone (splitmix64): the same storm each time.
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
