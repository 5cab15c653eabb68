//! Every fault, by name. A new fault is one file and one line here.

use tribunal_harness::nemesis::Nemesis;

use crate::{Kill, Partition, Pause};

/// In the order `tribunal list faults` prints.
pub static FAULTS: &[&dyn Nemesis] = &[&Partition, &Kill, &Pause];

/// By name.
pub fn find(name: &str) -> Option<&'static dyn Nemesis> {
    FAULTS.iter().copied().find(|fault| fault.name() == name)
}
