//! Version orders of lists: every read shows all that came before it.
//!
//! Kingsbury & Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations"
//! (VLDB 2020), section 4: the longest read of a key is its order, and every other committed read
//! must be a prefix of it.

use rustc_hash::FxHashSet;
use tribunal_history::{Code, MopView, OpIndex, Outcome, brief};

use super::orders::Orders;
use super::table::{INITIAL, Seen, Table, elements, unsupported};
use crate::{CheckError, CheckError as Error};

/// What reads of lists show, and what they contradict.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) orders: Orders,
    /// By key, the operation of the longest committed read.
    pub(super) longest: Vec<Option<OpIndex>>,
    pub(super) problems: Problems,
}

/// Contradictions between reads, and values without a writer.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// A read that is no prefix of the key's longest: key, who reads, whose read is the longest.
    pub(super) incompatible: Vec<(u32, u32, u32)>,
    /// A read that shows a transaction's later append and not its earlier one before it: key, who
    /// reads, who appended, the earlier element, the later one.
    pub(super) torn: Vec<(u32, u32, u32, Code, Code)>,
    /// A list with an element twice: key, who reads, the element.
    pub(super) duplicates: Vec<(u32, u32, Code)>,
    /// An element that nobody appended: key, who reads, the element.
    pub(super) thin_air: Vec<(u32, u32, Code)>,
}

/// Reads `table`'s history as lists.
///
/// O(elements read), which the history holds anyway.
///
/// # Errors
/// A micro-operation that is about registers.
pub(super) fn infer(table: &mut Table<'_>, checker: &str) -> Result<Lists, CheckError> {
    let longest = longest(table, checker)?;
    let mut problems = Problems::default();
    let mut known = Vec::with_capacity(longest.len());
    for (key, read) in longest.iter().enumerate() {
        let order = match read {
            Some((op, elements)) => order(table, key as u32, op.0, elements, &mut problems),
            None => Vec::new(),
        };
        known.push(order);
    }
    prefixes(table, &longest, &mut problems);
    let orders = Orders::new(table, &known);
    torn(table, &orders, &longest, &mut problems);
    table.number(|table, key, mop| match elements(mop) {
        Some(_) if !table.is_clear(key) => Seen::Nothing,
        Some([]) => Seen::Version(INITIAL),
        Some([.., last]) => table.version(key, *last).map_or(Seen::Nothing, Seen::Version),
        None => Seen::Nothing,
    });
    let longest = longest.into_iter().map(|read| read.map(|(op, _)| op)).collect();
    Ok(Lists { orders, longest, problems })
}

type Longest<'h> = Vec<Option<(OpIndex, &'h [Code])>>;

fn longest<'h>(table: &Table<'h>, checker: &str) -> Result<Longest<'h>, Error> {
    let mut longest: Longest<'h> = vec![None; table.keys.len()];
    for operation in table.history.operations() {
        for mop in operation.mops() {
            let key = match mop {
                MopView::ReadList { key, .. } => key,
                MopView::Append { .. } => continue,
                MopView::Read { .. }
                | MopView::Write { .. }
                | MopView::Add { .. }
                | MopView::ReadPredicate { .. } => {
                    let what = format!("{}, which is about registers", brief(&operation.op()));
                    return Err(unsupported(checker, what, operation.call()));
                }
            };
            let (Some(elements), Outcome::Ok) = (elements(mop), operation.outcome()) else {
                continue;
            };
            let longest = &mut longest[table.number_of(key) as usize];
            if longest.is_none_or(|(_, known)| elements.len() > known.len()) {
                *longest = Some((operation.index(), elements));
            }
        }
    }
    Ok(longest)
}

/// The versions of the longest read, each once; whoever wrote them happened.
fn order(
    table: &mut Table<'_>,
    key: u32,
    reader: u32,
    elements: &[Code],
    problems: &mut Problems,
) -> Vec<u32> {
    if !table.is_clear(key) {
        return Vec::new();
    }
    let mut seen = FxHashSet::default();
    let mut order = Vec::with_capacity(elements.len());
    for element in elements {
        let version = table.version(key, *element).unwrap_or_else(|| {
            problems.thin_air.push((key, reader, *element));
            table.out_of_thin_air(key, *element)
        });
        if seen.insert(version) {
            table.observe(version);
            order.push(version);
        } else {
            problems.duplicates.push((key, reader, *element));
        }
    }
    order
}

/// Reads that are no prefix of their key's longest.
fn prefixes(table: &mut Table<'_>, longest: &Longest<'_>, problems: &mut Problems) {
    let history = table.history;
    for operation in history.operations().filter(|op| op.outcome() == Outcome::Ok) {
        for mop in operation.mops() {
            let (MopView::ReadList { key, .. }, Some(elements)) = (mop, elements(mop)) else {
                continue;
            };
            let key = table.number_of(key);
            let Some((op, longest)) = longest[key as usize].filter(|_| table.is_clear(key)) else {
                continue;
            };
            if longest.starts_with(elements) {
                continue;
            }
            let reader = operation.index().0;
            problems.incompatible.push((key, reader, op.0));
            let mut seen = FxHashSet::default();
            for element in elements {
                if !seen.insert(*element) {
                    problems.duplicates.push((key, reader, *element));
                }
                match table.version(key, *element) {
                    Some(version) => table.observe(version),
                    None => {
                        problems.thin_air.push((key, reader, *element));
                        table.out_of_thin_air(key, *element);
                    }
                }
            }
        }
    }
}

/// Transactions of whose appends to one key a later one was seen without an earlier one before it.
fn torn(table: &Table<'_>, orders: &Orders, longest: &Longest<'_>, problems: &mut Problems) {
    let written = table.versions.len();
    let (mut from, mut of_one) = (0, Vec::new());
    while from < written {
        let writer = table.versions[from].writer;
        let run = table.versions[from..].iter().take_while(|version| version.writer == writer);
        let to = from + run.count();
        of_one.clear();
        of_one.extend((from..to).map(|version| (table.versions[version].key, version as u32)));
        // Stable: the appends to one key stay in their order.
        of_one.sort_by_key(|(key, _)| *key);
        for pair in of_one.windows(2) {
            let [(key, first), (other, second)] = [pair[0], pair[1]];
            let (place, later) = (orders.place(first), orders.place(second));
            if key == other && later > 0 && (place == 0 || place > later) {
                let reader = longest[key as usize].map_or(writer, |(op, _)| op.0);
                let value = |version: u32| table.versions[version as usize].value;
                problems.torn.push((key, reader, writer, value(first), value(second)));
            }
        }
        from = to;
    }
}
