//! The plan: which operations a seed will ask for, and when, if every answer takes its nominal
//! time.

use std::fmt;

use tribunal_history::{Nanos, NodeId, Op, Process};

use super::{End, Fake, Gen, Simulated, Simulation};
use crate::seed::Seed;

/// Operations of a plan; a longer one is cut, and says so.
const OPS_MAX: u64 = 1_000_000;
/// What an operation takes, for lack of a database.
const NOMINAL: Nanos = Nanos::from_millis(1);

/// One operation of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedOp {
    /// When it is handed out.
    pub at: Nanos,
    /// Where.
    pub slot: u32,
    /// Who.
    pub process: Process,
    /// Who is asked.
    pub node: NodeId,
    /// What.
    pub op: Op,
}

/// The operations of a seed in order.
#[derive(Debug)]
pub struct Plan {
    /// In the order handed out.
    pub ops: Vec<PlannedOp>,
    /// The simulation they come from: its end, marks, notes and counts. `StepLimit` is a cut plan.
    pub simulated: Simulated,
}

/// The operations `generator` asks for under `seed` in `time_limit`, when every operation succeeds
/// after one millisecond. The same arguments give the same bytes on every machine.
///
/// `generator` is not changed; it must not be bound yet.
pub fn plan(
    generator: &Gen,
    seed: Seed,
    concurrency: u32,
    nodes: u16,
    time_limit: Option<Nanos>,
) -> Plan {
    let mut ops = Vec::new();
    let client = Fake::Perfect(NOMINAL);
    let simulation =
        Simulation { concurrency, nodes, seed, time_limit, steps_max: OPS_MAX, client };
    let simulated = simulation.run_with(generator.fork(), |op| ops.push(op));
    Plan { ops, simulated }
}

impl Plan {
    /// Whether there would have been more.
    pub fn is_cut(&self) -> bool {
        self.simulated.end == End::StepLimit
    }
}

impl fmt::Display for PlannedOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlannedOp { at, slot, process, node, op } = self;
        write!(f, "{:<12} slot {slot} {process} {node} {op}", at.0)
    }
}

/// One operation a line, and how it ends.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for op in &self.ops {
            writeln!(f, "{op}")?;
        }
        write!(f, "{:<12} {}", self.simulated.ended_at.0, self.simulated.end)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Done => f.write_str("done"),
            End::TimeLimit => f.write_str("time limit"),
            End::StepLimit => f.write_str("cut: too many steps"),
            End::Stuck { path } => write!(f, "stuck generator: {path}"),
        }
    }
}
