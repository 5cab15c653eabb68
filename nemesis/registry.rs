//! Every fault, by name. A fault of daemons is one file and one line in the agent's
//! [`kinds`]; any other is one file here and one line.

use std::sync::LazyLock;

use tribunal_agent::kinds;
use tribunal_harness::nemesis::Nemesis;

use crate::{Partition, ProcessFault};

static FAULTS: LazyLock<Vec<Box<dyn Nemesis>>> = LazyLock::new(|| {
    let others: [Box<dyn Nemesis>; 1] = [Box::new(Partition)];
    let daemons = kinds::all().map(|about| Box::new(ProcessFault { about }) as Box<dyn Nemesis>);
    others.into_iter().chain(daemons).collect()
});

/// In the order `tribunal list faults` prints.
pub fn all() -> impl Iterator<Item = &'static dyn Nemesis> {
    FAULTS.iter().map(Box::as_ref)
}

/// By name.
pub fn find(name: &str) -> Option<&'static dyn Nemesis> {
    all().find(|fault| fault.name() == name)
}
