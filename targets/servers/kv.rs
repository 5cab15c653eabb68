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

/// Another condition: of these registers none was changed, and none was added, since.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unchanged {
    /// Which.
    pub range: Range,
    /// The latest revision among them; 0 is "there are none".
    pub revision: u64,
}

/// Registers by the order of their names: from the first on, and before the second.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Within, if it is there.
    pub from: String,
    /// Not within any more.
    pub to: String,
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
    /// Read every register of a range, likewise.
    Range(Range),
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
    /// Conditions on ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchanged: Vec<Unchanged>,
    /// Steps in order.
    pub steps: Vec<Step>,
}

impl Txn {
    /// Whether it changes nothing whatever happens.
    pub fn only_reads(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Get { .. } | Step::Range(_)))
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
    /// A transaction was carried out: what each of its reads saw, in order.
    Seen(Vec<Seen>),
    /// A condition of a transaction did not hold: nothing was changed.
    Conflict,
}

/// What one read of a transaction saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// A get.
    Register(Option<Held>),
    /// A range: the registers that there are, in the order of their names.
    Registers(Vec<(String, Held)>),
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
        let lax = bugs.has(Bug::NoReadValidation) || bugs.has(Bug::NoRangeValidation);
        let unchanged = lax || txn.unchanged.iter().all(|range| self.is_unchanged(range));
        if !unchanged || !txn.compare.iter().filter(asked).all(|compare| self.meets(compare)) {
            return Applied::Conflict;
        }
        let puts = txn.steps.iter().filter(|step| matches!(step, Step::Put { .. })).count();
        let at_once = if bugs.has(Bug::TornTxn) { puts.div_ceil(2) } else { puts };
        let (mut seen, mut put) = (Vec::new(), 0);
        for step in &txn.steps {
            match step {
                Step::Get { key } => seen.push(Seen::Register(self.get(key).cloned())),
                Step::Range(range) => seen.push(self.registers(range)),
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

    fn is_unchanged(&self, Unchanged { range, revision }: &Unchanged) -> bool {
        self.within(range).all(|(_, held)| held.revision <= *revision)
    }

    fn within<'k>(
        &'k self,
        range: &Range,
    ) -> impl Iterator<Item = (&'k String, &'k Held)> + use<'k> {
        let Range { from, to } = range;
        let some = (from < to).then(|| self.registers.range::<String, _>(from..to));
        some.into_iter().flatten()
    }

    fn registers(&self, range: &Range) -> Seen {
        let all = self.within(range).map(|(key, held)| (key.clone(), held.clone()));
        Seen::Registers(all.collect())
    }

    /// Answers a transaction that [only reads](Txn::only_reads) from the state as it is.
    pub fn look(&self, txn: &Txn) -> Applied {
        let unchanged = txn.unchanged.iter().all(|range| self.is_unchanged(range));
        if !unchanged || !txn.compare.iter().all(|compare| self.meets(compare)) {
            return Applied::Conflict;
        }
        let get = |step: &Step| match step {
            Step::Get { key } => Some(Seen::Register(self.get(key).cloned())),
            Step::Range(range) => Some(self.registers(range)),
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
    use super::{Applied, Command, Compare, Held, Kv, Range, Seen, Step, Txn, Unchanged, Value};
    use crate::bugs::{Bug, BugSet};

    fn txn(compare: &[(&str, u64)], steps: &[Step]) -> Command {
        let compare = compare
            .iter()
            .map(|(key, revision)| Compare { key: key.to_string(), revision: *revision });
        let (compare, unchanged) = (compare.collect(), Vec::new());
        Command::Txn(Txn { compare, unchanged, steps: steps.to_vec() })
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

    fn saw(gets: Vec<Option<Held>>) -> Applied {
        Applied::Seen(gets.into_iter().map(Seen::Register).collect())
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
        assert_eq!(first, saw(vec![held(&[1], 7), None]), "a get sees the put before it");
        for compare in [("x", 0), ("x", 6), ("z", 1)] {
            let before = kv.clone();
            let command = txn(&[("y", 7), compare], &[put("y", &[9])]);
            assert_eq!(kv.apply(8, &command, clean()), Applied::Conflict, "{compare:?}");
            assert_eq!(kv, before);
        }
        let last = kv.apply(9, &txn(&[("x", 7), ("y", 7), ("z", 0)], &[put("x", &[])]), clean());
        assert_eq!(last, saw(vec![]));
        assert_eq!(kv.get("x").cloned(), held(&[], 9));
        let Command::Txn(reads) = txn(&[("y", 7)], &[get("x"), get("y")]) else { panic!() };
        assert!(reads.only_reads());
        assert_eq!(kv.look(&reads), saw(vec![held(&[], 9), held(&[2], 7)]));
    }

    #[test]
    fn a_torn_transaction_shows_its_second_half_with_the_next_entry() {
        let torn = BugSet::from_iter([Bug::TornTxn]);
        let mut kv = Kv::default();
        kv.apply(1, &txn(&[], &[put("x", &[1]), put("y", &[1]), put("z", &[1])]), torn);
        assert_eq!((kv.get("y").cloned(), kv.get("z").cloned()), (held(&[1], 1), None));
        assert_eq!(Kv::restore(&kv.clone().snapshot()).unwrap().get("z").cloned(), held(&[1], 1));
        let next = kv.apply(2, &txn(&[("z", 1)], &[put("z", &[1, 2])]), torn);
        assert_eq!(next, saw(vec![]), "no condition sees the half");
    }

    #[test]
    fn without_read_validation_only_what_is_written_is_compared() {
        let lax = BugSet::from_iter([Bug::NoReadValidation]);
        let mut kv = Kv::default();
        kv.apply(1, &txn(&[], &[put("x", &[1])]), lax);
        let skew = kv.apply(2, &txn(&[("x", 0), ("y", 0)], &[put("y", &[1])]), lax);
        assert_eq!(skew, saw(vec![]));
        assert_eq!(kv.apply(3, &txn(&[("x", 0)], &[put("x", &[])]), lax), Applied::Conflict);
    }

    #[test]
    fn a_range_shows_what_is_within_and_nothing_may_change_there() {
        let mut kv = Kv::default();
        let range = || Range { from: "b".into(), to: "d".into() };
        for (at, key) in (1..).zip(["a", "b", "d"]) {
            kv.apply(at, &txn(&[], &[put(key, &[1])]), clean());
        }
        let look = Txn { compare: vec![], unchanged: vec![], steps: vec![Step::Range(range())] };
        assert!(look.only_reads());
        let held = |revision| Held { value: Value::List(vec![1]), revision };
        let seen = |all: &[(&str, u64)]| {
            let all = all.iter().map(|(key, revision)| (key.to_string(), held(*revision)));
            Applied::Seen(vec![Seen::Registers(all.collect())])
        };
        assert_eq!(kv.look(&look), seen(&[("b", 2)]));
        let change = |revision, key: &str| {
            let unchanged = vec![Unchanged { range: range(), revision }];
            Command::Txn(Txn { compare: vec![], unchanged, steps: vec![put(key, &[1])] })
        };
        // What is added within is noticed as what is changed there; the end is not within.
        assert_eq!(kv.apply(4, &change(2, "d"), clean()), saw(vec![]));
        assert_eq!(kv.apply(5, &change(2, "c"), clean()), saw(vec![]));
        assert_eq!(kv.apply(6, &change(2, "e"), clean()), Applied::Conflict);
        assert_eq!(kv.apply(7, &change(5, "e"), clean()), saw(vec![]));
        assert_eq!(kv.look(&look), seen(&[("b", 2), ("c", 5)]));
        let lax = BugSet::from_iter([Bug::NoRangeValidation]);
        assert_eq!(kv.apply(8, &change(2, "b"), lax), saw(vec![]));
        let backwards = Range { from: "d".into(), to: "b".into() };
        let look = Txn { steps: vec![Step::Range(backwards)], ..look };
        assert_eq!(kv.look(&look), seen(&[]));
    }
}
