//! The replicated state machine: registers by name, each holding an integer or a list of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, BugSet};

/// What a register can hold.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Int(i64),
    /// Numbers in order.
    List(Vec<i64>),
}

impl From<i64> for Value {
    fn from(int: i64) -> Value {
        Value::Int(int)
    }
}

/// A value and when it came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Held {
    /// What the register holds.
    pub value: Value,
    /// Index of the log entry that changed it last; never 0.
    pub revision: u64,
}

/// A condition of a transaction: the register was not changed since.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// Register.
    pub key: String,
    /// Its revision; 0 is "there is no such register".
    pub revision: u64,
}

/// One step of a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Read a register, as the steps before left it.
    Get {
        /// Register.
        key: String,
    },
    /// Set one.
    Put {
        /// Register.
        key: String,
        /// New value.
        value: Value,
    },
}

/// A transaction: if every condition holds, every step, at one instant; otherwise none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Txn {
    /// Conditions.
    #[serde(default)]
    pub compare: Vec<Compare>,
    /// Steps in order.
    pub steps: Vec<Step>,
}

impl Txn {
    /// Whether it changes nothing whatever happens.
    pub fn only_reads(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Get { .. }))
    }

    fn puts(&self, key: &str) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Put { key: put, .. } if put == key))
    }
}

/// What is written to the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Nothing: the first entry of each leader, so that it learns what is committed (paper, 8).
    Noop,
    /// Set a register.
    Put {
        /// Register.
        key: String,
        /// New value.
        value: Value,
    },
    /// Set a register if it holds `from`; `None` is "there is no such register".
    Cas {
        /// Register.
        key: String,
        /// Expected.
        from: Option<Value>,
        /// New value.
        to: Value,
    },
    /// A transaction that writes.
    Txn(Txn),
}

/// What applying a command says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Applied {
    /// Carried out.
    Done,
    /// A compare-and-set found another value and changed nothing.
    Mismatch,
    /// A transaction was carried out: what its gets saw, in order.
    Seen(Vec<Option<Held>>),
    /// A condition of a transaction did not hold: nothing was changed.
    Conflict,
}

/// The registers. Ordered, so that equal states have equal snapshots.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kv {
    registers: BTreeMap<String, Held>,
    /// The planted bug `torn-txn`: puts of the last transaction that nobody sees yet.
    #[serde(skip)]
    late: Vec<(String, Held)>,
}

impl Kv {
    /// What a register holds.
    pub fn get(&self, key: &str) -> Option<&Held> {
        self.registers.get(key)
    }

    fn revision(&self, key: &str) -> u64 {
        self.get(key).map_or(0, |held| held.revision)
    }

    fn holds(&self, key: &str, value: Option<&Value>) -> bool {
        self.get(key).map(|held| &held.value) == value
    }

    /// Applies the committed entry `index`. Deterministic: every replica gives the same answer.
    pub fn apply(&mut self, index: u64, command: &Command, bugs: BugSet) -> Applied {
        self.settle();
        let held = |value: &Value| Held { value: value.clone(), revision: index };
        match command {
            Command::Noop => Applied::Done,
            Command::Put { key, value } => {
                self.registers.insert(key.clone(), held(value));
                Applied::Done
            }
            Command::Cas { key, from, to } if self.holds(key, from.as_ref()) => {
                self.registers.insert(key.clone(), held(to));
                Applied::Done
            }
            Command::Cas { .. } => Applied::Mismatch,
            Command::Txn(txn) => self.transact(index, txn, bugs),
        }
    }

    fn transact(&mut self, index: u64, txn: &Txn, bugs: BugSet) -> Applied {
        let asked = |compare: &&Compare| !bugs.has(Bug::NoReadValidation) || txn.puts(&compare.key);
        if !txn.compare.iter().filter(asked).all(|compare| self.meets(compare)) {
            return Applied::Conflict;
        }
        let puts = txn.steps.iter().filter(|step| matches!(step, Step::Put { .. })).count();
        let at_once = if bugs.has(Bug::TornTxn) { puts.div_ceil(2) } else { puts };
        let (mut seen, mut put) = (Vec::new(), 0);
        for step in &txn.steps {
            match step {
                Step::Get { key } => seen.push(self.get(key).cloned()),
                Step::Put { key, value } => {
                    let held = Held { value: value.clone(), revision: index };
                    if put < at_once {
                        self.registers.insert(key.clone(), held);
                    } else {
                        self.late.push((key.clone(), held));
                    }
                    put += 1;
                }
            }
        }
        Applied::Seen(seen)
    }

    fn meets(&self, compare: &Compare) -> bool {
        self.revision(&compare.key) == compare.revision
    }

    /// Answers a transaction that [only reads](Txn::only_reads) from the state as it is.
    pub fn look(&self, txn: &Txn) -> Applied {
        if !txn.compare.iter().all(|compare| self.meets(compare)) {
            return Applied::Conflict;
        }
        let get = |step: &Step| match step {
            Step::Get { key } => Some(self.get(key).cloned()),
            Step::Put { .. } => None,
        };
        Applied::Seen(txn.steps.iter().filter_map(get).collect())
    }

    /// Shows what a torn transaction has held back. Nothing to do in a clean server.
    pub fn settle(&mut self) {
        self.registers.extend(self.late.drain(..));
    }

    /// The whole state as JSON.
    pub fn snapshot(&mut self) -> String {
        self.settle();
        serde_json::to_string(self).expect("a map of strings to integers and lists is always JSON")
    }

    /// The state a snapshot holds.
    ///
    /// # Errors
    /// Text that no [`Kv::snapshot`] wrote.
    pub fn restore(snapshot: &str) -> Result<Kv, serde_json::Error> {
        serde_json::from_str(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::{Applied, Command, Compare, Held, Kv, Step, Txn, Value};
    use crate::bugs::{Bug, BugSet};

    fn txn(compare: &[(&str, u64)], steps: &[Step]) -> Command {
        let compare = compare
            .iter()
            .map(|(key, revision)| Compare { key: key.to_string(), revision: *revision });
        Command::Txn(Txn { compare: compare.collect(), steps: steps.to_vec() })
    }

    fn put(key: &str, value: &[i64]) -> Step {
        Step::Put { key: key.into(), value: Value::List(value.to_vec()) }
    }

    fn get(key: &str) -> Step {
        Step::Get { key: key.into() }
    }

    fn held(value: &[i64], revision: u64) -> Option<Held> {
        Some(Held { value: Value::List(value.to_vec()), revision })
    }

    fn clean() -> BugSet {
        BugSet::default()
    }

    #[test]
    fn cas_compares_absence_too() {
        let mut kv = Kv::default();
        let cas = |from: Option<i64>, to: i64| Command::Cas {
            key: "k".into(),
            from: from.map(Value::Int),
            to: Value::Int(to),
        };
        assert_eq!(kv.apply(1, &cas(Some(0), 1), clean()), Applied::Mismatch);
        assert_eq!(kv.apply(2, &cas(None, 1), clean()), Applied::Done);
        assert_eq!(kv.apply(3, &cas(None, 2), clean()), Applied::Mismatch);
        assert_eq!(kv.apply(4, &cas(Some(1), 3), clean()), Applied::Done);
        let restored = Kv::restore(&kv.snapshot()).unwrap();
        assert_eq!(restored.get("k"), Some(&Held { value: Value::Int(3), revision: 4 }));
    }

    #[test]
    fn a_transaction_happens_whole_or_not_at_all() {
        let mut kv = Kv::default();
        let both = [put("x", &[1]), get("x"), put("y", &[2]), get("z")];
        let first = kv.apply(7, &txn(&[("x", 0), ("y", 0)], &both), clean());
        assert_eq!(first, Applied::Seen(vec![held(&[1], 7), None]), "a get sees the put before it");
        for compare in [("x", 0), ("x", 6), ("z", 1)] {
            let before = kv.clone();
            let command = txn(&[("y", 7), compare], &[put("y", &[9])]);
            assert_eq!(kv.apply(8, &command, clean()), Applied::Conflict, "{compare:?}");
            assert_eq!(kv, before);
        }
        let last = kv.apply(9, &txn(&[("x", 7), ("y", 7), ("z", 0)], &[put("x", &[])]), clean());
        assert_eq!(last, Applied::Seen(vec![]));
        assert_eq!(kv.get("x").cloned(), held(&[], 9));
        let Command::Txn(reads) = txn(&[("y", 7)], &[get("x"), get("y")]) else { panic!() };
        assert!(reads.only_reads());
        assert_eq!(kv.look(&reads), Applied::Seen(vec![held(&[], 9), held(&[2], 7)]));
    }

    #[test]
    fn a_torn_transaction_shows_its_second_half_with_the_next_entry() {
        let torn = BugSet::from_iter([Bug::TornTxn]);
        let mut kv = Kv::default();
        kv.apply(1, &txn(&[], &[put("x", &[1]), put("y", &[1]), put("z", &[1])]), torn);
        assert_eq!((kv.get("y").cloned(), kv.get("z").cloned()), (held(&[1], 1), None));
        assert_eq!(Kv::restore(&kv.clone().snapshot()).unwrap().get("z").cloned(), held(&[1], 1));
        let next = kv.apply(2, &txn(&[("z", 1)], &[put("z", &[1, 2])]), torn);
        assert_eq!(next, Applied::Seen(vec![]), "no condition sees the half");
    }

    #[test]
    fn without_read_validation_only_what_is_written_is_compared() {
        let lax = BugSet::from_iter([Bug::NoReadValidation]);
        let mut kv = Kv::default();
        kv.apply(1, &txn(&[], &[put("x", &[1])]), lax);
        let skew = kv.apply(2, &txn(&[("x", 0), ("y", 0)], &[put("y", &[1])]), lax);
        assert_eq!(skew, Applied::Seen(vec![]));
        assert_eq!(kv.apply(3, &txn(&[("x", 0)], &[put("x", &[])]), lax), Applied::Conflict);
    }
}
