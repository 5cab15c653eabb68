//! Against a store in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tribunal_harness::client::ClientError;
use tribunal_history::{ErrorClass, Mop, Observed, Op, TxnOp, Value};

use super::{Found, Looked, Seen, Span, Store, Stored, conflict, run};

/// A store in memory that somebody else changes between the two requests.
#[derive(Default)]
struct Memory {
    keys: BTreeMap<String, (Stored, u64)>,
    clock: u64,
    meddle: Option<&'static str>,
    lose: [bool; 2],
    puts: usize,
}

impl Memory {
    fn put(&mut self, key: &str, value: Stored) {
        self.clock += 1;
        self.keys.insert(key.into(), (value, self.clock));
    }

    fn found(&self, key: &String) -> Found {
        match self.keys.get(key) {
            Some((value, revision)) => Found { value: Some(value.clone()), revision: *revision },
            None => Found { value: None, revision: 0 },
        }
    }

    fn within(&self, (from, to): &Span) -> Vec<(String, Found)> {
        let keys = self.keys.range(from.clone()..to.clone());
        keys.map(|(key, _)| (key.clone(), self.found(key))).collect()
    }
}

fn lost() -> ClientError {
    ClientError::indefinite(ErrorClass::new("io"), "gone")
}

#[async_trait]
impl Store for Memory {
    async fn read(&mut self, keys: &[String], spans: &[Span]) -> Result<Looked, ClientError> {
        if self.lose[0] {
            return Err(lost());
        }
        let keys = keys.iter().map(|key| self.found(key)).collect();
        let spans = spans.iter().map(|span| self.within(span)).collect();
        if let Some(key) = self.meddle.take() {
            self.put(key, Stored::List(vec![77]));
        }
        Ok(Looked { keys, spans })
    }

    async fn write(&mut self, seen: &Seen, puts: &[(String, Stored)]) -> Result<(), ClientError> {
        let later = |(span, latest): &(Span, u64)| {
            self.within(span).iter().any(|(_, found)| found.revision > *latest)
        };
        let changed = |(key, revision): &(String, u64)| self.found(key).revision != *revision;
        if seen.keys.iter().any(changed) || seen.spans.iter().any(later) {
            return Err(conflict());
        }
        puts.iter().for_each(|(key, value)| self.put(key, value.clone()));
        self.puts += 1;
        if self.lose[1] { Err(lost()) } else { Ok(()) }
    }
}

fn append(key: i64, element: i64) -> Mop {
    Mop::Append { key: Value::Int(key), element: Value::Int(element) }
}

fn list(key: i64, elements: Option<&[i64]>) -> Mop {
    let elements = match elements {
        Some(seen) => Observed::Present(seen.iter().copied().map(Value::Int).collect()),
        None => Observed::Absent,
    };
    Mop::ReadList { key: Value::Int(key), elements }
}

fn attempt(store: &mut Memory, mops: &[Mop]) -> Result<Vec<Mop>, ClientError> {
    let asked = TxnOp { mops: mops.to_vec() }.pending();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(run(store, &asked))? {
        Op::Txn(answer) => {
            assert!(answer.answers(&asked));
            Ok(answer.mops)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn steps_see_the_steps_before_them() {
    let mut store = Memory::default();
    let first = [list(1, None), append(1, 5), list(1, Some(&[5])), append(1, 6), append(2, 7)];
    assert_eq!(attempt(&mut store, &first).unwrap(), first);
    let second = [list(2, Some(&[7])), list(1, Some(&[5, 6])), list(3, None)];
    assert_eq!(attempt(&mut store, &second).unwrap(), second);
    assert_eq!(store.puts, 1, "what only reads writes nothing");
    let write = Mop::Write { key: Value::Int(9), value: Value::Int(4) };
    let read = Mop::Read { key: Value::Int(9), value: Observed::Present(Value::Int(4)) };
    assert_eq!(attempt(&mut store, &[write.clone(), read.clone()]).unwrap(), [write, read]);
}

fn add(key: i64, delta: i64, after: Option<i64>) -> Mop {
    let value = after.map_or(Observed::Pending, Observed::Present);
    Mop::Add { key: Value::Int(key), delta, value }
}

#[test]
fn balances_are_added_to_and_never_fall_below_zero() {
    let mut store = Memory::default();
    let deposit = [add(1, 10, Some(10)), add(2, 5, Some(5)), add(1, 1, Some(11))];
    assert_eq!(attempt(&mut store, &deposit).unwrap(), deposit);
    let read = Mop::Read { key: Value::Int(2), value: Observed::Present(Value::Int(16)) };
    let transfer = [add(1, -11, Some(0)), add(2, 11, Some(16)), read];
    assert_eq!(attempt(&mut store, &transfer).unwrap(), transfer);
    store.put("#b3", Stored::parse(b"[1]"));
    let puts = store.puts;
    for (mops, class) in [
        ([add(2, 1, None), add(1, -1, None)], "insufficient"),
        ([add(2, i64::MAX, None), add(1, 1, None)], "insufficient"),
        ([add(2, 1, None), add(3, 1, None)], "no-number"),
    ] {
        match attempt(&mut store, &mops).unwrap_err() {
            ClientError::Definite { class: said, .. } => {
                assert_eq!(said, ErrorClass::new(class), "{mops:?}");
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(store.puts, puts, "nothing of a transaction that is refused is written");
    store.meddle = Some("#b1");
    assert!(attempt(&mut store, &[add(1, 1, None)]).is_err(), "an addition reads, too");
}

#[test]
fn a_change_of_any_key_read_is_a_conflict_and_of_another_is_none() {
    for (meddle, conflicts) in [("#b1", true), ("#b2", true), ("#b3", false)] {
        let mut store = Memory { meddle: Some(meddle), ..Memory::default() };
        let result = attempt(&mut store, &[list(1, None), append(2, 5)]);
        assert_eq!(result.is_err(), conflicts, "{meddle}");
        if let Err(error) = result {
            assert!(
                matches!(&error, ClientError::Definite { class, .. }
                if *class == ErrorClass::new("conflict")),
                "{error}"
            );
        }
    }
    let mut store = Memory { meddle: Some("#b1"), ..Memory::default() };
    assert!(attempt(&mut store, &[list(1, None)]).is_ok(), "a read happened when it read");
}

#[test]
fn only_the_second_lost_reply_of_a_write_hides_anything() {
    let mops = [list(1, None), append(2, 5)];
    let mut store = Memory { lose: [true, false], ..Memory::default() };
    let error = attempt(&mut store, &mops).unwrap_err();
    assert!(matches!(error, ClientError::Definite { .. }), "{error}");
    let mut store = Memory { lose: [false, true], ..Memory::default() };
    let error = attempt(&mut store, &mops).unwrap_err();
    assert!(matches!(error, ClientError::Indefinite { .. }), "{error}");
}

#[test]
fn what_somebody_else_put_there_is_shown_and_not_appended_to() {
    let mut store = Memory::default();
    store.put("#b1", Stored::parse(b"hello"));
    store.put("#b2", Stored::parse(b"12"));
    let seen = |key, raw: &[u8]| Mop::ReadList {
        key: Value::Int(key),
        elements: Observed::Present(vec![Value::unparsed(raw)]),
    };
    let reads = [seen(1, b"hello"), seen(2, b"12")];
    assert_eq!(attempt(&mut store, &reads).unwrap(), reads);
    let error = attempt(&mut store, &[append(1, 3)]).unwrap_err();
    assert!(matches!(error, ClientError::Definite { .. }), "{error}");
    for stored in [Stored::Int(-4), Stored::List(vec![]), Stored::List(vec![1, -2])] {
        assert_eq!(Stored::parse(&stored.text()), stored);
    }
}

fn scan(predicate: &str, found: &[(i64, i64)]) -> Mop {
    let found = found.iter().map(|(key, value)| (Value::Int(*key), Value::Int(*value)));
    let matches = Observed::Present(found.collect());
    Mop::ReadPredicate { predicate: predicate.into(), matches }
}

fn write(key: i64, value: i64) -> Mop {
    Mop::Write { key: Value::Int(key), value: Value::Int(value) }
}

#[test]
fn a_range_shows_what_there_is_and_what_was_written_before() {
    let mut store = Memory::default();
    let first = [scan("keys 8..12", &[]), write(9, 1), write(11, 2), write(12, 3)];
    assert_eq!(attempt(&mut store, &first).unwrap(), first);
    let second = [
        scan("keys 8..12", &[(9, 1), (11, 2)]),
        write(10, 4),
        scan("keys 8..12", &[(9, 1), (10, 4), (11, 2)]),
        scan("keys 0..9", &[]),
    ];
    assert_eq!(attempt(&mut store, &second).unwrap(), second);
    for predicate in ["keys", "keys 3..", "keys -1..4", "x > 3"] {
        let error = attempt(&mut store, &[scan(predicate, &[])]).unwrap_err();
        assert!(matches!(error, ClientError::Definite { .. }), "{error}");
    }
}

/// Meddling adds a key that nobody had asked for by its name.
#[test]
fn what_is_added_to_a_range_is_a_conflict() {
    for (meddle, conflicts) in [("#b3", true), ("#b9", true), ("#c10", false)] {
        let mut store = Memory::default();
        store.put("#b9", Stored::Int(1));
        store.meddle = Some(meddle);
        let result = attempt(&mut store, &[scan("keys 0..10", &[(9, 1)]), write(20, 1)]);
        assert_eq!(result.is_err(), conflicts, "{meddle}");
    }
    let mut store = Memory { meddle: Some("#b3"), ..Memory::default() };
    assert!(attempt(&mut store, &[scan("keys 0..10", &[]), write(20, 1)]).is_err(), "empty");
}
