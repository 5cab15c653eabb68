//! Two agents in two network namespaces with a link between them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tribunal_agent::protocol::{Look, Reached};

use super::{Agent, Dir, Pair, output, until};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const OPEN: Reached = Reached { tcp: true, udp: true };
pub(crate) const SHUT: Reached = Reached { tcp: false, udp: false };

/// Two agents that see each other.
pub(crate) struct Two {
    pub(crate) here: Agent,
    pub(crate) there: Agent,
    /// Probe servers over there, and over here, in both families.
    pub(crate) over_there: Vec<SocketAddr>,
    pub(crate) over_here: Vec<SocketAddr>,
    pub(crate) dir: Dir,
    _dirs: Dir,
    pub(crate) pair: Pair,
}

impl Two {
    pub(crate) fn new(lease_ms: u64, control: Vec<SocketAddr>, more: &[&str]) -> Option<Two> {
        let pair = Pair::new()?;
        let (dir, other) = (Dir::new(), Dir::new());
        let mut here = Agent::start_with(&dir, Some(&pair.here), more);
        here.claim("test", lease_ms, control).unwrap();
        let mut there = Agent::start(&other, Some(&pair.there));
        let (port_here, port_there) = (here.probe_port(), there.probe_port());
        let at = |four: &str, six: &str, port: u16| -> Vec<SocketAddr> {
            [four, six].iter().map(|text| (text.parse::<IpAddr>().unwrap(), port).into()).collect()
        };
        let over_here = at("198.18.77.1", "fd54::1", port_here);
        let over_there = at("198.18.77.2", "fd54::2", port_there);
        // A link that has just come up carries nothing for a moment.
        until("the link", SECOND * 5, || {
            let [out, back] =
                [here.reach(over_there.clone(), 200), there.reach(over_here.clone(), 200)];
            out == [OPEN; 2] && back == [OPEN; 2]
        });
        Some(Two { here, there, over_there, over_here, dir, _dirs: other, pair })
    }

    /// From here to there in both families, and back.
    pub(crate) fn matrix(&mut self) -> [Vec<Reached>; 2] {
        let out = self.here.reach(self.over_there.clone(), 300);
        [out, self.there.reach(self.over_here.clone(), 300)]
    }

    pub(crate) fn tables(&self) -> String {
        output(&["ip", "netns", "exec", &self.pair.here, "nft", "list", "tables"])
    }

    /// What each sees of the other: from here to there in both families, and back.
    pub(crate) fn looks(&mut self, numbered: u32) -> [Vec<Look>; 2] {
        let out = self.here.look(1, self.over_there.clone(), numbered);
        [out, self.there.look(1, self.over_here.clone(), numbered)]
    }

    /// Connections between both, in both families and directions, kept for fault 1.
    pub(crate) fn hold(&mut self) {
        self.here.hold(1, self.over_there.clone());
        self.there.hold(1, self.over_here.clone());
    }
}
