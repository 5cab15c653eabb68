//! Lists that grow at the end: transactions of appends and of reads of whole lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashSet;
use tribunal_history::{Code, F, Mop, Observed, Op, Operation, Outcome, Value};

use super::appended::{Slips, suspects};
use crate::linearizable::meter::{chunk_bytes, value_bytes, values_bytes};
use crate::linearizable::{
    Allowance, Dialect, Entry, Fast, FromHistory, Interpreted, Merge, Model, NilRead, Partition,
    Steps, Words, append,
};

/// Appends of a transaction that are looked for one by one.
const FEW: usize = 8;

/// Lists by key, all empty at first. A list that is absent is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct List;

/// One part of a transaction, with its answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ListMop {
    /// Put `element` at the end of the list at `key`.
    Append {
        /// Which list.
        key: Value,
        /// What was appended.
        element: Value,
    },
    /// Found `elements` in the list at `key`.
    Read {
        /// Which list.
        key: Value,
        /// All of it, in order.
        elements: Vec<Value>,
    },
}

/// A transaction with its answers, in program order. Reads that were not answered are left out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ListOp(pub Vec<ListMop>);

impl ListOp {
    pub(super) fn appends(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.0.iter().filter_map(|mop| match mop {
            ListMop::Append { key, element } => Some((key, element)),
            ListMop::Read { .. } => None,
        })
    }

    fn reads(&self) -> impl Iterator<Item = (&Value, &[Value])> {
        self.0.iter().filter_map(|mop| match mop {
            ListMop::Append { .. } => None,
            ListMop::Read { key, elements } => Some((key, &elements[..])),
        })
    }
}

/// What the list at a key holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Listed {
    /// These, in order.
    Elements(Arc<[Value]>),
    /// Some list that no read shows, nor any that begins with it.
    Unread,
}

impl Model for List {
    type State = BTreeMap<Value, Listed>;
    type Op = ListOp;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, op: &ListOp) -> Steps<Self::State> {
        match run(state, op) {
            Ok(next) => Steps::One(next),
            Err(_) => Steps::None,
        }
    }

    /// A list with which no read begins is never read, whatever is appended to it; one that
    /// nobody reads is as good as empty.
    fn merged<'a>(&'a self, ops: &'a [ListOp]) -> Option<Merge<'a, Self::State>> {
        let mut read: BTreeMap<&Value, Vec<&[Value]>> = BTreeMap::new();
        for (key, elements) in ops.iter().flat_map(ListOp::reads) {
            read.entry(key).or_default().push(elements);
        }
        read.values_mut().for_each(|reads| reads.sort_unstable());
        Some(Box::new(move |mut state| {
            state.retain(|key, _| read.contains_key(key));
            for (key, held) in &mut state {
                let Listed::Elements(list) = held else { continue };
                let reads = &read[key];
                let next = reads.partition_point(|read| *read < &list[..]);
                if reads.get(next).is_none_or(|read| !read.starts_with(list)) {
                    *held = Listed::Unread;
                }
            }
            state
        }))
    }

    fn is_pure(&self, op: &ListOp) -> bool {
        op.appends().next().is_none()
    }

    /// A list only grows: what comes after `producer` finds its elements wherever it reads their
    /// lists. A reader whose lists lack them comes before it in every legal order, and what reads
    /// none of these lists does not care; so a legal order stays legal without `producer`, unless
    /// somebody kept read what it appended.
    fn observes(&self, observer: &ListOp, producer: &ListOp) -> bool {
        let reads = |key: &Value, element: &Value| {
            observer.reads().any(|(read, elements)| read == key && elements.contains(element))
        };
        if producer.0.len() <= FEW {
            return producer.appends().any(|(key, element)| reads(key, element));
        }
        let appended: FxHashSet<(&Value, &Value)> = producer.appends().collect();
        let shows = |(key, elements): (&Value, &[Value])| {
            elements.iter().any(|element| appended.contains(&(key, element)))
        };
        observer.reads().any(shows)
    }

    /// Elements of a list do not know of each other: of a legal order, what is said of some of them
    /// is a legal order of the lists without the others.
    fn about(&self, op: &ListOp, elements: &[Value]) -> Option<ListOp> {
        let mops = op.0.iter().filter_map(|mop| match mop {
            ListMop::Append { element, .. } => elements.contains(element).then(|| mop.clone()),
            ListMop::Read { key, elements: found } => {
                let some = found.iter().filter(|element| elements.contains(element)).cloned();
                Some(ListMop::Read { key: key.clone(), elements: some.collect() })
            }
        });
        let mops: Vec<ListMop> = mops.collect();
        (!mops.is_empty()).then_some(ListOp(mops))
    }

    /// Reads of one list that do not begin with each other by what stands between them.
    fn impossible(&self, op: &ListOp) -> Option<String> {
        let mut lists: BTreeMap<&Value, Vec<&ListMop>> = BTreeMap::new();
        for mop in &op.0 {
            let (ListMop::Append { key, .. } | ListMop::Read { key, .. }) = mop;
            lists.entry(key).or_default().push(mop);
        }
        lists.iter().find_map(|(key, mops)| contradiction(key, mops))
    }

    fn suspects(&self, entries: &[Entry], ops: &[ListOp]) -> Option<Vec<Value>> {
        suspects(entries, ops, Slips::default())
    }

    fn heap_bytes(&self, state: &Self::State) -> u64 {
        maps_bytes(state) + state.values().map(Listed::bytes).sum::<u64>()
    }

    /// The lists that it appends to are new, and the others are shared.
    fn made_bytes(&self, state: &Self::State, op: &ListOp) -> u64 {
        let keys: BTreeSet<&Value> = op.appends().map(|(key, _)| key).collect();
        let lists = keys.into_iter().filter_map(|key| state.get(key));
        maps_bytes(state) + lists.map(Listed::bytes).sum::<u64>()
    }

    fn op_heap_bytes(&self, op: &ListOp) -> u64 {
        let mops = op.0.iter().map(|mop| match mop {
            ListMop::Append { key, element } => value_bytes(key) + value_bytes(element),
            ListMop::Read { key, elements } => value_bytes(key) + values_bytes(elements),
        });
        chunk_bytes(size_of_val(&*op.0)) + mops.sum::<u64>()
    }

    fn describe_state(&self, state: &Self::State) -> String {
        let list = |(key, held): (&Value, &Listed)| format!("{key}: {}", held.words());
        let lists: Vec<String> = state.iter().map(list).collect();
        if lists.is_empty() { "nothing".into() } else { lists.join(", ") }
    }

    /// True whatever else was appended: lists only grow.
    fn clash(&self, state: &Self::State, op: &ListOp) -> Option<String> {
        let Err((_, found, Listed::Elements(held))) = run(state, op) else { return None };
        let (shown, there) = (set(found), set(&held));
        if let Some(missing) = held.iter().find(|element| !shown.contains(element)) {
            return Some(format!(" without {missing}, which was there"));
        }
        if let Some(extra) = found.iter().find(|element| !there.contains(element)) {
            return Some(format!(" with {extra}, which was not there"));
        }
        let (first, second) = held.iter().zip(found).find(|(held, found)| held != found)?;
        Some(format!(" although {first} came before {second}"))
    }

    fn words(&self, op: &ListOp) -> Words {
        let words: Vec<String> =
            op.0.iter()
                .map(|mop| match mop {
                    ListMop::Append { key, element } => format!("appended {element} to {key}"),
                    ListMop::Read { key, elements } => {
                        format!("read {} from {key}", words_of(elements))
                    }
                })
                .collect();
        let words = words.join(" and ");
        Words { past: words.clone(), perfect: words }
    }

    fn refusal(&self, state: &Self::State, op: &ListOp) -> String {
        match run(state, op) {
            Err((key, found, held)) => {
                let (found, held) = (words_of(found), held.words());
                format!("a read of {found} is illegal where the list at {key} holds {held}")
            }
            Ok(_) => unreachable!("asked only where it is illegal"),
        }
    }
}

/// Why no list at `key` satisfies the reads of it, all `mops` being of it. O(elements that they
/// append and read), where it does.
fn contradiction(key: &Value, mops: &[&ListMop]) -> Option<String> {
    // What was there before is the first read without what was appended before that.
    let (mut before, mut own): (Option<&[Value]>, Vec<&Value>) = (None, Vec::new());
    for mop in mops {
        match mop {
            ListMop::Append { element, .. } => own.push(element),
            ListMop::Read { elements, .. } => {
                let parts = elements.split_at_checked(elements.len().wrapping_sub(own.len()));
                let same = parts.is_some_and(|(first, last)| {
                    last.iter().eq(own.iter().copied()) && *before.get_or_insert(first) == first
                });
                if same {
                    continue;
                }
                let shown = set(elements);
                if let Some(missing) = own.iter().find(|element| !shown.contains(*element)) {
                    return Some(format!(" without {missing}, which was there"));
                }
                let after =
                    elements.last().filter(|last| own.last().is_some_and(|own| own != last));
                if let Some(after) = after {
                    let last = own.last().filter(|_| own.contains(&after));
                    return Some(match last {
                        Some(last) => format!(" although {after} was appended before {last}"),
                        None => format!(" with {after} after what it had appended"),
                    });
                }
                return Some(format!(", which no list at {key} allows"));
            }
        }
    }
    None
}

/// The state after `op`, or the read that is illegal: key, what it found, what the list held.
type Illegal<'o> = (&'o Value, &'o [Value], Listed);

fn run<'o>(
    state: &BTreeMap<Value, Listed>,
    op: &'o ListOp,
) -> Result<BTreeMap<Value, Listed>, Illegal<'o>> {
    // Lists that it appends to, and that some read shows: as they are by then.
    let mut grown: BTreeMap<&Value, Vec<Value>> = BTreeMap::new();
    for mop in &op.0 {
        match mop {
            ListMop::Append { key, element } => match (grown.get_mut(key), state.get(key)) {
                (Some(list), _) => list.push(element.clone()),
                (None, Some(Listed::Unread)) => {}
                (None, Some(Listed::Elements(list))) => {
                    grown.insert(key, list.iter().chain([element]).cloned().collect());
                }
                (None, None) => drop(grown.insert(key, vec![element.clone()])),
            },
            ListMop::Read { key, elements } => {
                let held = match (grown.get(key), state.get(key)) {
                    (Some(list), _) if list == elements => continue,
                    (Some(list), _) => Listed::Elements(list.as_slice().into()),
                    (None, Some(held)) => held.clone(),
                    (None, None) => Listed::nothing(),
                };
                let same = matches!(&held, Listed::Elements(list) if list[..] == elements[..]);
                if !same {
                    return Err((key, elements, held));
                }
            }
        }
    }
    let mut next = state.clone();
    let grown = grown.into_iter();
    next.extend(grown.map(|(key, list)| (key.clone(), Listed::Elements(list.into()))));
    Ok(next)
}

/// Two maps of nodes that are half full at least: one to keep, and one to know it by.
fn maps_bytes(state: &BTreeMap<Value, Listed>) -> u64 {
    let each = size_of::<(Value, Listed)>() as u64;
    4 * state.keys().map(|key| each + value_bytes(key)).sum::<u64>()
}

fn set(elements: &[Value]) -> FxHashSet<&Value> {
    elements.iter().collect()
}

impl Listed {
    fn bytes(&self) -> u64 {
        match self {
            Listed::Elements(list) => values_bytes(list),
            Listed::Unread => 0,
        }
    }

    fn nothing() -> Listed {
        Listed::Elements(Arc::default())
    }

    fn words(&self) -> String {
        match self {
            Listed::Elements(list) => words_of(list),
            Listed::Unread => "a list that no read shows".into(),
        }
    }
}

fn words_of(list: &[Value]) -> String {
    let words: Vec<String> = list.iter().map(Value::to_string).collect();
    format!("[{}]", words.join(" "))
}

impl FromHistory for List {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<ListOp>, String> {
        let op = operation.op();
        let Op::Txn(txn) = &op else { return Err(op.to_string()) };
        let mut mops = Vec::with_capacity(txn.mops.len());
        for mop in &txn.mops {
            match mop {
                Mop::Append { key, element } => {
                    mops.push(ListMop::Append { key: key.clone(), element: element.clone() });
                }
                Mop::ReadList { key, elements } => {
                    let elements = match elements {
                        _ if operation.outcome() != Outcome::Ok => continue,
                        Observed::Pending => continue,
                        Observed::Absent if dialect.nil_read == NilRead::Unknown => continue,
                        Observed::Absent => Vec::new(),
                        Observed::Present(elements) => elements.clone(),
                    };
                    mops.push(ListMop::Read { key: key.clone(), elements });
                }
                Mop::Read { .. }
                | Mop::Write { .. }
                | Mop::Add { .. }
                | Mop::ReadPredicate { .. } => {
                    return Err(op.to_string());
                }
            }
        }
        Ok(match operation.outcome() {
            Outcome::Fail => Interpreted::Nothing,
            _ if mops.is_empty() => Interpreted::Nothing,
            Outcome::Ok => Interpreted::Completed(ListOp(mops)),
            Outcome::Info | Outcome::Open => Interpreted::Crashed(ListOp(mops)),
        })
    }

    fn fast(&self, partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
        append::decide(partition, allowance)
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        if operation.f() != F::Txn {
            keys.push(operation.key());
            return;
        }
        keys.extend(operation.mop_keys());
    }
}
