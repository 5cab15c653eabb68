//! What the binary knows about a run: what was asked for, and what it met.
//!
//! Stored beside the history, so that a verdict can be made again from the directory alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tribunal_history::Outcome;
use tribunal_history::codec::native::Late;

use crate::human::grouped;

/// Everything about a run that is not in its history.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct RunInfo {
    /// What was asked for (`plan.json`).
    pub plan: Plan,
    /// What was met (`environment.json`).
    pub environment: Environment,
}

/// What was asked for. A function of the command line, the suite and the seed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Name of the run directory.
    pub id: String,
    /// The seed everything random descends from.
    pub seed: u64,
    /// Name of the suite, or `command line`.
    pub suite: String,
    /// The suite's text as read (`suite.toml`).
    pub suite_text: String,
    /// Where nodes come from: `local`, `ssh`, `processes`, `simulated`.
    pub provider: String,
    /// Whether no real system was involved.
    pub simulated: bool,
    /// Nodes in cluster order.
    pub nodes: Vec<NodeInfo>,
    /// Name of the system under test.
    pub target: String,
    /// Options of the target, the workload and the run.
    pub options: BTreeMap<String, String>,
    /// Name of the workload.
    pub workload: String,
    /// Clients at work at once.
    pub concurrency: u32,
    /// The fault schedule, one sentence each.
    pub faults: Vec<String>,
    /// The one line that asks for the same run again.
    pub repro: String,
    /// Whether an anomaly is what the run is to find: then it ends with 0 if it does.
    pub expect_anomaly: bool,
}

/// One node of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// Where it is reached.
    pub address: String,
}

/// What the run met.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Start, UTC, as `2026-11-21T03:47:12Z`.
    pub started_utc: String,
    /// From first to last instant of the run.
    pub duration_ns: u64,
    /// Versions of Tribunal and of what it used, by name.
    pub versions: BTreeMap<String, String>,
    /// What the target says about itself: version, settings in force.
    pub target: BTreeMap<String, String>,
    /// Retry and timeout settings of the clients.
    pub driver: BTreeMap<String, String>,
    /// Delay between a decision to send and the sending.
    pub self_noise: Option<SelfNoise>,
    /// Replies that came too late.
    pub late_replies: LateReplies,
    /// What went wrong and did not stop the run.
    pub warnings: Vec<Warning>,
    /// Why the experiment itself failed; empty when it did not.
    pub failures: Vec<String>,
    /// Why the run ended before its time.
    pub stopped_early: Option<String>,
}

/// How long operations waited inside the harness before they were sent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SelfNoise {
    /// Operations measured.
    pub samples: u64,
    /// Half of them waited at most this long.
    pub p50_ns: u64,
    /// 99 of 100 waited at most this long.
    pub p99_ns: u64,
    /// The longest wait.
    pub max_ns: u64,
}

/// Replies on record that came after their operations had been given up as `info`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LateReplies {
    /// That say it happened.
    pub ok: u64,
    /// That say it did not.
    pub failed: u64,
}

impl LateReplies {
    /// Counts those of a log.
    pub fn count(late: &[Late]) -> LateReplies {
        let said = |outcome| late.iter().filter(|late| late.outcome == outcome).count() as u64;
        LateReplies { ok: said(Outcome::Ok), failed: said(Outcome::Fail) }
    }

    /// What a person is told; nothing when there is none.
    pub fn sentence(self) -> Option<String> {
        let LateReplies { ok, failed } = self;
        match ok + failed {
            0 => None,
            1 => Some("1 operation was answered after its deadline; it stays info".to_owned()),
            all => Some(format!(
                "{} operations were answered after their deadline ({} ok, {} fail); they stay info",
                grouped(all),
                grouped(ok),
                grouped(failed),
            )),
        }
    }
}

/// Something worth knowing that changes no verdict.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Warning {
    /// Stable word.
    pub code: String,
    /// One sentence.
    pub text: String,
}
