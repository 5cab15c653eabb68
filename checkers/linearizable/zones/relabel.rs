//! Values written more than once. A read whose value only one write can have given means that
//! write; where every operation on a repeated value has one meaning, the values are told apart
//! and the zone test applies.

use rustc_hash::FxHashMap;
use tribunal_history::{Code, OpIndex};

use super::decide::Stop;
use super::evidence::Refuted;
use super::rows::{Reader, Row, Values};
use super::traps::{Planted, Trap};
use crate::linearizable::NEVER;
use crate::linearizable::codes::NONE;

/// Writes of one value that are told apart.
const WRITES: usize = 64;

/// A write of a repeated value.
#[derive(Clone, Copy)]
struct Writer {
    call: u32,
    ret: u32,
    value: u32,
}

/// Completed plain writes by return, with the latest call of all that returned so far: what was
/// written before one of them was called is gone when it has returned.
pub(super) struct Barriers {
    by_return: Vec<(u32, u32, u32)>,
}

impl Barriers {
    pub(super) fn new(reader: &Reader<'_>, operations: &[OpIndex]) -> Barriers {
        let mut by_return = Vec::new();
        for index in operations {
            if let Row::Write { completed: true, .. } = reader.at(*index) {
                by_return.push((reader.ret(index.0), reader.call(index.0), index.0));
            }
        }
        by_return.sort_unstable();
        let (mut latest, mut op) = (0, NONE);
        for write in &mut by_return {
            if write.1 > latest {
                (latest, op) = (write.1, write.2);
            }
            (write.1, write.2) = (latest, op);
        }
        Barriers { by_return }
    }

    /// The latest called write that returned before the event of rank `call`: its own call, and
    /// the operation.
    pub(super) fn before(&self, call: u32) -> Option<(u32, u32)> {
        let returned = self.by_return.partition_point(|(ret, _, _)| *ret < call);
        let (_, latest, op) = self.by_return[..returned].last()?;
        Some((*latest, *op))
    }
}

/// Gives operations on `repeated` values their meanings, or hands over.
pub(super) fn relabel(
    reader: &Reader<'_>,
    operations: &[OpIndex],
    values: Values,
    repeated: &[Code],
    planted: Planted,
) -> Result<Values, Stop> {
    let barriers = Barriers::new(reader, operations);
    let mut writers: FxHashMap<Code, Vec<Writer>> =
        repeated.iter().map(|code| (*code, Vec::new())).collect();
    if let Some(initial) = writers.get_mut(&reader.initial) {
        initial.push(Writer { call: 0, ret: 0, value: 0 });
    }
    let mut fresh = values.len();
    let mut meant = FxHashMap::default();
    for index in operations {
        let (code, completed) = match reader.at(*index) {
            Row::Write { value, completed } | Row::Cas { to: value, completed, .. } => {
                (value, completed)
            }
            Row::Read(_) | Row::Missed(_) | Row::Nothing | Row::Foreign => continue,
        };
        let Some(writers) = writers.get_mut(&code) else { continue };
        if writers.len() == WRITES {
            return Err(Stop::HandOver("a value is written too often to tell its writes apart"));
        }
        let ret = if completed { reader.ret(index.0) } else { NEVER };
        writers.push(Writer { call: reader.call(index.0), ret, value: fresh });
        meant.insert(index.0, (fresh, NONE));
        fresh += 1;
    }
    for index in operations {
        let (code, written, completed) = match reader.at(*index) {
            Row::Read(code) => (code, None, true),
            Row::Cas { from, to, completed } => (from, Some(to), completed),
            Row::Write { .. } | Row::Missed(_) | Row::Nothing | Row::Foreign => continue,
        };
        let number = match written {
            Some(to) => values.produced(index.0, to),
            None => NONE,
        };
        let produced = meant.get(&index.0).map_or(number, |(produced, _)| *produced);
        if let Some(writers) = writers.get(&code) {
            let seen = meaning(reader, index.0, completed, writers, &barriers, planted)?;
            meant.insert(index.0, (produced, seen));
        } else if meant.contains_key(&index.0) {
            meant.insert(index.0, (produced, values.plain(code)));
        }
    }
    Ok(values.with_meanings(meant, fresh))
}

/// The one write that the operation at `op` can have seen.
fn meaning(
    reader: &Reader<'_>,
    op: u32,
    completed: bool,
    writers: &[Writer],
    barriers: &Barriers,
    planted: Planted,
) -> Result<u32, Stop> {
    let ret = if completed { reader.ret(op) } else { NEVER };
    let gone_before = barriers.before(reader.call(op)).map_or(0, |(call, _)| call);
    let mut possible = writers
        .iter()
        .filter(|writer| writer.call < ret && (gone_before == 0 || writer.ret > gone_before));
    match (possible.next(), possible.next()) {
        (Some(writer), None) => Ok(writer.value),
        (Some(writer), Some(_)) if planted.has(Trap::RepeatedMeansFirst) => Ok(writer.value),
        (None, _) if completed => Err(Stop::Refuted(Refuted::operations(&[op]))),
        _ => Err(Stop::HandOver("a value is written more than once and a read may mean either")),
    }
}
