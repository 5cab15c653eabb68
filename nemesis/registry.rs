//! Every fault, by name. A new fault is one file and one line here.

use tribunal_harness::nemesis::Nemesis;

use crate::{KILL, PAUSE, Partition};

/// In the order `tribunal list faults` prints.
pub static FAULTS: &[&dyn Nemesis] = &[&Partition, &KILL, &PAUSE];

/// By name.
pub fn find(name: &str) -> Option<&'static dyn Nemesis> {
    FAULTS.iter().copied().find(|fault| fault.name() == name)
}
