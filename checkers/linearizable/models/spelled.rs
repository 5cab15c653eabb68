//! Texts that were got although nothing that was put or appended by then spells them.
//!
//! What a key holds is the text it held at first, or one that was put, and after it texts that
//! were appended. So a text that was got begins with one of the former, and the rest of it is made
//! of the latter, each of an operation invoked before the get returned. Forgets how often and in
//! which order: passing says nothing. Knows no search: what is suspected here is decided by others.

use rustc_hash::FxHashMap;
use tribunal_history::Value;

use super::KvOp;
use crate::linearizable::{Entry, NEVER};
use crate::planted::Planted;

/// Most bytes that are compared.
const WORK: usize = 1 << 24;

/// A mistake planted by a test. None makes a verdict wrong, for a suspect is decided; each has one
/// named that is not guilty, or one missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// Forgets what a key holds at first.
    InitialForgotten,
    /// Forgets writes that are pending.
    WrittenBeforeCall,
    /// Forgets writes that crashed.
    CrashedForgotten,
    /// Whatever was got begins with what a key holds at first.
    PutsForgotten,
    /// A text is appended at most once.
    OneAppend,
    /// Whatever was put may be appended, too.
    PutsAppended,
}

/// Which of them, if any.
pub(crate) type Slips = Planted<Bug>;

/// Texts by their bytes, with the first call of each, and which lengths they have.
#[derive(Default)]
struct Texts<'a> {
    from: FxHashMap<&'a [u8], u32>,
    lengths: Vec<usize>,
}

impl<'a> Texts<'a> {
    fn add(&mut self, text: &'a str, call: u32) {
        let first = self.from.entry(text.as_bytes()).or_insert(NEVER);
        *first = (*first).min(call);
        if let Err(at) = self.lengths.binary_search(&text.len()) {
            self.lengths.insert(at, text.len());
        }
    }

    /// How long those are that `rest` begins with, and that were written before `rank`.
    fn begin<'t>(
        &'t self,
        rest: &'t [u8],
        rank: u32,
        work: &'t mut usize,
    ) -> impl Iterator<Item = usize> + 't {
        let fit = self.lengths.partition_point(|length| *length <= rest.len());
        self.lengths[..fit].iter().copied().filter(move |length| {
            *work += length + 1;
            self.from.get(&rest[..*length]).is_some_and(|call| *call < rank)
        })
    }
}

/// A text that was got and that nothing spells: of the get that returned first. It stops where it
/// would compare more than a fixed number of bytes.
pub(crate) fn suspects(
    entries: &[Entry],
    ops: &[KvOp],
    initial: &str,
    slips: Slips,
) -> Option<Vec<Value>> {
    let (mut puts, mut appends) = (Texts::default(), Texts::default());
    let mut gets: Vec<(u32, u32, &str)> = Vec::new();
    if !slips.has(Bug::InitialForgotten) {
        puts.add(initial, 0);
    }
    for entry in entries {
        let crashed = entry.ret == NEVER;
        if crashed && slips.has(Bug::CrashedForgotten) {
            continue;
        }
        match &ops[entry.class as usize] {
            KvOp::Put(_) if slips.has(Bug::PutsForgotten) => {}
            KvOp::Put(text) => {
                puts.add(text, entry.call);
                if slips.has(Bug::PutsAppended) {
                    appends.add(text, entry.call);
                }
            }
            KvOp::Append(text) if !text.is_empty() => appends.add(text, entry.call),
            KvOp::Get(text) if !crashed => gets.push((entry.ret, entry.call, text)),
            KvOp::Append(_) | KvOp::Get(_) | KvOp::GetUnparsed(_) => {}
        }
    }
    gets.sort_unstable();
    let mut asked: FxHashMap<&str, ()> = FxHashMap::default();
    let mut work = 0;
    for (ret, call, text) in gets {
        // Whoever got it first is the one with the fewest to explain it.
        if asked.insert(text, ()).is_some() {
            continue;
        }
        // An initial text is there before the first event.
        let rank = if slips.has(Bug::WrittenBeforeCall) { call } else { ret };
        match is_spelled(text.as_bytes(), (&puts, &appends), rank, &mut work, slips) {
            _ if work > WORK => return None,
            false => return Some(vec![Value::text(text)]),
            true => {}
        }
    }
    None
}

fn is_spelled(
    text: &[u8],
    (puts, appends): (&Texts<'_>, &Texts<'_>),
    rank: u32,
    work: &mut usize,
    slips: Slips,
) -> bool {
    let mut reached = vec![false; text.len() + 1];
    puts.begin(text, rank, work).for_each(|at| reached[at] = true);
    let mut appended = false;
    for at in 0..text.len() {
        if *work > WORK || !reached[at] || appended && slips.has(Bug::OneAppend) {
            continue;
        }
        for length in appends.begin(&text[at..], rank, work) {
            reached[at + length] = true;
            appended = true;
        }
    }
    reached[text.len()]
}
