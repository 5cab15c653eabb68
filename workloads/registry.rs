//! Every workload, by name. A new workload is one file and one line here.

use crate::workload::{Setting, Workload, WorkloadError};
use crate::{append, bank, causal, long_fork, multi_register, predicate, register, session, wr};

/// A way to build a workload.
pub struct Entry {
    /// Name on the command line and in suites.
    pub name: &'static str,
    /// One line for `tribunal list workloads`.
    pub summary: &'static str,
    /// Options and what they mean.
    pub options: &'static [(&'static str, &'static str)],
    /// Builds it.
    pub build: fn(&Setting) -> Result<Workload, WorkloadError>,
}

/// In the order `tribunal list workloads` prints.
pub static WORKLOADS: &[Entry] = &[
    register::ENTRY,
    append::ENTRY,
    wr::ENTRY,
    multi_register::ENTRY,
    predicate::ENTRY,
    long_fork::ENTRY,
    causal::ENTRY,
    session::ENTRY,
    bank::ENTRY,
];

/// By name.
pub fn find(name: &str) -> Option<&'static Entry> {
    WORKLOADS.iter().find(|entry| entry.name == name)
}
