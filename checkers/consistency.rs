//! Consistency models that some checker decides, and which of them imply which.
//!
//! Viotti & Vukolić, "Consistency in Non-Transactional Distributed Storage Systems", ACM Computing
//! Surveys 49 (2016), figure 1. An entry is added when a checker can rule it in or out.

use crate::AnomalyKind;

/// One promise about the order of operations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Consistency {
    /// One copy, in real time (Herlihy & Wing 1990).
    Linearizable,
    /// One copy, in the order of each process (Lamport 1979).
    Sequential,
    /// Causes before effects (Ahamad et al. 1995).
    Causal,
    /// The writes of each process in their order (Lipton & Sandberg 1988).
    Pram,
}

/// Strongest first; each model implies every later one.
const CHAIN: [Consistency; 4] =
    [Consistency::Linearizable, Consistency::Sequential, Consistency::Causal, Consistency::Pram];

/// Which models a finding rules out. What it rules out, every stronger model is ruled out by too.
const RULED_OUT: [(AnomalyKind, Consistency); 2] = [
    // No order of the operations of one object is legal and real-time.
    (AnomalyKind::NONLINEARIZABLE, Consistency::Linearizable),
    // A value that nobody wrote is legal in no model that has legality at all.
    (AnomalyKind::UNPARSEABLE, Consistency::Pram),
];

impl Consistency {
    /// Every model, strongest first.
    pub const ALL: [Consistency; 4] = CHAIN;

    /// The name, as on the command line and in every format.
    pub fn name(self) -> &'static str {
        match self {
            Consistency::Linearizable => "linearizable",
            Consistency::Sequential => "sequential",
            Consistency::Causal => "causal",
            Consistency::Pram => "pram",
        }
    }

    /// The model called `name`.
    pub fn named(name: &str) -> Option<Consistency> {
        CHAIN.into_iter().find(|model| model.name() == name)
    }

    /// Whether every history that keeps this promise keeps `weaker` too.
    pub fn implies(self, weaker: Consistency) -> bool {
        self <= weaker
    }

    /// The models a finding of `kind` rules out, strongest first.
    pub fn ruled_out_by(kind: AnomalyKind) -> Vec<Consistency> {
        let weakest = RULED_OUT.iter().find(|(known, _)| *known == kind).map(|(_, model)| *model);
        CHAIN.into_iter().filter(|model| weakest.is_some_and(|weakest| *model <= weakest)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Consistency::{Causal, Linearizable, Pram, Sequential};
    use super::{Consistency, RULED_OUT};
    use crate::AnomalyKind;

    #[test]
    fn stronger_models_imply_weaker_ones() {
        assert!(Linearizable.implies(Sequential) && Sequential.implies(Causal));
        assert!(!Causal.implies(Sequential));
        assert!(Pram.implies(Pram));
    }

    #[test]
    fn a_finding_rules_out_what_implies_what_it_rules_out() {
        let ruled_out = Consistency::ruled_out_by(AnomalyKind::NONLINEARIZABLE);
        assert_eq!(ruled_out, vec![Linearizable], "sequential may well hold");
        assert_eq!(Consistency::ruled_out_by(AnomalyKind::UNPARSEABLE).len(), 4);
        assert_eq!(Consistency::ruled_out_by(AnomalyKind("no such kind")), vec![]);
        assert_eq!(RULED_OUT.len(), 2);
    }

    #[test]
    fn names_are_found_again() {
        assert_eq!(Consistency::named("causal"), Some(Causal));
        assert_eq!(Consistency::named("strong"), None);
    }
}
