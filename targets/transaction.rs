//! Transactions on a store of single keys that offers two things: an atomic read of several keys,
//! and an atomic write of several under the condition that others have not changed.
//!
//! Optimistic, in two requests: every key that the transaction touches is read at one instant;
//! its steps are carried out here; what they wrote is put if every key that was read is as it was.
//! So the transaction happens at the instant of the second request, or, if it only reads, at that
//! of the first. One attempt: who meets a conflict has failed, and is not tried again.
//!
//! What a lost reply means: that of the second request may hide a transaction that happened. That
//! of the first hides nothing, because the second was never sent.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tribunal_harness::client::ClientError;
use tribunal_history::{ErrorClass, Mop, Observed, Op, TxnOp, Value};

use crate::register;

/// What a key holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stored {
    /// A register.
    Int(i64),
    /// A list.
    List(Vec<i64>),
    /// Nothing that was put there by this module.
    Foreign(Vec<u8>),
}

impl Stored {
    /// From the text that [`Stored::text`] writes; anything else is foreign.
    pub(crate) fn parse(raw: &[u8]) -> Stored {
        let text = std::str::from_utf8(raw).unwrap_or_default();
        match (text.parse(), serde_json::from_str(text)) {
            (Ok(int), _) => Stored::Int(int),
            (Err(_), Ok(list)) => Stored::List(list),
            (Err(_), Err(_)) => Stored::Foreign(raw.to_vec()),
        }
    }

    /// As text, for stores of text.
    pub(crate) fn text(&self) -> Vec<u8> {
        match self {
            Stored::Int(int) => int.to_string().into_bytes(),
            Stored::List(list) => format!("{list:?}").into_bytes(),
            Stored::Foreign(raw) => raw.clone(),
        }
    }
}

/// What a read of one key found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) value: Option<Stored>,
    /// Grows with every change of the key; 0 where there is no such key.
    pub(crate) revision: u64,
}

/// The two requests.
#[async_trait]
pub(crate) trait Store: Send {
    /// Reads every key at one instant: one answer for each, in order.
    async fn read(&mut self, keys: &[String]) -> Result<Vec<Found>, ClientError>;

    /// Puts all, if every key of `seen` still has its revision; otherwise [`conflict`].
    async fn write(
        &mut self,
        seen: &[(String, u64)],
        puts: &[(String, Stored)],
    ) -> Result<(), ClientError>;
}

/// A key that was read has changed: nothing was written.
pub(crate) fn conflict() -> ClientError {
    ClientError::definite(ErrorClass::new("conflict"), "a key has changed since it was read")
}

/// Carries `txn` out.
///
/// # Errors
/// `conflict`, what the store said, or a step that makes no sense on what the key holds.
pub(crate) async fn run(store: &mut dyn Store, txn: &TxnOp) -> Result<Op, ClientError> {
    let keys = keys(txn)?;
    if keys.is_empty() {
        return Ok(Op::Txn(txn.clone()));
    }
    let writes = txn.mops.iter().any(Mop::writes);
    let found = match store.read(&keys).await {
        Ok(found) => found,
        Err(ClientError::Indefinite { class, detail }) if writes => {
            return Err(ClientError::definite(class, format!("nothing was written: {detail}")));
        }
        Err(error) => return Err(error),
    };
    let seen: Vec<(String, u64)> =
        keys.iter().cloned().zip(found.iter().map(|found| found.revision)).collect();
    let values = keys.into_iter().zip(found.into_iter().map(|found| found.value));
    let mut local = Local { values: values.collect(), written: Vec::new() };
    let mops = txn.mops.iter().map(|mop| local.step(mop)).collect::<Result<_, _>>()?;
    if writes {
        store.write(&seen, &local.puts()).await?;
    }
    Ok(Op::Txn(TxnOp { mops }))
}

/// Every key that is touched, once, in the order of first use.
fn keys(txn: &TxnOp) -> Result<Vec<String>, ClientError> {
    let mut keys = Vec::new();
    for mop in &txn.mops {
        let key = register::key(key_of(mop)?)?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn key_of(mop: &Mop) -> Result<&Value, ClientError> {
    mop.key().ok_or_else(|| register::unsupported("this target has no predicates"))
}

/// The keys as the transaction sees them.
struct Local {
    values: BTreeMap<String, Option<Stored>>,
    written: Vec<String>,
}

impl Local {
    /// Does one step, and fills in what it saw.
    fn step(&mut self, mop: &Mop) -> Result<Mop, ClientError> {
        let name = register::key(key_of(mop)?)?;
        let held = self.values.get(&name).cloned().flatten();
        Ok(match mop {
            Mop::Read { key, .. } => {
                let value = held.map_or(Observed::Absent, |held| Observed::Present(value(held)));
                Mop::Read { key: key.clone(), value }
            }
            Mop::ReadList { key, .. } => {
                let elements =
                    held.map_or(Observed::Absent, |held| Observed::Present(elements(held)));
                Mop::ReadList { key: key.clone(), elements }
            }
            Mop::Write { value, .. } => {
                self.set(name, Stored::Int(register::int(value)?));
                mop.clone()
            }
            Mop::Append { element, .. } => {
                let element = register::int(element)?;
                let mut list = match held {
                    None => Vec::new(),
                    Some(Stored::List(list)) => list,
                    Some(other @ (Stored::Int(_) | Stored::Foreign(_))) => {
                        let detail = format!("{name} holds {}, which is no list", value(other));
                        return Err(ClientError::definite(ErrorClass::new("no-list"), detail));
                    }
                };
                list.push(element);
                self.set(name, Stored::List(list));
                mop.clone()
            }
            Mop::Add { key, delta, .. } => {
                let after = Local::sum(&name, held, *delta)?;
                self.set(name, Stored::Int(after));
                Mop::Add { key: key.clone(), delta: *delta, value: Observed::Present(after) }
            }
            Mop::ReadPredicate { .. } => {
                return Err(register::unsupported("this target has no predicates"));
            }
        })
    }

    /// The balance after an addition: nothing there is zero, and less than zero is refused.
    fn sum(name: &str, held: Option<Stored>, delta: i64) -> Result<i64, ClientError> {
        let held = match held {
            None => 0,
            Some(Stored::Int(int)) => int,
            Some(other @ (Stored::List(_) | Stored::Foreign(_))) => {
                let detail = format!("{name} holds {}, which is no number", value(other));
                return Err(ClientError::definite(ErrorClass::new("no-number"), detail));
            }
        };
        held.checked_add(delta).filter(|after| *after >= 0).ok_or_else(|| {
            let detail = format!("{name} holds {held}, to which {delta} cannot be added");
            ClientError::definite(ErrorClass::new("insufficient"), detail)
        })
    }

    fn set(&mut self, key: String, value: Stored) {
        if !self.written.contains(&key) {
            self.written.push(key.clone());
        }
        self.values.insert(key, Some(value));
    }

    /// The last value of every key that was written.
    fn puts(&self) -> Vec<(String, Stored)> {
        let put = |key: &String| Some((key.clone(), self.values.get(key)?.clone()?));
        self.written.iter().filter_map(put).collect()
    }
}

/// What a read of a register saw.
fn value(held: Stored) -> Value {
    match held {
        Stored::Int(int) => Value::Int(int),
        other @ (Stored::List(_) | Stored::Foreign(_)) => Value::unparsed(&other.text()),
    }
}

/// What a read of a list saw: of what is no list, one element that nobody appended.
fn elements(held: Stored) -> Vec<Value> {
    match held {
        Stored::List(list) => list.into_iter().map(Value::Int).collect(),
        other @ (Stored::Int(_) | Stored::Foreign(_)) => vec![Value::unparsed(&other.text())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    fn lost() -> ClientError {
        ClientError::indefinite(ErrorClass::new("io"), "gone")
    }

    #[async_trait]
    impl Store for Memory {
        async fn read(&mut self, keys: &[String]) -> Result<Vec<Found>, ClientError> {
            if self.lose[0] {
                return Err(lost());
            }
            let found = |key: &String| match self.keys.get(key) {
                Some((value, revision)) => {
                    Found { value: Some(value.clone()), revision: *revision }
                }
                None => Found { value: None, revision: 0 },
            };
            let found = keys.iter().map(found).collect();
            if let Some(key) = self.meddle.take() {
                self.put(key, Stored::List(vec![77]));
            }
            Ok(found)
        }

        async fn write(
            &mut self,
            seen: &[(String, u64)],
            puts: &[(String, Stored)],
        ) -> Result<(), ClientError> {
            let now = |key: &String| self.keys.get(key).map_or(0, |(_, revision)| *revision);
            if seen.iter().any(|(key, revision)| now(key) != *revision) {
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
        store.put("3", Stored::parse(b"[1]"));
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
        store.meddle = Some("1");
        assert!(attempt(&mut store, &[add(1, 1, None)]).is_err(), "an addition reads, too");
    }

    #[test]
    fn a_change_of_any_key_read_is_a_conflict_and_of_another_is_none() {
        for (meddle, conflicts) in [("1", true), ("2", true), ("3", false)] {
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
        let mut store = Memory { meddle: Some("1"), ..Memory::default() };
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
        store.put("1", Stored::parse(b"hello"));
        store.put("2", Stored::parse(b"12"));
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
}
