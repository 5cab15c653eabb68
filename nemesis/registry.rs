//! Every fault, by name. A fault on links is one file and one line in the agent's [`links`], one
//! of daemons in its [`kinds`]; any other is one file here and one line.

use std::sync::LazyLock;

use tribunal_agent::links::Met;
use tribunal_agent::{kinds, links};
use tribunal_harness::nemesis::Nemesis;

use crate::{ClientFault, LinkFault, ProcessFault};

static FAULTS: LazyLock<Vec<Box<dyn Nemesis>>> = LazyLock::new(|| {
    let links = links::all().map(|link| -> Box<dyn Nemesis> {
        match link.met {
            Met::Peers | Met::PeersAtPorts => Box::new(LinkFault { link }),
            Met::Clients => Box::new(ClientFault { link }),
        }
    });
    let daemons = kinds::all().map(|about| Box::new(ProcessFault { about }) as Box<dyn Nemesis>);
    links.chain(daemons).collect()
});

/// In the order `tribunal list faults` prints.
pub fn all() -> impl Iterator<Item = &'static dyn Nemesis> {
    FAULTS.iter().map(Box::as_ref)
}

/// By name.
pub fn find(name: &str) -> Option<&'static dyn Nemesis> {
    all().find(|fault| fault.name() == name)
}
