//! From the rows of a history to the arrays of the sweep, and from its answer to a proof.

use std::collections::BTreeSet;

use tribunal_history::{F, Mop, Observed, Op, OpIndex, Operation, Outcome};

use super::sweep::{Append, Input, Read, Refuted, sweep};
use super::traps::Planted;
use crate::Spent;
use crate::linearizable::codes::{NONE, Numbers, Span};
use crate::linearizable::{Allowance, Decided, Fast, NEVER, NilRead, Partition, Proof};

/// Operations a contradiction may name: a read is explained by the appends of all it saw.
const NAMED: usize = 1 << 12;

/// Operations between two looks at the budget.
const POLL: usize = 1 << 14;

/// Decides a list whose transactions are one append or one read of it each. O(total length of the
/// reads), 4 bytes per element read and 20 per operation.
pub(in crate::linearizable) fn decide(partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
    decide_with(partition, allowance, Planted::default())
}

/// The same, with a mistake planted by a test.
pub(in crate::linearizable) fn decide_with(
    partition: &Partition<'_>,
    allowance: Allowance<'_>,
    planted: Planted,
) -> Fast {
    let input = match input(partition, allowance) {
        Ok(input) => input,
        Err(Stop::HandOver(why)) => return Fast::HandOver(why),
        Err(Stop::Spent(spent)) => {
            let operations = partition.operations.len();
            return Fast::Spent(spent, format!("lists of {operations} operations were not read"));
        }
    };
    let proof = match sweep(&input, planted) {
        Ok(order) => Proof::Order(order.into_iter().map(OpIndex).collect()),
        Err(refuted) => match close(&input, refuted) {
            Some(operations) => Proof::Contradiction(operations),
            None => return Fast::HandOver("a contradiction of too many operations"),
        },
    };
    let crashed = |append: &&Append| append.ret == NEVER;
    let last = input.appends.iter().filter(|append| append.ret != NEVER).map(|append| append.ret);
    let last = last.chain(input.reads.iter().map(|read| read.ret)).max().unwrap_or(0);
    let all = input.appends.iter().filter(crashed).count();
    let seen = input.appends.iter().filter(crashed).filter(|append| append.call < last).count();
    Fast::Decided(Decided {
        engine: "append",
        completed: (input.appends.len() - all + input.reads.len()) as u64,
        crashed: seen as u64,
        peak_bytes: bytes(&input) + 9 * u64::from(input.elements),
        proof,
    })
}

enum Stop {
    HandOver(&'static str),
    Spent(Spent),
}

fn bytes(input: &Input) -> u64 {
    let appends = input.appends.capacity() * size_of::<Append>();
    let reads = input.reads.capacity() * (size_of::<Read>() + size_of::<u32>());
    (appends + reads + 4 * input.lists.capacity()) as u64
}

fn input(partition: &Partition<'_>, allowance: Allowance<'_>) -> Result<Input, Stop> {
    let history = partition.history;
    let mut input = Input::default();
    let mut span = Span::new();
    for (at, index) in partition.operations.iter().enumerate() {
        if at % POLL == 0 {
            allowance.passed(at);
            allowance.allows(bytes(&input)).map_err(Stop::Spent)?;
        }
        let operation = history.operation(*index);
        let (call, ret) = (operation.call().0, operation.ret().map_or(NEVER, |ret| ret.0));
        let op = index.0;
        match only(&operation)? {
            Mop::Append { .. } | Mop::ReadList { .. } if operation.outcome() == Outcome::Fail => {}
            Mop::Append { element, .. } => {
                let code = history.code(&element).expect("the history holds the element");
                span.add(code);
                let ret = if operation.outcome() == Outcome::Ok { ret } else { NEVER };
                input.appends.push(Append { op, element: code.0, call, ret });
            }
            Mop::ReadList { elements, .. } if operation.outcome() == Outcome::Ok => {
                let from = u32::try_from(input.lists.len())
                    .map_err(|_| Stop::HandOver("more than 2^32 elements were read"))?;
                match elements {
                    Observed::Pending => continue,
                    Observed::Absent if partition.dialect.nil_read == NilRead::Unknown => continue,
                    Observed::Absent => {}
                    Observed::Present(elements) => {
                        input.lists.extend(elements.iter().map(|seen| {
                            let code = history.code(seen).expect("the history holds the element");
                            span.add(code);
                            code.0
                        }))
                    }
                }
                let len = input.lists.len() as u32 - from;
                input.reads.push(Read { op, from, len, call, ret });
            }
            Mop::ReadList { .. } => {}
            _ => return Err(Stop::HandOver("an operation that lists do not have")),
        }
    }
    number(&mut input, span)?;
    input.appends.sort_unstable_by_key(|append| append.call);
    input.reads.sort_unstable_by_key(|read| read.call);
    Ok(input)
}

/// The one micro-operation of a transaction.
fn only(operation: &Operation<'_>) -> Result<Mop, Stop> {
    if operation.f() != F::Txn || operation.b().0 != 1 {
        return Err(Stop::HandOver("a transaction of several micro-operations"));
    }
    match operation.op() {
        Op::Txn(mut txn) => txn.mops.pop().ok_or(Stop::HandOver("an empty transaction")),
        _ => unreachable!("the row of a transaction holds one"),
    }
}

/// Codes to dense numbers; an element may be appended once.
fn number(input: &mut Input, span: Span) -> Result<(), Stop> {
    let mut numbers = Numbers::new(span, input.appends.len() + input.lists.len());
    for (at, append) in input.appends.iter_mut().enumerate() {
        append.element = numbers.number(tribunal_history::Code(append.element));
        if append.element as usize != at {
            return Err(Stop::HandOver("an element is appended more than once"));
        }
    }
    for element in &mut input.lists {
        *element = numbers.number(tribunal_history::Code(*element));
    }
    input.elements = numbers.len();
    Ok(())
}

/// The operations of a contradiction, with the appends of all that its reads saw.
///
/// These alone contradict each other, but a search over a hundred appends that only the last read
/// orders has no end: every read until then goes with them, and orders them as they come.
fn close(input: &Input, refuted: Refuted) -> Option<Vec<OpIndex>> {
    let named: BTreeSet<u32> = refuted.operations.into_iter().filter(|op| *op != NONE).collect();
    let shown_by: BTreeSet<u32> = refuted.shown_by.iter().map(|at| input.reads[*at].op).collect();
    let read_named = |read: &&Read| named.contains(&read.op) || shown_by.contains(&read.op);
    let end = input.reads.iter().filter(read_named).map(|read| read.ret).max().unwrap_or(0);
    let mut found = named.clone();
    let appended = input.appended();
    for read in input.reads.iter().filter(|read| read.ret <= end) {
        found.insert(read.op);
        for element in input.seen(read) {
            if let Some(append) = input.appends.get(appended[*element as usize] as usize)
                && append.call < read.ret
            {
                found.insert(append.op);
            }
        }
        if found.len() > NAMED {
            return None;
        }
    }
    Some(found.into_iter().map(OpIndex).collect())
}
