//! The text of PolySI: `r(KEY,VALUE,SESSION,TXN)` and `w(..)`, in program order.
//!
//! Lines of one session that name the same transaction follow each other, perhaps between lines of
//! other sessions. Transaction -1 stands for writes of aborted transactions: which of them belong
//! together is not said, so that each is one. There are no times. What a read of 0 means is said in
//! `sessions.rs`.

use std::collections::BTreeMap;
use std::io::Write;

use rustc_hash::FxHashSet;

use super::losses::Losses;
use super::sessions::{self, Holds, LINE_LIMIT, Step};
use super::window::Window;
use super::{CodecError, tape};
use crate::{Builder, History, Outcome, Process, Session};

const HOLDS: Holds =
    Holds { name: "polysi", aborted: true, nothing: false, negative: true, numbers: true };

/// The transaction of aborted writes.
const ABORTED: i64 = -1;

/// The transaction of a session that is being read.
#[derive(Default)]
struct Open {
    txn: i64,
    line: u64,
    steps: Vec<Step>,
    /// Aborted writes that follow, each with its line.
    aborted: Vec<(Step, u64)>,
}

impl Open {
    fn close(&mut self, builder: &mut Builder, session: u32) -> Result<(), CodecError> {
        let mut add = |outcome, steps: &[Step], line| {
            sessions::add(builder, Process(session), outcome, steps)
                .map_err(|source| CodecError::Events { line, source })
        };
        if !self.steps.is_empty() {
            add(Outcome::Ok, &self.steps, self.line)?;
            self.steps.clear();
        }
        self.aborted.drain(..).try_for_each(|(step, line)| add(Outcome::Fail, &[step], line))
    }
}

pub(super) fn read(mut window: Window<'_>) -> Result<(History, Vec<String>), CodecError> {
    let mut builder = Builder::per_session();
    let mut open_in: BTreeMap<u32, Open> = BTreeMap::new();
    let mut known: FxHashSet<(u32, i64)> = FxHashSet::default();
    let mut number = 0;
    while let Some(length) = window.line(LINE_LIMIT)? {
        number += 1;
        if let Some((step, session, txn)) = parse(&window, length)? {
            let open = open_in.entry(session).or_default();
            if txn == ABORTED {
                open.aborted.push((step, number));
            } else if open.txn == txn && !open.steps.is_empty() {
                open.steps.push(step);
            } else if known.insert((session, txn)) {
                open.close(&mut builder, session)?;
                open.steps.push(step);
                (open.txn, open.line) = (txn, number);
            } else {
                let message = format!(
                    "transaction {txn} of session {session} goes on, but another one began since"
                );
                return Err(window.error(0, message));
            }
        }
        window.consume(length + 1);
    }
    for (session, mut open) in open_in {
        open.close(&mut builder, session)?;
    }
    Ok(sessions::finish(builder))
}

/// `None` of a blank line.
fn parse(window: &Window<'_>, length: usize) -> Result<Option<(Step, u32, i64)>, CodecError> {
    let line = &window.data()[..length];
    let trimmed = line.trim_ascii();
    let at = |part: &[u8]| tape::offset_in(line, part);
    let (writes, inner) = match trimmed {
        [] => return Ok(None),
        [b'r', b'(', inner @ .., b')'] => (false, inner),
        [b'w', b'(', inner @ .., b')'] => (true, inner),
        [..] => {
            let message = "a line must be `r(KEY,VALUE,SESSION,TXN)` or `w(KEY,VALUE,SESSION,TXN)`";
            return Err(window.error(at(trimmed), message));
        }
    };
    let mut parts = inner.split(|byte| *byte == b',');
    let mut int = |name: &str| {
        let part = parts.next().map(<[u8]>::trim_ascii);
        match part.map(|part| (part, tape::ascii_int(part))) {
            Some((_, Some(int))) => Ok(int),
            Some((part, None)) => {
                Err(window.error(at(part), format!("the {name} must be an integer of 64 bits")))
            }
            None => Err(window.error(length - 1, format!("the {name} is missing"))),
        }
    };
    let (key, value) = (int("key")?, int("value")?);
    let (session, txn) = (int("session")?, int("transaction")?);
    if let Some(part) = parts.next() {
        return Err(window.error(at(part), "nothing may follow the transaction"));
    }
    let Ok(session) = u32::try_from(session) else {
        return Err(window.error(at(inner), format!("session {session} is out of range")));
    };
    Ok(Some((Step { writes, key, value: Some(value) }, session, txn)))
}

pub(super) fn write(history: &History, out: &mut impl Write) -> Result<Vec<String>, CodecError> {
    let mut losses = Losses::default();
    let all = sessions::told(history, HOLDS, &mut losses)?;
    let mut txn = 0;
    for (Session(session), transactions) in &all {
        for transaction in transactions {
            let number = if transaction.committed { txn } else { ABORTED };
            txn += i64::from(transaction.committed);
            if !transaction.committed && transaction.steps.len() > 1 {
                losses.count("aborted transactions taken apart, one for each of their writes");
            }
            for Step { writes, key, value } in &transaction.steps {
                let word = if *writes { 'w' } else { 'r' };
                let value = value.unwrap_or(sessions::INITIAL);
                writeln!(out, "{word}({key},{value},{session},{number})")?;
            }
        }
    }
    Ok(losses.sentences())
}
