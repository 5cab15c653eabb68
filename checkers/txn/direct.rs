//! What contradicts a level without any cycle, found in one scan.
//!
//! Adya (1999), 3.2: G1a and G1b; Elle, section 4.3: the rest. Every finding names its events.

use rustc_hash::FxHashMap;
use tribunal_history::{Code, EventId, MopView, OpIndex, Operation};

use super::explain::Words;
use super::lists::Lists;
use super::orders::Orders;
use super::table::{Does, INITIAL, Status, Table, elements};
use crate::{Anomaly, AnomalyKind, Evidence, Step};

/// Findings of one kind that are spelled out.
const EACH: usize = 16;

/// Collects findings, a bounded number of each kind.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Anomaly>,
    counts: FxHashMap<AnomalyKind, usize>,
}

impl Findings {
    pub(super) fn add(
        &mut self,
        kind: AnomalyKind,
        subject: Option<String>,
        make: impl FnOnce() -> (String, Vec<Step>),
    ) {
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        if *count <= EACH {
            let (summary, steps) = make();
            let evidence = Evidence::Events(steps);
            self.list.push(Anomaly { kind, subject, summary, evidence, minimal: true });
        }
    }
}

/// The event that says what came of a transaction, or that it was asked.
pub(super) fn event(table: &Table<'_>, t: u32) -> EventId {
    let operation = table.history.operation(OpIndex(t));
    operation.ret().unwrap_or(operation.call())
}

/// Everything that needs no graph, of a history of lists.
pub(super) fn of_lists(table: &Table<'_>, lists: &Lists, own_writes: bool) -> Findings {
    let mut findings = Findings::default();
    let scan = Scan { table, orders: &lists.orders, words: Words(table) };
    scan.problems(lists, &mut findings);
    scan.aborted(&mut findings);
    scan.intermediate(&mut findings);
    scan.lost_updates(&mut findings);
    scan.alone(own_writes, &mut findings);
    findings
}

struct Scan<'t, 'h> {
    table: &'t Table<'h>,
    orders: &'t Orders,
    words: Words<'t, 'h>,
}

impl Scan<'_, '_> {
    fn step(&self, t: u32, because: String) -> Step {
        Step { event: event(self.table, t), because }
    }

    fn committed(&self) -> impl Iterator<Item = u32> + '_ {
        let all = 0..self.table.txns.len() as u32;
        all.filter(|t| self.table.txns[*t as usize].status == Status::Committed)
    }

    /// What reads of one list contradict about each other.
    fn problems(&self, lists: &Lists, findings: &mut Findings) {
        let words = &self.words;
        for (key, reader, longest) in &lists.problems.incompatible {
            let key = words.key(*key);
            findings.add(AnomalyKind::INCOMPATIBLE_ORDER, Some(key.clone()), || {
                let (one, other) = (words.txn(*reader), words.txn(*longest));
                let summary = format!(
                    "{one} and {other} read key {key} as two lists of which neither begins with \
                     the other"
                );
                let step = |t| self.step(t, format!("{} read key {key}", words.txn(t)));
                (summary, vec![step(*longest), step(*reader)])
            });
        }
        for (key, reader, writer, first, second) in &lists.problems.torn {
            let (key, who, by) = (words.key(*key), words.txn(*reader), words.txn(*writer));
            let (first, second) = (words.value(*first), words.value(*second));
            findings.add(AnomalyKind::INCOMPATIBLE_ORDER, Some(key.clone()), || {
                let summary = format!(
                    "{who} observed {by}'s append of {second} to {key} without {first} before it, \
                     which {by} had appended earlier"
                );
                let steps = vec![
                    self.step(*writer, format!("{by} appended {first}, then {second} to {key}")),
                    self.step(*reader, format!("{who} read {second} without {first} before it")),
                ];
                (summary, steps)
            });
        }
        for (key, reader, element) in &lists.problems.duplicates {
            let (key, element) = (words.key(*key), words.value(*element));
            findings.add(AnomalyKind::DUPLICATE_ELEMENTS, Some(key.clone()), || {
                let because = format!("{} read {element} twice in {key}", words.txn(*reader));
                (because.clone(), vec![self.step(*reader, because)])
            });
        }
        for (key, reader, element) in &lists.problems.thin_air {
            let (key, element) = (words.key(*key), words.value(*element));
            findings.add(AnomalyKind::THIN_AIR_READ, Some(key.clone()), || {
                let who = words.txn(*reader);
                let because = format!("{who} read {element} in {key}, which nobody appended");
                (because.clone(), vec![self.step(*reader, because)])
            });
        }
    }

    /// G1a, and failed writes that later ones built on.
    fn aborted(&self, findings: &mut Findings) {
        let table = self.table;
        let writer = |version: u32| table.versions[version as usize].writer;
        let failed = |version: &u32| {
            let txn = table.txns.get(writer(*version) as usize);
            txn.is_some_and(|txn| txn.status == Status::Aborted)
        };
        let mut first: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        for key in 0..table.keys.len() as u32 {
            let known = self.orders.known(key);
            let Some(at) = known.iter().position(failed) else { continue };
            first.insert(key, (at as u32 + 1, known[at]));
            let later = known[at..].iter().find(|version| table.writer(**version).is_some());
            if let Some(later) = later {
                self.dirty_update(key, known[at], *later, findings);
            }
        }
        if first.is_empty() {
            return;
        }
        for t in self.committed() {
            for mop in table.mops(t).iter().filter(|mop| mop.does != Does::Write) {
                let Some((place, version)) = first.get(&mop.key) else { continue };
                if mop.version == INITIAL || self.orders.place(mop.version) < *place {
                    continue;
                }
                let (reader, failed) = (self.words.txn(t), writer(*version));
                let (key, aborted) = (self.words.key(mop.key), self.words.txn(failed));
                let value = self.words.value(table.versions[*version as usize].value);
                findings.add(AnomalyKind::G1A, Some(key.clone()), || {
                    let summary =
                        format!("{reader} observed {aborted}'s append of {value} to {key}, but {aborted} failed");
                    let steps = vec![
                        self.step(failed, format!("{aborted} failed; it appended {value} to {key}")),
                        self.step(t, format!("{reader} read {value} in {key}")),
                    ];
                    (summary, steps)
                });
            }
        }
    }

    fn dirty_update(&self, key: u32, failed: u32, later: u32, findings: &mut Findings) {
        let table = self.table;
        let (failed, later) = (table.versions[failed as usize], table.versions[later as usize]);
        let key = self.words.key(key);
        let (aborted, over) = (self.words.txn(failed.writer), self.words.txn(later.writer));
        let (old, new) = (self.words.value(failed.value), self.words.value(later.value));
        findings.add(AnomalyKind::DIRTY_UPDATE, Some(key.clone()), || {
            let summary = format!(
                "{over} appended {new} to {key} after {aborted}'s {old}, but {aborted} failed"
            );
            let steps = vec![
                self.step(failed.writer, format!("{aborted} failed; it appended {old} to {key}")),
                self.step(later.writer, format!("{over} appended {new} to {key} after it")),
            ];
            (summary, steps)
        });
    }

    /// G1b: a read that ends with a write which its transaction followed by another.
    fn intermediate(&self, findings: &mut Findings) {
        let table = self.table;
        for t in self.committed() {
            for mop in table.mops(t).iter().filter(|mop| mop.does == Does::Read) {
                let Some(version) = table.versions.get(mop.version as usize) else { continue };
                if version.last || version.writer == t {
                    continue;
                }
                let (reader, writer) = (self.words.txn(t), self.words.txn(version.writer));
                let (key, value) = (self.words.key(mop.key), self.words.value(version.value));
                findings.add(AnomalyKind::G1B, Some(key.clone()), || {
                    let summary = format!(
                        "{reader} observed {writer}'s append of {value} to {key}, which was not \
                         its last"
                    );
                    let steps = vec![
                        self.step(
                            version.writer,
                            format!("{writer} appended {value} to {key}, then more"),
                        ),
                        self.step(t, format!("{reader} read {key} up to {value}")),
                    ];
                    (summary, steps)
                });
            }
        }
    }

    /// Two committed transactions that read one version of a key and then wrote the key.
    fn lost_updates(&self, findings: &mut Findings) {
        let table = self.table;
        // By version, and by key for the initial one: the first that updated it.
        let mut first: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        // Of the current transaction, by key: the version it read before it touched the key.
        let mut read: FxHashMap<u32, Option<u32>> = FxHashMap::default();
        for t in self.committed() {
            read.clear();
            for mop in table.mops(t) {
                if mop.does != Does::Write {
                    let known = mop.version == INITIAL || self.orders.place(mop.version) > 0;
                    let clear = mop.does == Does::Read && known && table.is_clear(mop.key);
                    read.entry(mop.key).or_insert(clear.then_some(mop.version));
                    continue;
                }
                // Told once: what it writes next it wrote over its own.
                let Some(version) = read.insert(mop.key, None).flatten() else { continue };
                let other = *first.entry((mop.key, version)).or_insert(t);
                if other != t {
                    self.lost_update(mop.key, version, other, t, findings);
                }
            }
        }
    }

    fn lost_update(&self, key: u32, version: u32, a: u32, b: u32, findings: &mut Findings) {
        let key = self.words.key(key);
        let (one, other) = (self.words.txn(a), self.words.txn(b));
        findings.add(AnomalyKind::LOST_UPDATE, Some(key.clone()), || {
            let seen = match version {
                INITIAL => format!("key {key} as nobody had written it"),
                version => {
                    let value = self.table.versions[version as usize].value;
                    format!("key {key} up to {}", self.words.value(value))
                }
            };
            let summary = format!("{one} and {other} both read {seen}, and both then wrote it");
            let step = |t, who: &str| self.step(t, format!("{who} read {seen}, then wrote it"));
            (summary, vec![step(a, &one), step(b, &other)])
        });
    }

    /// Transactions that contradict themselves.
    fn alone(&self, own_writes: bool, findings: &mut Findings) {
        let mut states: FxHashMap<Code, State<'_>> = FxHashMap::default();
        for t in self.committed() {
            states.clear();
            let operation = self.table.history.operation(OpIndex(t));
            for mop in operation.mops() {
                match mop {
                    MopView::Append { key, element } => {
                        states.entry(key).or_default().own.push(element);
                    }
                    MopView::ReadList { key, .. } => {
                        let Some(list) = elements(mop) else { continue };
                        let state = states.entry(key).or_default();
                        let broken = state.read(list, own_writes);
                        if let Some(kind) = broken {
                            self.contradiction(operation, key, kind, findings);
                        }
                    }
                    MopView::Read { .. }
                    | MopView::Write { .. }
                    | MopView::Add { .. }
                    | MopView::ReadPredicate { .. } => {}
                }
            }
            self.future(operation, findings);
        }
    }

    fn contradiction(
        &self,
        operation: Operation<'_>,
        key: Code,
        kind: AnomalyKind,
        findings: &mut Findings,
    ) {
        let t = operation.index().0;
        let (who, key) = (self.words.txn(t), self.words.value(key));
        findings.add(kind, Some(key.clone()), || {
            let because = match kind {
                AnomalyKind::NON_REPEATABLE_READ => {
                    format!("{who} read key {key} twice and saw two lists, without writing it")
                }
                _ => format!("{who} read key {key} otherwise than its own steps left it"),
            };
            (because.clone(), vec![self.step(t, because)])
        });
    }

    /// A read that shows an element which the transaction appends only later.
    fn future(&self, operation: Operation<'_>, findings: &mut Findings) {
        let t = operation.index().0;
        // By key: the earliest place of what is appended later.
        let mut later: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        for mop in self.table.mops(t).iter().rev() {
            let place = match mop.version {
                INITIAL => continue,
                version => self.orders.place(version),
            };
            if mop.does == Does::Write {
                if place > 0 {
                    let first = later.entry(mop.key).or_insert((place, mop.version));
                    *first = (*first).min((place, mop.version));
                }
                continue;
            }
            let Some((own, version)) = later.get(&mop.key).copied() else { continue };
            if own > place {
                continue;
            }
            let (who, key) = (self.words.txn(t), self.words.key(mop.key));
            let value = self.words.value(self.table.versions[version as usize].value);
            findings.add(AnomalyKind::FUTURE_READ, Some(key.clone()), || {
                let because = format!("{who} read {value} in {key} before it appended it");
                (because.clone(), vec![self.step(t, because)])
            });
        }
    }
}

/// What a transaction knows of a list.
#[derive(Default)]
struct State<'h> {
    read: Option<&'h [Code]>,
    /// Appended since, or since it began.
    own: Vec<Code>,
    appended: bool,
}

impl<'h> State<'h> {
    /// Takes a read in; how it contradicts what went before.
    fn read(&mut self, list: &'h [Code], own_writes: bool) -> Option<AnomalyKind> {
        let own = self.own.as_slice();
        let broken = match self.read {
            None => !list.ends_with(own),
            Some(before) => {
                list.len() != before.len() + own.len()
                    || !list.starts_with(before)
                    || !list.ends_with(own)
            }
        };
        self.appended |= !self.own.is_empty();
        let kind = match self.appended {
            true => AnomalyKind::INTERNAL,
            false => AnomalyKind::NON_REPEATABLE_READ,
        };
        self.read = Some(list);
        self.own.clear();
        (broken && (own_writes || !self.appended)).then_some(kind)
    }
}
