//! Kinds of faults on the processes of a daemon. A new one is a file below `kinds/` and a line in
//! `KINDS`: what draws, arms, renews, verifies and heals them knows none by name.

mod drift;
mod files;
mod kill;
mod pause;
mod skew;
mod stop;
mod storm;
mod strobe;
mod time;
mod trial;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::daemons::Daemons;
use crate::failure::Outcome;
use crate::protocol::{Failure, Probed};
use trial::Trial;

/// In the order `doctor` and `tribunal list faults` name them.
static KINDS: &[&dyn AnyKind] = &[
    &kill::Kill,
    &pause::Pause,
    &stop::Stop,
    &storm::Storm,
    &files::Files,
    &skew::Skew,
    &drift::Drift,
    &strobe::Strobe,
];

/// What is told of a kind to those who plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Name in suites, records and reports: of the fault and of the family that nodes must have.
    pub name: &'static str,
    /// How hard it hits, where that can be chosen.
    pub parameters: &'static [Parameter],
}

/// A whole number that a fault is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name, with its unit.
    pub name: &'static str,
    /// Least and greatest that the agent accepts.
    pub possible: (i64, i64),
    /// Drawn from these when nobody says.
    pub usual: (i64, i64),
}

/// Every kind.
pub fn all() -> impl Iterator<Item = About> {
    KINDS.iter().map(|kind| kind.about())
}

/// Parameters of a fault, by name.
pub(crate) type Parameters = BTreeMap<String, i64>;

/// One of them, where it cannot be negative.
fn natural(parameters: &Parameters, name: &str) -> u64 {
    parameters.get(name).map_or(0, |value| value.max(&0).unsigned_abs())
}

/// Where a fault is: a daemon, and all daemons of its run.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) daemons: &'a Daemons,
    pub(crate) daemon: &'a str,
}

/// One kind. Each step is given what [`Kind::before`] found, and nothing else: the process that
/// undoes a fault need not be the one that brought it about.
pub(crate) trait Kind: Sync {
    /// What is needed to bring it about, measure and undo it: in the record, before the fault.
    type State: Serialize + DeserializeOwned;

    const ABOUT: About;

    /// How it is done, after it was done to a process of our own and undone.
    fn try_out(&self, trial: &Trial) -> Result<&'static str, String>;

    /// Looks at the daemon; changes nothing. Every parameter is there, and possible.
    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Self::State>;

    fn act(&self, at: Place<'_>, state: &Self::State) -> Outcome<()>;

    /// Whether the effect is there, in words what was measured.
    fn measure(&self, at: Place<'_>, state: &Self::State) -> Outcome<(bool, String)>;

    /// Idempotent; tolerates what is gone. In words, what was done and measured.
    fn undo(&self, at: Place<'_>, state: &Self::State) -> Outcome<String>;

    /// Of a fault that goes on by itself: milliseconds between its beats.
    fn period_ms(&self, _state: &Self::State) -> Option<u64> {
        None
    }

    /// What it does again and again while it is armed.
    fn beat(&self, _at: Place<'_>, _state: &Self::State) -> Outcome<()> {
        Ok(())
    }
}

/// A kind whose state is data.
pub(crate) trait AnyKind: Sync {
    fn about(&self) -> About;
    fn probe(&self) -> Probed;
    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Value>;
    fn act(&self, at: Place<'_>, state: &Value) -> Outcome<()>;
    fn measure(&self, at: Place<'_>, state: &Value) -> Outcome<(bool, String)>;
    fn undo(&self, at: Place<'_>, state: &Value) -> Outcome<String>;
    fn period_ms(&self, state: &Value) -> Option<u64>;
    fn beat(&self, at: Place<'_>, state: &Value) -> Outcome<()>;
}

impl<K: Kind> AnyKind for K {
    fn about(&self) -> About {
        K::ABOUT
    }

    fn probe(&self) -> Probed {
        let tried = Trial::start().and_then(|trial| self.try_out(&trial));
        let (mechanism, unavailable) = match tried {
            Ok(mechanism) => (mechanism, None),
            Err(reason) => ("", Some(reason)),
        };
        Probed { family: K::ABOUT.name.into(), unavailable, mechanism: mechanism.into() }
    }

    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Value> {
        K::ABOUT.check(parameters)?;
        let state = Kind::before(self, at, parameters)?;
        serde_json::to_value(state).map_err(|error| Failure::io(error.to_string()))
    }

    fn act(&self, at: Place<'_>, state: &Value) -> Outcome<()> {
        Kind::act(self, at, &typed::<K>(state)?)
    }

    fn measure(&self, at: Place<'_>, state: &Value) -> Outcome<(bool, String)> {
        Kind::measure(self, at, &typed::<K>(state)?)
    }

    fn undo(&self, at: Place<'_>, state: &Value) -> Outcome<String> {
        Kind::undo(self, at, &typed::<K>(state)?)
    }

    fn period_ms(&self, state: &Value) -> Option<u64> {
        Kind::period_ms(self, &typed::<K>(state).ok()?)
    }

    fn beat(&self, at: Place<'_>, state: &Value) -> Outcome<()> {
        Kind::beat(self, at, &typed::<K>(state)?)
    }
}

fn typed<K: Kind>(state: &Value) -> Outcome<K::State> {
    K::State::deserialize(state).map_err(|error| {
        let name = K::ABOUT.name;
        Failure::io(format!("undo record of a {name}: {error}; look at the node by hand"))
    })
}

/// By name.
pub(crate) fn find(name: &str) -> Outcome<&'static dyn AnyKind> {
    KINDS.iter().copied().find(|kind| kind.about().name == name).ok_or_else(|| {
        let known: Vec<&str> = all().map(|about| about.name).collect();
        Failure::new("unsupported", format!("no fault {name:?}; there are {}", known.join(", ")))
    })
}

/// Each kind, tried.
pub(crate) fn probe() -> Vec<Probed> {
    KINDS.iter().map(|kind| kind.probe()).collect()
}

impl About {
    /// Refuses what is missing, unknown or out of its range.
    pub(crate) fn check(&self, parameters: &Parameters) -> Outcome<()> {
        let known = |name: &String| self.parameters.iter().any(|known| known.name == name);
        if let Some(name) = parameters.keys().find(|name| !known(name)) {
            return Err(Failure::refused(format!("{} has no parameter {name:?}", self.name)));
        }
        self.parameters.iter().try_for_each(
            |Parameter { name, possible: (least, most), .. }| match parameters.get(*name) {
                Some(value) if (least..=most).contains(&value) => Ok(()),
                value => Err(Failure::refused(format!(
                    "{}: {name} is {}; {least} to {most} are possible",
                    self.name,
                    value.map_or("missing".into(), i64::to_string),
                ))),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_are_missing_unknown_or_out_of_range_are_refused() {
        const PERIOD: Parameter =
            Parameter { name: "period_ms", possible: (10, 20), usual: (10, 20) };
        let about = About { name: "storm", parameters: &[PERIOD] };
        let said = |given: &[(&str, i64)]| {
            let given = given.iter().map(|(name, value)| (name.to_string(), *value)).collect();
            about.check(&given).map_or_else(|failure| failure.message, |()| String::new())
        };
        assert_eq!(said(&[("period_ms", 10)]), "");
        assert_eq!(said(&[]), "storm: period_ms is missing; 10 to 20 are possible");
        assert_eq!(said(&[("period_ms", 21)]), "storm: period_ms is 21; 10 to 20 are possible");
        let more = [("period_ms", 10), ("duty", 1)];
        assert_eq!(said(&more), "storm has no parameter \"duty\"");
    }

    #[test]
    fn what_is_drawn_is_possible_and_names_are_unique() {
        let mut names: Vec<&str> = all().map(|about| about.name).collect();
        for Parameter { name, possible, usual } in all().flat_map(|about| about.parameters) {
            assert!(possible.0 <= usual.0 && usual.0 <= usual.1, "{name}");
            assert!(usual.1 <= possible.1, "{name}");
        }
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
