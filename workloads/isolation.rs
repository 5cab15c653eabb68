//! What workloads of transactions have in common: how their load is shaped, and the level that is
//! judged.

use std::sync::Arc;

use tribunal_checkers::stats::Stats;
use tribunal_checkers::vacuity::Vacuity;
use tribunal_checkers::{Checker, Consistency};
use tribunal_harness::generator::{Gen, stagger};
use tribunal_harness::target::Vocabulary;
use tribunal_history::{Family, Nanos};

use crate::keys::{Remember, Seen};
use crate::transactions::{Mix, Objects, Shape, Transactions, final_reads};
use crate::workload::{Setting, Workload, WorkloadError};

/// Most objects in use at one time.
const LIVE: u64 = 1000;

/// Longest transaction that targets take.
const LONGEST: u64 = 64;

/// What one of them is.
pub(crate) struct Isolation {
    pub(crate) name: &'static str,
    pub(crate) options: &'static [(&'static str, &'static str)],
    /// The option that says how often an object is written.
    pub(crate) writes: &'static str,
    pub(crate) objects: Objects,
    pub(crate) mix: Mix,
    /// Objects in use at one time, writes to each, and the longest transaction, where nobody says.
    pub(crate) live: u64,
    pub(crate) times: u64,
    pub(crate) longest: u64,
    /// What is judged where nobody says.
    pub(crate) level: Consistency,
    /// The levels of the checker, and how it is made.
    pub(crate) levels: &'static [Consistency],
    pub(crate) checker: fn(Consistency) -> Box<dyn Checker>,
}

impl Isolation {
    /// Builds the workload.
    ///
    /// # Errors
    /// An option that there is not, or a value out of its range.
    pub(crate) fn build(&'static self, setting: &Setting) -> Result<Workload, WorkloadError> {
        let name = self.name;
        setting.only(name, self.options)?;
        let shape = Shape {
            objects: self.objects,
            mix: self.mix,
            live: setting.positive(name, "live-keys", self.live)?,
            writes: setting.positive(name, self.writes, self.times)?,
            longest: setting.positive(name, "max-length", self.longest)?,
        };
        if shape.live > LIVE {
            return Err(self.bad(setting, "live-keys", "write a whole number from 1 to 1000"));
        }
        if shape.longest > LONGEST {
            return Err(self.bad(setting, "max-length", "write a whole number from 1 to 64"));
        }
        let attempts = setting.positive(name, "final-attempts", 20)?;
        let level = self.level(setting)?;
        let mut generator: Gen = Box::new(Transactions::new(shape));
        if let Some(rate) = setting.rate {
            generator = stagger(Nanos((1e9 / rate) as u64), generator);
        }
        let seen = Seen::default();
        let touched = Arc::clone(&seen);
        let nodes = setting.nodes.min(setting.concurrency) as u32;
        let last = move || final_reads(shape.objects, &touched, nodes, attempts);
        Ok(Workload {
            name,
            needs: Vocabulary { families: &[Family::Txn] },
            generator: Box::new(Remember::new(generator, seen)),
            final_generator: Box::new(last),
            checkers: vec![(self.checker)(level), Box::new(Stats::default()), Box::new(Vacuity)],
        })
    }

    fn bad(&self, setting: &Setting, option: &'static str, problem: &'static str) -> WorkloadError {
        let value = setting.options.get(option).cloned().unwrap_or_default();
        WorkloadError::BadOption { workload: self.name, option, value, problem }
    }

    fn level(&self, setting: &Setting) -> Result<Consistency, WorkloadError> {
        let Some(name) = setting.options.get("level") else {
            return Ok(self.level);
        };
        let level = Consistency::named(name).filter(|level| self.levels.contains(level));
        level.ok_or_else(|| {
            let problem = "write strict-serializable, serializable, snapshot-isolation, \
                           read-committed, or another level of the model (`tribunal list models`)";
            self.bad(setting, "level", problem)
        })
    }
}
