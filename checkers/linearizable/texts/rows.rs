//! What the rows of a history assert of one key: texts written, and texts seen.

use std::borrow::Cow;

use tribunal_history::{Code, F, History, OpIndex, Operation, Outcome, Value};

use super::decide::Stop;
use super::traps::{Planted, Trap};
use crate::linearizable::meter::chunk_bytes;
use crate::linearizable::models::text;
use crate::linearizable::{Allowance, NEVER, NilRead, Partition};

/// Operations between two looks at the budget.
const POLL: usize = 1 << 12;

/// A put or an append. Ranks are moved by one: at 0 the key holds its initial text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Write {
    pub(super) op: u32,
    pub(super) call: u32,
    /// [`NEVER`] if it crashed.
    pub(super) ret: u32,
    pub(super) puts: bool,
}

/// A completed get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Get {
    pub(super) op: u32,
    pub(super) call: u32,
    pub(super) ret: u32,
}

/// The operations of one key that assert something.
pub(super) struct Rows<'h> {
    pub(super) writes: Vec<(Cow<'h, str>, Write)>,
    /// By call.
    pub(super) gets: Vec<(Cow<'h, str>, Get)>,
    /// Gets of what is no text.
    pub(super) unparsed: Vec<u32>,
    /// Bytes of texts that are not the history's: the digits of numbers.
    digits: u64,
}

impl<'h> Rows<'h> {
    /// One pass. O(operations), and a sort where they are not in the order of their calls.
    pub(super) fn new(
        partition: &Partition<'h>,
        allowance: Allowance<'_>,
        planted: Planted,
    ) -> Result<Rows<'h>, Stop> {
        let few = partition.operations.len() / 2 + 8;
        let (writes, gets) = (Vec::with_capacity(few), Vec::with_capacity(few));
        let mut rows = Rows { writes, gets, unparsed: Vec::new(), digits: 0 };
        for (at, index) in partition.operations.iter().enumerate() {
            if at % POLL == 0 {
                allowance.passed(at);
                allowance.allows(rows.bytes())?;
            }
            rows.add(partition, *index, planted)?;
        }
        if !rows.gets.is_sorted_by_key(|(_, get)| get.call) {
            rows.gets.sort_unstable_by_key(|(_, get)| get.call);
        }
        Ok(rows)
    }

    pub(super) fn bytes(&self) -> u64 {
        let writes = self.writes.capacity() * size_of::<(Cow<'_, str>, Write)>();
        (writes + self.gets.capacity() * size_of::<(Cow<'_, str>, Get)>()) as u64 + self.digits
    }

    fn add(
        &mut self,
        partition: &Partition<'h>,
        index: OpIndex,
        planted: Planted,
    ) -> Result<(), Stop> {
        let history = partition.history;
        let operation = history.operation(index);
        let puts = match operation.f() {
            F::Read => {
                self.add_get(partition, &operation);
                return Ok(());
            }
            F::Write => true,
            F::Append => false,
            _ => return Err(Stop::HandOver("an operation that texts do not have")),
        };
        let text = text_of(history, operation.a(), &mut self.digits);
        let text = text.ok_or(Stop::HandOver("what was written is no text"))?;
        let call = operation.call().0 + 1;
        let ret = match operation.outcome() {
            Outcome::Fail => return Ok(()),
            Outcome::Ok => operation.ret().map_or(NEVER, |ret| ret.0 + 1),
            Outcome::Info | Outcome::Open if planted.has(Trap::CrashedReturns) => call,
            Outcome::Info | Outcome::Open => NEVER,
        };
        if text.is_empty() {
            return Err(Stop::HandOver("an empty text is written"));
        }
        self.writes.push((text, Write { op: index.0, call, ret, puts }));
        Ok(())
    }

    fn add_get(&mut self, partition: &Partition<'h>, operation: &Operation<'_>) {
        let code = operation.a();
        let asks = operation.outcome() != Outcome::Ok || code == Code::PENDING;
        let nil = || Some(code) == partition.history.code(&Value::Nil);
        let nothing = partition.dialect.nil_read == NilRead::Unknown;
        if asks || nothing && (code == Code::ABSENT || nil()) {
            return;
        }
        let (op, call) = (operation.index().0, operation.call().0 + 1);
        let ret = operation.ret().map_or(NEVER, |ret| ret.0 + 1);
        let seen = match code {
            Code::ABSENT => Some(Cow::Borrowed("")),
            code => text_of(partition.history, code, &mut self.digits),
        };
        match seen {
            Some(text) => self.gets.push((text, Get { op, call, ret })),
            None => self.unparsed.push(op),
        }
    }
}

/// The text that a code stands for; what one of our own takes is added to `digits`.
fn text_of<'h>(history: &'h History, code: Code, digits: &mut u64) -> Option<Cow<'h, str>> {
    if let Some(text) = history.text(code) {
        return Some(Cow::Borrowed(text));
    }
    let text = text(&history.value(code))?.to_string();
    *digits += chunk_bytes(text.len());
    Some(Cow::Owned(text))
}
