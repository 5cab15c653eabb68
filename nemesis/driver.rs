//! Carries a schedule out: each fault its own task, every edge in the ledger, healed at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{ClusterView, Evidence, Injection, Nemesis};
use tribunal_history::{FaultEdge, NodeId};

use crate::ledger::Ledger;
use crate::registry;
use crate::schedule::Planned;

/// Time between two attempts to verify or heal.
const RETRY: Duration = Duration::from_millis(250);

/// Attempts to heal before a node is reported as not healed.
const HEAL_ATTEMPTS: u32 = 12;

/// Says who leads, when a fault wants to know.
#[async_trait]
pub trait Primaries: Send + Sync {
    /// The nodes that believe they lead, now.
    async fn primaries(&self) -> Vec<NodeId>;
}

/// What became of the schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Windows in the schedule.
    pub planned: usize,
    /// Windows refused by a guard, or impossible.
    pub refused: usize,
    /// Windows brought about.
    pub injected: usize,
    /// Windows whose effect was measured.
    pub verified: usize,
    /// Windows whose end could not be measured: the node's own lease must end them.
    pub unhealed: usize,
}

/// Everything a window needs.
#[derive(Clone)]
pub struct Scene {
    /// Where.
    pub cluster: Arc<Cluster>,
    /// Who leads.
    pub primaries: Arc<dyn Primaries>,
    /// Where it is written.
    pub ledger: Ledger,
}

/// Faults that are in force, or that may be: from before their injection to their measured end.
type InForce = Arc<Mutex<BTreeMap<u32, Injection>>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Refused,
    Failed { healed: bool },
    Done { verified: bool, healed: bool },
}

/// Runs every window at its time, counted from now. When `stop` turns true, windows that have not
/// begun are dropped and open ones are healed at once; returns when all are healed or given up.
pub async fn run(scene: Scene, plan: Vec<Planned>, stop: watch::Receiver<bool>) -> Summary {
    let start = Instant::now();
    let mut summary = Summary { planned: plan.len(), ..Summary::default() };
    let in_force = InForce::default();
    let mut tasks = JoinSet::new();
    for planned in plan {
        note(scene.ledger.planned(&planned.injection));
        if let Some(reason) = &planned.refused {
            note(scene.ledger.failed(&planned.injection, FaultEdge::Refused, reason));
            summary.refused += 1;
            continue;
        }
        tasks.spawn(window(
            scene.clone(),
            in_force.clone(),
            planned.injection,
            start,
            stop.clone(),
        ));
    }
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(None) => {}
            Ok(Some(End::Refused)) => summary.refused += 1,
            Ok(Some(End::Failed { healed })) => summary.unhealed += usize::from(!healed),
            Ok(Some(End::Done { verified, healed })) => {
                summary.injected += 1;
                summary.verified += usize::from(verified);
                summary.unhealed += usize::from(!healed);
            }
            Err(panic) => {
                tracing::error!("a fault's task panicked: {panic}");
                summary.unhealed += 1;
            }
        }
    }
    summary
}

/// One window, from its start to its measured end; `None` when it was dropped before it began.
async fn window(
    scene: Scene,
    in_force: InForce,
    planned: Injection,
    start: Instant,
    mut stop: watch::Receiver<bool>,
) -> Option<End> {
    if wait(start + planned.at, &mut stop).await {
        return None;
    }
    let nemesis = registry::find(&planned.kind)?;
    let latest = start + planned.at + planned.hold / 2;
    let it = match resolve(&scene, nemesis, &planned, latest, &mut stop).await {
        Ok(it) => it,
        Err(reason) => {
            note(scene.ledger.failed(&planned, FaultEdge::Refused, &reason));
            return Some(End::Refused);
        }
    };
    if let Err(error) = scene.ledger.armed(&it) {
        tracing::error!("fault {}: not injected, its record cannot be written: {error}", it.id);
        return Some(End::Refused);
    }
    change(&in_force, |faults| faults.insert(it.id, it.clone()));
    match nemesis.inject(&scene.cluster, &it).await {
        Ok(found) => note(scene.ledger.measured(&it, FaultEdge::Injected, &found)),
        Err(error) => {
            tracing::warn!("{error}");
            note(scene.ledger.failed(&it, FaultEdge::DidNotBite, &error.to_string()));
            let healed = heal(&scene, &in_force, nemesis, &it).await;
            return Some(End::Failed { healed });
        }
    }
    let end = Instant::now() + it.hold;
    let verified = verify(&scene, &in_force, nemesis, &it, end, &mut stop).await;
    wait(end, &mut stop).await;
    let healed = heal(&scene, &in_force, nemesis, &it).await;
    Some(End::Done { verified, healed })
}

/// Sleeps until `until`, or until the run stops; true when it stopped.
async fn wait(until: Instant, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = sleep_until(until) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    }
}

/// Whom a window hits. Leaders are asked for until `latest`: where an earlier fault has just ended,
/// an election may be under way. What begins late ends as planned.
async fn resolve(
    scene: &Scene,
    nemesis: &dyn Nemesis,
    planned: &Injection,
    latest: Instant,
    stop: &mut watch::Receiver<bool>,
) -> Result<Injection, String> {
    if !planned.targets.is_empty() || !planned.cuts.is_empty() {
        return Ok(planned.clone());
    }
    let asked = Instant::now();
    loop {
        let primaries = scene.primaries.primaries().await;
        if !primaries.is_empty() {
            let view = ClusterView { nodes: scene.cluster.nodes.len() };
            let late = asked.elapsed();
            let it = Injection {
                at: planned.at + late,
                hold: planned.hold.saturating_sub(late),
                ..planned.clone()
            };
            return Ok(nemesis.resolve(&it, &primaries, &view));
        }
        let next = Instant::now() + RETRY;
        if next >= latest || wait(next, stop).await {
            let seconds = asked.elapsed().as_secs_f64();
            return Err(format!("no node said within {seconds:.1} s that it leads"));
        }
    }
}

/// Measures until the effect is seen, within the window.
async fn verify(
    scene: &Scene,
    in_force: &InForce,
    nemesis: &dyn Nemesis,
    it: &Injection,
    end: Instant,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    loop {
        let others: Vec<Injection> =
            change(in_force, |all| others(all, it)).into_values().collect();
        let reason = match nemesis.verify(&scene.cluster, it, &others).await {
            Ok(found) if found.effective => {
                note(scene.ledger.measured(it, FaultEdge::Verified, &found));
                return true;
            }
            Ok(found) => found.notes.join("; "),
            Err(error) => error.to_string(),
        };
        let next = Instant::now() + RETRY;
        if next >= end || wait(next, stop).await {
            note(scene.ledger.failed(it, FaultEdge::DidNotBite, &reason));
            return false;
        }
    }
}

/// Heals until the absence is measured. The node's own lease ends what cannot be reached.
async fn heal(scene: &Scene, in_force: &InForce, nemesis: &dyn Nemesis, it: &Injection) -> bool {
    let mut reason = String::new();
    let mut undone = None;
    for attempt in 0..HEAL_ATTEMPTS {
        if attempt > 0 {
            sleep(RETRY * attempt).await;
        }
        let found = match &undone {
            Some(found) => found,
            None => match nemesis.heal(&scene.cluster, it).await {
                Ok(found) if found.effective => {
                    note(scene.ledger.measured(it, FaultEdge::Healed, &found));
                    undone.insert(found)
                }
                Ok(found) => {
                    reason = found.notes.join("; ");
                    continue;
                }
                Err(error) => {
                    reason = error.to_string();
                    continue;
                }
            },
        };
        let measured = match verify_healed(scene, in_force, nemesis, it).await {
            Ok(measured) => measured,
            Err(problem) => {
                reason = problem;
                continue;
            }
        };
        let seen = measured.as_ref().unwrap_or(found);
        if seen.effective {
            change(in_force, |faults| faults.remove(&it.id));
            note(scene.ledger.measured(it, FaultEdge::HealVerified, seen));
            return true;
        }
        reason = seen.notes.join("; ");
    }
    tracing::error!("fault {}: not healed: {reason}", it.id);
    note(scene.ledger.failed(it, FaultEdge::HealFailed, &reason));
    false
}

/// What is measured anew after healing. A fault that is in force before or after the measurement
/// may be the reason for what it shows.
async fn verify_healed(
    scene: &Scene,
    in_force: &InForce,
    nemesis: &dyn Nemesis,
    it: &Injection,
) -> Result<Option<Evidence>, String> {
    let before = change(in_force, |all| others(all, it));
    let all: Vec<Injection> = before.values().cloned().collect();
    let found = nemesis.verify_healed(&scene.cluster, it, &all).await;
    let found = found.map_err(|error| error.to_string())?;
    match found {
        Some(shut) if !shut.effective && change(in_force, |all| others(all, it)) != before => {
            Err(format!("{}; other faults began or ended meanwhile", shut.notes.join("; ")))
        }
        found => Ok(found),
    }
}

/// Every fault in force but `it`.
fn others(in_force: &BTreeMap<u32, Injection>, it: &Injection) -> BTreeMap<u32, Injection> {
    let others = in_force.iter().filter(|(id, _)| **id != it.id);
    others.map(|(id, other)| (*id, other.clone())).collect()
}

fn change<T>(in_force: &InForce, act: impl FnOnce(&mut BTreeMap<u32, Injection>) -> T) -> T {
    act(&mut in_force.lock().unwrap_or_else(PoisonError::into_inner))
}

/// An edge that cannot be written is no reason to leave a fault in force.
fn note(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::error!("fault ledger: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tribunal_harness::clock::Clock;

    use super::*;
    use crate::schedule::empty;

    /// Nobody leads for the first few times it is asked.
    struct AfterElection(AtomicU32);

    #[async_trait]
    impl Primaries for AfterElection {
        async fn primaries(&self) -> Vec<NodeId> {
            match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) {
                Ok(_still) => Vec::new(),
                Err(_) => vec![NodeId(2)],
            }
        }
    }

    async fn resolved(elections: u32, hold: Duration) -> Result<Injection, String> {
        let cluster = Arc::new(Cluster::of(Vec::new()));
        let ledger = Ledger::new(Clock::start(), &cluster, Arc::new(|_, _| Ok(())));
        let primaries = Arc::new(AfterElection(AtomicU32::new(elections)));
        let scene = Scene { cluster, primaries, ledger };
        let planned = Injection { hold, at: Duration::from_secs(5), ..empty("kill", "primaries") };
        let nemesis = registry::find("kill").expect("a fault of the registry");
        let (_stop, mut stopped) = watch::channel(false);
        resolve(&scene, nemesis, &planned, Instant::now() + hold / 2, &mut stopped).await
    }

    #[tokio::test]
    async fn leaders_are_asked_for_until_an_election_is_over() {
        let hold = Duration::from_secs(4);
        let it = resolved(2, hold).await.expect("the third answer names a leader");
        assert_eq!(it.targets, [NodeId(2)]);
        let late = it.at - Duration::from_secs(5);
        assert!(late >= 2 * RETRY, "{late:?}");
        assert_eq!(it.hold + late, hold, "it ends when it was planned to");
    }

    #[tokio::test]
    async fn a_cluster_without_leader_is_not_asked_for_ever() {
        let error = resolved(u32::MAX, Duration::from_secs(1)).await.expect_err("nobody leads");
        assert!(error.ends_with("s that it leads"), "{error}");
    }
}
