//! Transactions on a store of single keys that offers two things: an atomic read of several keys
//! and ranges of keys, and an atomic write of several under the condition that others have not
//! changed.
//!
//! Optimistic, in two requests: every key and range that the transaction touches is read at one
//! instant; its steps are carried out here; what they wrote is put if everything that was read is
//! as it was, and nothing was added to a range.
//! So the transaction happens at the instant of the second request, or, if it only reads, at that
//! of the first. One attempt: who meets a conflict has failed, and is not tried again.
//!
//! What a lost reply means: that of the second request may hide a transaction that happened. That
//! of the first hides nothing, because the second was never sent.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tribunal_harness::client::ClientError;
use tribunal_history::{ErrorClass, KeyRange, Mop, NoKeyRange, Op, TxnOp, Value};

use self::local::Local;
use crate::register;

mod local;
#[cfg(test)]
mod tests;

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

/// Keys from the first text on and before the second.
pub(crate) type Span = (String, String);

/// What a read at one instant found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Looked {
    /// One for each key that was asked for, in order.
    pub(crate) keys: Vec<Found>,
    /// One for each range, in order: what there is, by key.
    pub(crate) spans: Vec<Vec<(String, Found)>>,
}

/// What must not have changed when a transaction writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Seen {
    /// Keys with their revisions.
    pub(crate) keys: Vec<(String, u64)>,
    /// Ranges with the latest revision of any key there, 0 if there was none: a key that is added
    /// has a later one.
    pub(crate) spans: Vec<(Span, u64)>,
}

/// The two requests.
#[async_trait]
pub(crate) trait Store: Send {
    /// Reads every key and every range at one instant.
    async fn read(&mut self, keys: &[String], spans: &[Span]) -> Result<Looked, ClientError>;

    /// Puts all, if everything is as it was `seen`; otherwise [`conflict`].
    async fn write(&mut self, seen: &Seen, puts: &[(String, Stored)]) -> Result<(), ClientError>;
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
    let (keys, spans) = touched(txn)?;
    if keys.is_empty() && spans.is_empty() {
        return Ok(Op::Txn(txn.clone()));
    }
    let writes = txn.mops.iter().any(Mop::writes);
    let looked = match store.read(&keys, &spans).await {
        Ok(looked) => looked,
        Err(ClientError::Indefinite { class, detail }) if writes => {
            return Err(ClientError::definite(class, format!("nothing was written: {detail}")));
        }
        Err(error) => return Err(error),
    };
    let (seen, values) = apart(keys, spans, looked);
    let mut local = Local::new(values);
    let mops = txn.mops.iter().map(|mop| local.step(mop)).collect::<Result<_, _>>()?;
    if writes {
        store.write(&seen, &local.puts()).await?;
    }
    Ok(Op::Txn(TxnOp { mops }))
}

/// Every key and every range that is touched, once, in the order of first use.
fn touched(txn: &TxnOp) -> Result<(Vec<String>, Vec<Span>), ClientError> {
    let (mut keys, mut spans) = (Vec::new(), Vec::new());
    for mop in &txn.mops {
        match mop {
            Mop::ReadPredicate { predicate, .. } => {
                let span = span(predicate)?;
                if !spans.contains(&span) {
                    spans.push(span);
                }
            }
            Mop::Read { key, .. }
            | Mop::Write { key, .. }
            | Mop::Append { key, .. }
            | Mop::ReadList { key, .. }
            | Mop::Add { key, .. } => {
                let key = register::key(key)?;
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
    }
    Ok((keys, spans))
}

/// The range of texts that a predicate is about.
fn span(predicate: &str) -> Result<Span, ClientError> {
    match predicate.parse() {
        Ok(KeyRange { from: Some(from), to: Some(to) }) if from >= 0 && to >= 0 => {
            let key = |key| register::key(&Value::Int(key));
            Ok((key(from)?, key(to)?))
        }
        Ok(KeyRange { .. }) | Err(NoKeyRange) => {
            let what = format!("{predicate:?} is no range of keys with two ends from 0 on");
            Err(register::unsupported(what))
        }
    }
}

/// What must stay as it is, and what every key holds.
fn apart(
    keys: Vec<String>,
    spans: Vec<Span>,
    looked: Looked,
) -> (Seen, BTreeMap<String, Option<Stored>>) {
    let mut seen = Seen::default();
    for (span, found) in spans.into_iter().zip(&looked.spans) {
        let latest = found.iter().map(|(_, found)| found.revision).max();
        seen.spans.push((span, latest.unwrap_or(0)));
    }
    let all = keys.into_iter().zip(looked.keys).chain(looked.spans.into_iter().flatten());
    let mut values = BTreeMap::new();
    for (key, Found { value, revision }) in all {
        seen.keys.push((key.clone(), revision));
        values.insert(key, value);
    }
    (seen, values)
}
