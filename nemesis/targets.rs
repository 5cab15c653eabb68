//! Whom a process fault hits.

use tribunal_harness::seed::Draw;
use tribunal_history::NodeId;

/// A way to choose nodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Choice {
    /// One random node.
    One,
    /// A random non-empty set.
    Some,
    /// `floor((n-1)/2)` random nodes, at least one.
    Minority,
    /// `floor(n/2) + 1` random nodes.
    Majority,
    /// Every node.
    All,
    /// The nodes the target names as primary; decided when it happens.
    Primaries,
}

impl Choice {
    /// Every choice.
    pub const ALL: [Choice; 6] = [
        Choice::One,
        Choice::Some,
        Choice::Minority,
        Choice::Majority,
        Choice::All,
        Choice::Primaries,
    ];

    /// Name in suites and reports.
    pub fn name(self) -> &'static str {
        match self {
            Choice::One => "one",
            Choice::Some => "some",
            Choice::Minority => "minority",
            Choice::Majority => "majority",
            Choice::All => "all",
            Choice::Primaries => "primaries",
        }
    }

    /// By name.
    pub fn parse(name: &str) -> Option<Choice> {
        Choice::ALL.into_iter().find(|choice| choice.name() == name)
    }

    /// The nodes, in cluster order; none for [`Choice::Primaries`].
    pub fn draw(self, n: usize, draw: &mut Draw) -> Vec<NodeId> {
        let count = match self {
            Choice::One => 1,
            Choice::Some => 1 + draw.below(n as u64) as usize,
            Choice::Minority => ((n - 1) / 2).max(1),
            Choice::Majority => n / 2 + 1,
            Choice::All => n,
            Choice::Primaries => 0,
        };
        let mut chosen: Vec<NodeId> =
            draw.permutation(n).into_iter().take(count).map(|i| NodeId(i as u16)).collect();
        chosen.sort_unstable();
        chosen
    }
}
