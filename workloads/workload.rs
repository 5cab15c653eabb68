//! A workload is a value: generators and checkers that belong together.

use std::collections::BTreeMap;

use tribunal_checkers::Checker;
use tribunal_harness::generator::Gen;
use tribunal_harness::target::Vocabulary;

/// What a workload may know when it is built.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Number of nodes.
    pub nodes: usize,
    /// Number of clients.
    pub concurrency: usize,
    /// Operations per second over all clients; `None` is as fast as they answer.
    pub rate: Option<f64>,
    /// Options by name.
    pub options: BTreeMap<String, String>,
}

/// What clients do and what is judged.
pub struct Workload {
    /// Name in the registry.
    pub name: &'static str,
    /// What a target must speak.
    pub needs: Vocabulary,
    /// The load. Ends only when the run ends it.
    pub generator: Gen,
    /// After healing and quiet: final reads, asked of every node directly. Made once the load is
    /// over, when it is known which objects were touched.
    pub final_generator: Box<dyn FnOnce() -> Gen + Send>,
    /// What judges the history, in the order of the report.
    pub checkers: Vec<Box<dyn Checker>>,
}

/// A setting that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WorkloadError {
    /// No such option.
    #[error("workload {workload} has no option {option:?}; it has {known}")]
    UnknownOption {
        /// Workload.
        workload: &'static str,
        /// What was given.
        option: String,
        /// What there is.
        known: String,
    },
    /// A value that does not parse or is out of range.
    #[error("workload {workload}: option {option} = {value:?}: {problem}")]
    BadOption {
        /// Workload.
        workload: &'static str,
        /// Option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        problem: &'static str,
    },
}

impl Setting {
    /// Refuses options that `workload` does not have.
    pub(crate) fn only(
        &self,
        workload: &'static str,
        known: &[(&'static str, &'static str)],
    ) -> Result<(), WorkloadError> {
        match self.options.keys().find(|option| !known.iter().any(|known| known.0 == *option)) {
            None => Ok(()),
            Some(option) => Err(WorkloadError::UnknownOption {
                workload,
                option: option.clone(),
                known: known.iter().map(|known| known.0).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// A number of at least one, or `default`.
    pub(crate) fn positive(
        &self,
        workload: &'static str,
        option: &'static str,
        default: u64,
    ) -> Result<u64, WorkloadError> {
        match self.options.get(option).map(|value| (value, value.parse::<u64>())) {
            None => Ok(default),
            Some((_, Ok(number))) if number > 0 => Ok(number),
            Some((value, _)) => Err(WorkloadError::BadOption {
                workload,
                option,
                value: value.clone(),
                problem: "write a whole number of at least 1",
            }),
        }
    }
}
