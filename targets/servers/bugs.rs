//! The planted bugs. Each is asked for where the correct code would stand, never by `cfg`.

use std::fmt;
use std::str::FromStr;

/// A planted bug of raftkv.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Bug {
    /// Any node answers reads from its own state.
    StaleRead,
    /// A leader commits, applies and acknowledges what only it has stored.
    LostWrite,
    /// Term and vote live in memory only: a restarted node has forgotten both.
    NoFsyncVote,
    /// Compare-and-set compares against uncommitted state and answers from it at once.
    DirtyCas,
    /// A transaction's puts become visible in two halves.
    TornTxn,
    /// Of a transaction's conditions only those on keys that it also writes are checked.
    NoReadValidation,
    /// A transaction's conditions on ranges are not checked.
    NoRangeValidation,
}

impl Bug {
    /// Every bug, in the order of `BUGS.toml`.
    pub const ALL: [Bug; 7] = [
        Bug::StaleRead,
        Bug::LostWrite,
        Bug::NoFsyncVote,
        Bug::DirtyCas,
        Bug::TornTxn,
        Bug::NoReadValidation,
        Bug::NoRangeValidation,
    ];

    /// Name on the command line, in `/status` and in `BUGS.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Bug::StaleRead => "stale-read",
            Bug::LostWrite => "lost-write",
            Bug::NoFsyncVote => "no-fsync-vote",
            Bug::DirtyCas => "dirty-cas",
            Bug::TornTxn => "torn-txn",
            Bug::NoReadValidation => "no-read-validation",
            Bug::NoRangeValidation => "no-range-validation",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Bug::StaleRead => 1,
            Bug::LostWrite => 2,
            Bug::NoFsyncVote => 4,
            Bug::DirtyCas => 8,
            Bug::TornTxn => 16,
            Bug::NoReadValidation => 32,
            Bug::NoRangeValidation => 64,
        }
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Bug, String> {
        Bug::ALL.into_iter().find(|bug| bug.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
            format!("no bug is called {name:?}; there are {}", known.join(", "))
        })
    }
}

/// Which bugs are switched on. Empty in a clean server.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct BugSet(u8);

impl BugSet {
    /// Whether `bug` is on.
    pub fn has(self, bug: Bug) -> bool {
        self.0 & bug.bit() != 0
    }

    /// Whether any is on: assertions of Raft's own promises hold only in a clean server.
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// Names of those that are on, in the order of [`Bug::ALL`].
    pub fn names(self) -> Vec<&'static str> {
        Bug::ALL.into_iter().filter(|bug| self.has(*bug)).map(Bug::name).collect()
    }
}

impl FromIterator<Bug> for BugSet {
    fn from_iter<I: IntoIterator<Item = Bug>>(bugs: I) -> BugSet {
        BugSet(bugs.into_iter().fold(0, |set, bug| set | bug.bit()))
    }
}

impl fmt::Debug for BugSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Bug;

    #[test]
    fn every_bug_is_documented_once() {
        let text = include_str!("BUGS.toml");
        let listed: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("id = ")).collect();
        let names: Vec<String> = Bug::ALL.iter().map(|bug| format!("{:?}", bug.name())).collect();
        assert_eq!(listed, names);
        for bug in Bug::ALL {
            assert_eq!(bug.name().parse::<Bug>(), Ok(bug));
        }
        assert!("stale-reads".parse::<Bug>().is_err());
    }
}
