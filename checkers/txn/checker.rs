//! The checker of lists: every level of isolation in one pass.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use tribunal_history::History;

use super::atomic;
use super::certificate::{Keeps, verify_cycle, verify_order};
use super::direct::of_lists;
use super::edges::{Chain, Dependencies, Kinds};
use super::explain::{Reason, Words, reason};
use super::graph::{Components, Graph, MOST};
use super::levels::{Class, Shape, Strength, classes};
use super::lists::{Lists, infer};
use super::table::Table;
use super::tails::settle;
use super::witness::{Edge, cycle, split_cycle};
use crate::{
    Anomaly, AnomalyKind, Budget, CheckError, Checker, Consistency, Cost, Coverage, Dependency,
    Evidence, LevelAnswer, ReasonClass, Report, Spent, Verdict,
};

const NAME: &str = "list-append";

/// Why a level is open.
const OPEN: &str = "no order was found of appends that nobody read; read every key at the end";

/// How transactions are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Whether a transaction sees its own writes. Off for databases that do not promise it.
    pub own_writes: bool,
    /// Whether orders that prove a level are replayed. Cycles always are verified.
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { own_writes: true, verify: true }
    }
}

/// Judges transactions that append to lists and read them, for one level; the report says what came
/// of every other one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListAppend {
    level: Consistency,
    options: Options,
}

impl ListAppend {
    /// The levels that are decided, stronger ones first.
    pub const LEVELS: &[Consistency] = &[
        Consistency::StrictSerializable,
        Consistency::StrongSessionSerializable,
        Consistency::Serializable,
        Consistency::StrongSnapshotIsolation,
        Consistency::StrongSessionSnapshotIsolation,
        Consistency::SnapshotIsolation,
        Consistency::RepeatableRead,
        Consistency::StrongSessionParallelSnapshotIsolation,
        Consistency::ParallelSnapshotIsolation,
        Consistency::StrongSessionPrefix,
        Consistency::Prefix,
        Consistency::ConsistentView,
        Consistency::StrongSessionReadAtomic,
        Consistency::UpdateAtomic,
        Consistency::ReadAtomic,
        Consistency::MonotonicAtomicView,
        Consistency::CursorStability,
        Consistency::StrongReadCommitted,
        Consistency::StrongSessionReadCommitted,
        Consistency::ReadCommitted,
        Consistency::ReadUncommitted,
    ];

    /// Judges for `level`.
    pub fn new(level: Consistency) -> ListAppend {
        ListAppend { level, options: Options::default() }
    }

    /// The same check done another way.
    pub fn with_options(self, options: Options) -> ListAppend {
        ListAppend { options, ..self }
    }
}

impl Checker for ListAppend {
    fn name(&self) -> &str {
        self.level.name()
    }

    fn check(&self, history: &History, budget: &Budget) -> Result<Report, CheckError> {
        let mut table = Table::of_writes(history, NAME)?;
        let lists = infer(&mut table, NAME)?;
        let judge = Judge { table: &table, lists: &lists, options: self.options, budget };
        let found = judge.everything()?;
        Ok(found.report(self.level, &table))
    }
}

struct Judge<'t, 'h> {
    table: &'t Table<'h>,
    lists: &'t Lists,
    options: Options,
    budget: &'t Budget,
}

/// What a check of all levels came to.
struct Found {
    anomalies: Vec<Anomaly>,
    /// Why cycles were not looked for to the end.
    spent: Option<Spent>,
    /// Levels that no cycle rules out and no order of unseen writes was found for.
    open: Vec<Consistency>,
    /// Keys of which nothing was concluded.
    left_out: usize,
    cost: Cost,
}

/// Levels that forbid concurrent writers, by the cycles that refute them.
const CHOOSING: &[(Shape, Strength, &[Consistency])] = &[
    (Shape::Nonadjacent, Strength::Plain, &[Consistency::SnapshotIsolation]),
    (Shape::Nonadjacent, Strength::Session, &[Consistency::StrongSessionSnapshotIsolation]),
    (Shape::Nonadjacent, Strength::RealTime, &[Consistency::StrongSnapshotIsolation]),
    (
        Shape::Single,
        Strength::Plain,
        &[Consistency::ParallelSnapshotIsolation, Consistency::ConsistentView],
    ),
    (Shape::Single, Strength::Session, &[Consistency::StrongSessionParallelSnapshotIsolation]),
];

impl Judge<'_, '_> {
    fn everything(&self) -> Result<Found, CheckError> {
        let left_out = self.left_out();
        let mut findings = of_lists(self.table, self.lists, self.options.own_writes);
        atomic::scan(self.table, &self.lists.orders, &left_out, &mut findings);
        let anomalies = findings.list;
        let mut found = Found {
            anomalies,
            spent: None,
            open: Vec::new(),
            left_out: left_out.iter().filter(|left_out| **left_out).count(),
            cost: Cost::default(),
        };
        let chain = Chain::of(self.table);
        let deps = Dependencies {
            table: self.table,
            orders: &self.lists.orders,
            left_out: &left_out,
            chain,
        };
        let vertices = deps.chain.vertices();
        let most = deps.at_most();
        let bytes = self.table.bytes() + self.lists.orders.bytes() + 40 * u64::from(vertices);
        found.cost.peak_bytes = bytes.saturating_add(4 * most);
        let numbered = vertices < MOST && most < u64::from(u32::MAX);
        if found.cost.peak_bytes > self.budget.bytes || !numbered {
            found.spent = Some(Spent::Memory);
            return Ok(found);
        }
        let graph = Graph::new(vertices, |edge| deps.each(edge));
        found.cost.configurations = graph.len() as u64;
        let all = Strength::RealTime.base().and(Kinds::RW);
        match graph.order(all) {
            Ok(order) => self.proved(&order, &mut found)?,
            Err(cyclic) => self.cycles(&deps, &graph, cyclic, &mut found)?,
        }
        Ok(found)
    }

    /// Keys of which no order is known: their reads contradict each other or themselves, or their
    /// values do not tell their writers.
    fn left_out(&self) -> Vec<bool> {
        let mut left_out = vec![false; self.table.keys.len()];
        for key in self.table.ambiguous.keys() {
            left_out[*key as usize] = true;
        }
        let problems = &self.lists.problems;
        let duplicates = problems.duplicates.iter().map(|(key, _, _)| key);
        let torn = problems.torn.iter().map(|(key, ..)| key);
        let incompatible = problems.incompatible.iter().map(|(key, _, _)| key);
        for key in incompatible.chain(torn).chain(duplicates) {
            left_out[*key as usize] = true;
        }
        left_out
    }

    /// No cycle at all: the order is a proof, unless something else is wrong.
    fn proved(&self, order: &[u32], found: &mut Found) -> Result<(), CheckError> {
        if !found.anomalies.is_empty() || !self.table.ambiguous.is_empty() {
            return Ok(());
        }
        if self.options.verify {
            let happened = |t: &&u32| {
                (**t as usize) < self.table.txns.len() && super::orders::happened(self.table, **t)
            };
            let order: Vec<u32> = order.iter().filter(happened).copied().collect();
            let own_writes = self.options.own_writes;
            let real_time = self.table.history.has_real_time();
            let keeps = Keeps { sessions: true, real_time, own_writes };
            verify_order(self.table.history, &order, keeps).map_err(internal)?;
            found.cost.certificates_verified += 1;
        }
        Ok(())
    }

    fn cycles(
        &self,
        deps: &Dependencies<'_, '_>,
        graph: &Graph,
        cyclic: Vec<u32>,
        found: &mut Found,
    ) -> Result<(), CheckError> {
        let give_up = || self.budget.is_cancelled();
        let all = Strength::RealTime.base().and(Kinds::RW);
        let behind = graph.part(&cyclic, all);
        let components = behind.components(all);
        let (mut members, mut numbers) = (Vec::new(), Vec::new());
        for (at, number) in (0..).zip(&cyclic) {
            if components.cyclic(at) {
                members.push(at);
                numbers.push(*number);
            }
        }
        let part = behind.part(&members, all);
        let Some(classes) = classes(&part, &give_up) else {
            found.spent = Some(Spent::Time);
            return Ok(());
        };
        if classes.is_empty() {
            return Err(internal("a cycle of no class".into()));
        }
        found.open = self.open(&part, &numbers, &classes, &give_up);
        let nodes = self.table.txns.len() as u32;
        for class in &classes {
            let Some(edges) = cycle(&part, *class, &numbers, nodes, &give_up) else {
                if give_up() {
                    found.spent = Some(Spent::Time);
                    return Ok(());
                }
                return Err(internal(format!("{} without a cycle", class.kind().0)));
            };
            let anomaly = self.verified(deps, class.kind(), &edges, found)?;
            found.anomalies.push(anomaly);
        }
        for strength in [Strength::Plain, Strength::Session] {
            let flow = Class { shape: Shape::G1c, strength };
            let kind = match strength {
                Strength::Plain => AnomalyKind::NON_PREFIX,
                Strength::Session | Strength::RealTime => AnomalyKind::NON_PREFIX.process(),
            };
            let known =
                found.anomalies.iter().any(|anomaly| anomaly.kind == AnomalyKind::NON_PREFIX);
            if known || classes.iter().any(|class| class.implies(flow)) {
                continue;
            }
            if let Some(edges) = split_cycle(&part, strength, &numbers, nodes, &give_up) {
                let anomaly = self.verified(deps, kind, &edges, found)?;
                found.anomalies.push(anomaly);
            }
        }
        if give_up() {
            found.spent = Some(Spent::Time);
        }
        Ok(())
    }

    /// The finding of a cycle, which the separate verifier accepted.
    fn verified(
        &self,
        deps: &Dependencies<'_, '_>,
        kind: AnomalyKind,
        edges: &[Edge],
        found: &mut Found,
    ) -> Result<Anomaly, CheckError> {
        let reasons: Option<Vec<Reason>> =
            edges.iter().map(|edge| reason(deps, &self.lists.longest, *edge)).collect();
        let reasons = reasons.ok_or_else(|| internal("an edge without a reason".into()))?;
        verify_cycle(self.table.history, &reasons).map_err(internal)?;
        found.cost.certificates_verified += 1;
        Ok(self.anomaly(kind, &reasons))
    }

    /// Levels that hold only if writes which nobody saw have an order, and none was found.
    fn open(
        &self,
        part: &Graph,
        numbers: &[u32],
        classes: &[Class],
        give_up: &dyn Fn() -> bool,
    ) -> Vec<Consistency> {
        let mut open = Vec::new();
        for (shape, strength, levels) in CHOOSING {
            let refuted = Class { shape: *shape, strength: *strength };
            let serial = Class { shape: Shape::G2, strength: *strength };
            if classes.iter().any(|class| class.implies(refuted))
                || !classes.iter().any(|class| class.implies(serial))
            {
                continue;
            }
            let components = part.components(serial.kinds());
            let pairs = self.unseen_pairs(numbers, &components);
            if settle(part, &pairs, strength.base(), *shape, give_up).is_none() {
                open.extend(*levels);
            }
        }
        open
    }

    /// Pairs of transactions on a common cycle that wrote one key, neither of which was seen.
    fn unseen_pairs(&self, numbers: &[u32], components: &Components) -> Vec<(u32, u32)> {
        let place: FxHashMap<u32, u32> = numbers.iter().copied().zip(0..).collect();
        let mut pairs = BTreeSet::new();
        for key in 0..self.table.keys.len() as u32 {
            let tail = self.lists.orders.tail(key);
            let writer = |version: &u32| self.table.versions[*version as usize].writer;
            let inside: Vec<u32> =
                tail.iter().filter_map(|version| place.get(&writer(version)).copied()).collect();
            for (at, a) in inside.iter().enumerate() {
                let joined = inside[at + 1..].iter().filter(|b| components.joined(*a, **b));
                pairs.extend(joined.map(|b| (*a.min(b), *a.max(b))));
            }
        }
        pairs.into_iter().collect()
    }

    fn anomaly(&self, kind: AnomalyKind, cycle: &[Reason]) -> Anomaly {
        let words = Words(self.table);
        let steps: Vec<Dependency> = cycle.iter().map(|reason| words.dependency(reason)).collect();
        let sentences: Vec<&str> = steps.iter().map(|step| step.because.as_str()).collect();
        let summary = match sentences.as_slice() {
            [one, other] => format!("{one}, yet {other}"),
            [first, .., last] if sentences.len() <= 4 => {
                let middle = sentences[1..sentences.len() - 1].join("; ");
                format!("{first}; {middle}; yet {last}")
            }
            _ => format!("{} transactions each come before the next, in a circle", cycle.len()),
        };
        let evidence = Evidence::Cycle(steps);
        Anomaly { kind, subject: None, summary, evidence, minimal: true }
    }
}

impl Found {
    fn report(self, level: Consistency, table: &Table<'_>) -> Report {
        let levels = self.levels(table);
        let coverage = Coverage::default();
        let (mut against, others): (Vec<Anomaly>, Vec<Anomaly>) =
            self.anomalies.into_iter().partition(|anomaly| level.forbids(anomaly.kind));
        drop(others);
        let cycle = |anomaly: &Anomaly| CYCLES.contains(&anomaly.kind);
        if against.iter().any(cycle) {
            // The same in other words.
            against.retain(|anomaly| !IN_OTHER_WORDS.contains(&anomaly.kind));
        }
        against.sort_by_key(|anomaly| severity(anomaly.kind));
        let answer = levels.iter().find(|answer| answer.level == level);
        let mut report = match answer {
            Some(LevelAnswer { verdict: Verdict::Valid, .. }) => Report::valid(coverage, self.cost),
            Some(LevelAnswer { verdict: Verdict::Invalid, .. }) => {
                Report::invalid(against, coverage, self.cost)
            }
            Some(LevelAnswer { because, .. }) => {
                let (class, why) = (ReasonClass::Undecided, because.clone());
                Report::unknown(class, why, coverage, Cost { spent: self.spent, ..self.cost })
            }
            None => {
                let why = format!("{NAME} does not decide {}", level.name());
                Report::unknown(ReasonClass::Undecided, why, coverage, self.cost)
            }
        };
        if table.txns.is_empty() {
            let reason = "no transaction".to_string();
            (report.verdict, report.reason) = (Verdict::Unknown, Some(reason));
            report.reason_class = Some(ReasonClass::NotExercised);
        }
        report.levels = levels;
        report
    }

    /// What is known of each level.
    fn levels(&self, table: &Table<'_>) -> Vec<LevelAnswer> {
        let ambiguous = table.ambiguous.iter().min_by_key(|(key, _)| **key);
        let undecided = match (self.spent, ambiguous) {
            (Some(spent), _) => Some(format!("{} budget spent before cycles were", spent.name())),
            (None, Some((key, (one, other)))) => {
                let words = Words(table);
                let (key, keys) = (words.key(*key), table.ambiguous.len());
                Some(format!(
                    "values are not unique: {} and {} write the same value to key {key}, so reads \
                     of {keys} of {} keys do not tell whose write they saw",
                    words.txn(*one),
                    words.txn(*other),
                    table.keys.len()
                ))
            }
            (None, None) if self.left_out > 0 => Some(format!(
                "reads of {} of {} keys contradict each other, so those keys have no order",
                self.left_out,
                table.keys.len()
            )),
            (None, None) => None,
        };
        let untimed = |level: Consistency| {
            !table.history.has_real_time() && level.implies(Consistency::StrongReadCommitted)
        };
        let answer = |level: &Consistency| {
            let against = self.anomalies.iter().find(|anomaly| level.forbids(anomaly.kind));
            let open = self.open.iter().any(|open| level.implies(*open));
            let (verdict, because) = match (against, &undecided) {
                (Some(anomaly), _) => (Verdict::Invalid, anomaly.kind.0.to_string()),
                (None, Some(why)) => (Verdict::Unknown, why.clone()),
                (None, None) if open => (Verdict::Unknown, OPEN.to_string()),
                (None, None) if untimed(*level) => (Verdict::Unknown, NO_REAL_TIME.to_string()),
                (None, None) => (Verdict::Valid, String::new()),
            };
            LevelAnswer { level: *level, verdict, because }
        };
        ListAppend::LEVELS.iter().map(answer).collect()
    }
}

const NO_REAL_TIME: &str = "the history does not say what of different sessions came first";

const CYCLES: [AnomalyKind; 4] = [
    AnomalyKind::G_SINGLE,
    AnomalyKind::G_NONADJACENT,
    AnomalyKind::G_SINGLE.process(),
    AnomalyKind::G_NONADJACENT.process(),
];

/// Each is one of these cycles, told for the level it rules out.
const IN_OTHER_WORDS: [AnomalyKind; 5] = [
    AnomalyKind::NON_MONOTONIC_VIEW,
    AnomalyKind::FRACTURED_READ,
    AnomalyKind::FRACTURED_READ.process(),
    AnomalyKind::NON_PREFIX,
    AnomalyKind::NON_PREFIX.process(),
];

/// Findings that say more come first.
fn severity(kind: AnomalyKind) -> usize {
    const WORST_FIRST: [AnomalyKind; 12] = [
        AnomalyKind::THIN_AIR_READ,
        AnomalyKind::DUPLICATE_ELEMENTS,
        AnomalyKind::INCOMPATIBLE_ORDER,
        AnomalyKind::G1A,
        AnomalyKind::DIRTY_UPDATE,
        AnomalyKind::G1B,
        AnomalyKind::FUTURE_READ,
        AnomalyKind::INTERNAL,
        AnomalyKind::NON_REPEATABLE_READ,
        AnomalyKind::G0,
        AnomalyKind::G1C,
        AnomalyKind::LOST_UPDATE,
    ];
    WORST_FIRST.iter().position(|known| *known == kind).unwrap_or(WORST_FIRST.len())
}

fn internal(what: String) -> CheckError {
    CheckError::Internal { checker: NAME.into(), what }
}
