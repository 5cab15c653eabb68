//! From one partition to a decision with its proof.

use tribunal_history::OpIndex;

use super::blocks::Blocks;
use super::dictionary::Dictionary;
use super::evidence::{Refuted, close};
use super::order::order;
use super::rows::Rows;
use super::sweep::sweep;
use super::traps::Planted;
use crate::linearizable::{Allowance, Decided, Fast, NEVER, Partition, Proof, fast};

/// Why a pass ended early.
pub(super) type Stop = fast::Stop<Refuted>;

/// Decides a key that holds `initial` at first, where what was written can be told apart.
/// O(n log n + total length of the texts); about 150 bytes per operation.
pub(in crate::linearizable) fn decide(
    partition: &Partition<'_>,
    allowance: Allowance<'_>,
    initial: &str,
) -> Fast {
    decide_with(partition, allowance, initial, Planted::default())
}

/// The same, with a mistake planted by a test.
pub(in crate::linearizable) fn decide_with(
    partition: &Partition<'_>,
    allowance: Allowance<'_>,
    initial: &str,
    planted: Planted,
) -> Fast {
    let found = Rows::new(partition, allowance, planted)
        .and_then(|rows| prove(&rows, allowance, initial, planted).map(|found| (rows, found)));
    match found {
        Ok((rows, (proof, peak_bytes))) => {
            let (completed, crashed) = count(&rows);
            let engine = "texts";
            Fast::Decided(Decided { engine, completed, crashed, peak_bytes, proof })
        }
        Err(Stop::HandOver(why)) => Fast::HandOver(why),
        Err(Stop::Spent(spent)) => {
            let operations = partition.operations.len();
            Fast::Spent(spent, format!("texts of {operations} operations were not taken apart"))
        }
        Err(Stop::Refuted(_)) => unreachable!("a refutation is a proof by now"),
    }
}

/// The proof, and the most bytes held for it.
fn prove(
    rows: &Rows<'_>,
    allowance: Allowance<'_>,
    initial: &str,
    planted: Planted,
) -> Result<(Proof, u64), Stop> {
    if let Some(get) = rows.unparsed.first() {
        return Ok((Proof::Contradiction(vec![OpIndex(*get)]), rows.bytes()));
    }
    let dictionary = Dictionary::new(rows, initial, planted)?;
    let held = rows.bytes() + dictionary.bytes();
    allowance.allows(held)?;
    let mut peak = held;
    let found = Blocks::new(rows, (&dictionary, initial), allowance, planted).and_then(|blocks| {
        allowance.allows(held + blocks.bytes())?;
        let swept = sweep(rows, &dictionary, &blocks, planted)?;
        let laid_out = 4 * (rows.gets.len() + rows.writes.len() + swept.versions.len());
        peak = held + blocks.bytes() + swept.bytes() + laid_out as u64;
        allowance.allows(peak)?;
        order(rows, &dictionary, &blocks, &swept, planted)
    });
    match found {
        Ok(order) => Ok((Proof::Order(order), peak)),
        Err(Stop::Refuted(refuted)) => match close(rows, &dictionary, refuted) {
            Some(operations) => Ok((Proof::Contradiction(operations), peak)),
            None => Err(Stop::HandOver("a contradiction of too many operations")),
        },
        Err(stop) => Err(stop),
    }
}

/// How many operations must, and how many may have taken effect before the last return.
fn count(rows: &Rows<'_>) -> (u64, u64) {
    let gets = rows.gets.iter().map(|(_, get)| get.ret);
    let writes = rows.writes.iter().map(|(_, write)| write);
    let completed = writes.clone().filter(|write| write.ret != NEVER).map(|write| write.ret);
    let last = gets.chain(completed.clone()).max().unwrap_or(0);
    let crashed = writes.filter(|write| write.ret == NEVER && write.call < last);
    ((rows.gets.len() + rows.unparsed.len() + completed.count()) as u64, crashed.count() as u64)
}
