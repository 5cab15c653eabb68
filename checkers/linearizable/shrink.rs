//! From "no order passes this return" to the few operations that show it.
//!
//! Removal is by closed sets: with an operation go all that may have seen its effect, otherwise
//! the absence itself would be the contradiction. `certificate` states the rule and checks it.
//! The work is bounded, so that evidence of a long history costs no more than its verdict.

use tribunal_history::Value;

use super::found::{Dead, Found};
use super::meter::Ledger;
use super::rules::Rules;
use super::sums::Sum;
use super::window::portfolio::search;
use super::window::table::{Grid, States, Table};
use super::{Entry, Model, NEVER, Problem, Steps};

/// Most searches one counterexample may cost.
const PROBES: usize = 3_000;
/// Most operations and configurations looked at, beyond those of the first probe.
const WORK: u64 = 1 << 24;

/// Operations looked at between two looks at the caller's flag.
const POLL: u64 = 1 << 16;

/// Configurations that telling states apart may cost, and most of them that are told then.
const TOLD: u64 = 1 << 10;
const FEW: usize = 16;

/// A counterexample, by positions in the whole partition.
pub(super) struct Counterexample<S> {
    /// Positions, by invocation.
    pub(super) kept: Vec<u32>,
    /// Where every order of them dies; entries are positions in the whole partition.
    pub(super) dead: Dead,
    /// The states behind `dead.states`.
    pub(super) states: Vec<S>,
    /// Whether these are all that are possible there.
    pub(super) complete: bool,
    /// Whether every smaller closed set was tried and is no proof.
    pub(super) minimal: bool,
    /// Configurations spent.
    pub(super) configurations: u64,
    /// The proof, where that is a sum.
    pub(super) sum: Option<Sum>,
    /// Where it is what the operations say of these alone; otherwise none.
    pub(super) about: Vec<Value>,
}

impl<S> Counterexample<S> {
    /// By sums, whatever the order, what returns at `rank` cannot be.
    pub(super) fn summed(sum: Sum, rank: u32) -> Counterexample<S> {
        let dead = Dead { entry: sum.entry, rank, prefix: Vec::new(), states: Vec::new() };
        let (kept, minimal, states) = (sum.kept.clone(), sum.minimal, Vec::new());
        Counterexample { minimal, sum: Some(sum), ..Counterexample::of(kept, dead, states) }
    }

    /// The operation at `entry`, which returned at `rank`, is impossible.
    pub(super) fn alone(entry: u32, rank: u32) -> Counterexample<S> {
        let dead = Dead { entry, rank, prefix: Vec::new(), states: Vec::new() };
        Counterexample { minimal: true, ..Counterexample::of(vec![entry], dead, Vec::new()) }
    }

    /// These operations, not known to be minimal.
    pub(super) fn of(kept: Vec<u32>, dead: Dead, states: Vec<S>) -> Counterexample<S> {
        let (complete, minimal, configurations) = (true, false, 0);
        let about = Vec::new();
        Counterexample { kept, dead, states, complete, minimal, configurations, sum: None, about }
    }
}

struct Shrinker<'a, M: Model> {
    model: &'a M,
    problem: &'a Problem<M::Op>,
    states: States<'a, M>,
    table: Table,
    ledger: &'a Ledger<'a>,
    limit: u64,
    rules: Rules,
    probes: usize,
    work: u64,
    kept: Vec<u32>,
    dead: Dead,
    minimal: bool,
    configurations: u64,
    undecided: bool,
}

/// Shrinks `kept`, a counterexample of which no order passes the return of rank `rank`; `cost` is
/// what deciding took. `None` if not even that could be decided again within the budget.
pub(super) fn shrink<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    ledger: &Ledger<'_>,
    (kept, rank): (Vec<u32>, u32),
    cost: u64,
    rules: Rules,
) -> Option<Counterexample<M::State>> {
    let states = States::merging(model, &problem.ops);
    let mut shrinker = Shrinker {
        model,
        problem,
        table: Table::new(&states, ledger.most_bytes() / 16),
        states,
        ledger,
        limit: cost.saturating_mul(4).saturating_add(10_000),
        rules,
        probes: 0,
        work: 0,
        kept: Vec::new(),
        dead: Dead { entry: 0, rank, prefix: Vec::new(), states: Vec::new() },
        minimal: false,
        configurations: 0,
        undecided: false,
    };
    // A window at the end may do, and then the whole need not be decided again.
    shrinker.kept.clone_from(&kept);
    if !shrinker.by_window() && !shrinker.probe(&kept) {
        return None;
    }
    shrinker.work = 0;
    shrinker.by_chunks();
    let told = shrinker.told();
    let late = ledger.is_cancelled();
    let Shrinker { kept, dead, minimal, configurations, states, .. } = shrinker;
    let merged = || dead.states.iter().map(|state| states.get(*state).clone()).collect();
    let complete = told.is_some() || !states.has_turned_back();
    let told = told.unwrap_or_else(merged);
    if late {
        states.free_aside();
    }
    let of = Counterexample::of(kept, dead, told);
    Some(Counterexample { complete, minimal, configurations, ..of })
}

/// Positions of the operations invoked before the event of rank `rank`.
pub(super) fn before<O>(problem: &Problem<O>, rank: u32) -> Vec<u32> {
    let early = problem.entries.partition_point(|entry| entry.call < rank);
    (0..early as u32).collect()
}

/// The history of `kept` up to the event of rank `end`.
pub(super) fn cut<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    kept: &[u32],
    end: u32,
) -> Problem<M::Op> {
    problem.prefix(model, |at| kept.binary_search(&(at as u32)).is_ok(), end)
}

/// Removes from `kept`, by call, whatever may have seen, or was consumed by, an operation that was
/// invoked before the event of rank `end` and is not in it. Returns how many operations were looked
/// at; `None` where it was told to stop before it ended.
pub(super) fn close<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    is_pure: impl Fn(u32) -> bool,
    kept: &mut Vec<u32>,
    end: u32,
    stop: &dyn Fn() -> bool,
) -> Option<u64> {
    let entry = |at: u32| &problem.entries[at as usize];
    let ret = |at: u32| if entry(at).ret > end { NEVER } else { entry(at).ret };
    let (mut work, mut due) = (0, 0);
    loop {
        let before = kept.len();
        let barriers = barriers(model, problem, kept, end);
        // The latest return up to each: who is before is nobody's witness.
        let mut latest = 0;
        let reach: Vec<u32> = kept
            .iter()
            .map(|at| {
                latest = latest.max(ret(*at));
                latest
            })
            .collect();
        let begin = begin(model, problem, kept, end);
        let mut saw = vec![false; kept.len()];
        let mut next = kept.iter().copied().peekable();
        for (at, dropped) in (0..).zip(&problem.entries).take_while(|(_, e)| e.call < end) {
            let settled = dropped.ret < begin;
            if next.next_if_eq(&at).is_some() || settled || is_pure(dropped.class) {
                continue;
            }
            if work >= due {
                due = work + POLL;
                if stop() {
                    return None;
                }
            }
            let behind = barriers.partition_point(|(call, _)| *call <= dropped.ret);
            let hidden_from = barriers.get(behind).map_or(NEVER, |(_, ret)| *ret);
            work += 1;
            for place in reach.partition_point(|reach| *reach < dropped.call)..kept.len() {
                let observer = kept[place];
                if entry(observer).call > hidden_from {
                    break;
                }
                work += 1;
                if !saw[place] && ret(observer) >= dropped.call {
                    let seen = problem.op(dropped);
                    saw[place] = model.observes(problem.op(entry(observer)), seen);
                }
            }
            if M::CONSUMES {
                work += kept.len() as u64;
                let consumer = problem.op(dropped);
                // By call: of those that were called later it took nothing away.
                let producers = kept.iter().take_while(|at| entry(**at).call < dropped.ret);
                for (saw, producer) in saw.iter_mut().zip(producers) {
                    *saw = *saw || model.consumes(consumer, problem.op(entry(*producer)));
                }
            }
        }
        let mut saw = saw.into_iter();
        kept.retain(|_| !saw.next().expect("one for each"));
        if kept.len() == before {
            return Some(work);
        }
    }
}

/// Blind operations of `kept` that returned by `end`: by call, and of each the earliest return from
/// there on.
fn barriers<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    kept: &[u32],
    end: u32,
) -> Vec<(u32, u32)> {
    let entries = kept.iter().map(|at| &problem.entries[*at as usize]);
    let blind = entries.filter(|entry| entry.ret <= end && model.is_blind(problem.op(entry)));
    let mut barriers: Vec<(u32, u32)> = blind.map(|entry| (entry.call, entry.ret)).collect();
    let mut earliest = NEVER;
    for (_, ret) in barriers.iter_mut().rev() {
        earliest = earliest.min(*ret);
        *ret = earliest;
    }
    barriers
}

/// The invocation of a first kept operation that settles the state: what returned before it does
/// not matter. Otherwise 0.
fn begin<M: Model>(model: &M, problem: &Problem<M::Op>, kept: &[u32], end: u32) -> u32 {
    let Some((first, rest)) = kept.split_first() else { return 0 };
    let first = &problem.entries[*first as usize];
    let op = problem.op(first);
    let settles = first.ret <= end
        && rest.first().is_none_or(|next| problem.entries[*next as usize].call > first.ret)
        && model.settles(op)
        && !matches!(model.step(&model.initial(), op), Steps::None);
    if settles { first.call } else { 0 }
}

impl<M: Model> Shrinker<'_, M> {
    /// Tries the operations that returned last, few and then more: most contradictions are local.
    fn by_window(&mut self) -> bool {
        let mut by_return = self.kept.clone();
        by_return.sort_by_key(|at| std::cmp::Reverse(self.ret(*at)));
        let crashed = by_return.iter().take_while(|at| self.ret(**at) == NEVER).count();
        let mut size = 8;
        while crashed + size < by_return.len() {
            let mut window = by_return[..crashed + size].to_vec();
            window.sort_unstable();
            if self.probe_closed(window) {
                return true;
            }
            size *= 2;
        }
        false
    }

    /// Delta debugging: crashed operations first, then halves, quarters, single operations.
    fn by_chunks(&mut self) {
        let mut size = self.kept.len().div_ceil(2).max(1);
        loop {
            let removed = self.remove_chunks(size);
            if self.is_spent() {
                return;
            }
            if size > 1 {
                size = size.div_ceil(2);
            } else if !removed && !self.by_beginning() {
                self.minimal = !self.undecided;
                return;
            }
        }
    }

    fn remove_chunks(&mut self, size: usize) -> bool {
        self.undecided = false;
        let mut removed = false;
        let mut candidates = self.kept.clone();
        candidates.sort_by_key(|at| (self.ret(*at) != NEVER, *at));
        for chunk in candidates.chunks(size) {
            let mut chunk = chunk.to_vec();
            chunk.sort_unstable();
            let stays = |at: &u32| chunk.binary_search(at).is_err();
            let left: Vec<u32> = self.kept.iter().copied().filter(stays).collect();
            if left.len() < self.kept.len() {
                removed |= self.probe_closed(left);
            }
        }
        removed
    }

    /// Tries to begin later, with an operation that settles the state: what returned before it need
    /// not go one by one, as nothing in it would let another one go.
    fn by_beginning(&mut self) -> bool {
        let kept = self.kept.clone();
        kept.iter().rev().any(|first| {
            let entry = &self.problem.entries[*first as usize];
            let later = |at: &u32| self.problem.entries[*at as usize].call > entry.ret;
            let left = kept.iter().copied().filter(|at| at == first || later(at));
            let left: Vec<u32> = left.collect();
            left.len() < kept.len()
                && begin(self.model, self.problem, &left, self.dead.rank) > 0
                && self.probe_closed(left)
        })
    }

    fn is_spent(&self) -> bool {
        self.probes >= PROBES || self.work >= WORK || self.ledger.is_cancelled()
    }

    fn ret(&self, at: u32) -> u32 {
        let ret = self.problem.entries[at as usize].ret;
        if ret > self.dead.rank { NEVER } else { ret }
    }

    fn probe_closed(&mut self, mut kept: Vec<u32>) -> bool {
        if self.is_spent() {
            self.undecided = true;
            return false;
        }
        let pure = |class| self.table.is_pure(class);
        let stop = || self.ledger.is_cancelled();
        let closed = close(self.model, self.problem, pure, &mut kept, self.dead.rank, &stop);
        let Some(work) = closed else {
            self.undecided = true;
            return false;
        };
        self.work += work;
        !kept.is_empty() && self.probe(&kept)
    }

    /// Whether `kept` is a counterexample too; if so it is the best so far.
    fn probe(&mut self, kept: &[u32]) -> bool {
        self.probes += 1;
        let (positions, entries) = self.part(kept);
        let grid = Grid { table: &mut self.table, source: &mut self.states };
        let (found, took) = search(grid, &entries, self.ledger, self.limit, self.rules, None);
        self.configurations += took.configurations;
        self.work += took.configurations + entries.len() as u64;
        match found {
            Found::Dead(mut dead) => {
                let position = |at: u32| positions[at as usize];
                dead.entry = position(dead.entry);
                dead.prefix.iter_mut().for_each(|at| *at = position(*at));
                let call = |at: &u32| self.problem.entries[*at as usize].call;
                self.kept = positions.iter().copied().filter(|at| call(at) < dead.rank).collect();
                self.dead = dead;
                true
            }
            Found::Linearization(_) => false,
            Found::Spent(..) | Found::Impure(..) => {
                self.undecided = true;
                false
            }
        }
    }

    /// The states before what fails as people know them, where searches see several as one, or
    /// turn back before they have seen all, and little more work tells.
    fn told(&mut self) -> Option<Vec<M::State>> {
        if !self.states.has_turned_back() {
            let _merge = self.model.merged(&self.problem.ops)?;
        }
        let (_, entries) = self.part(&self.kept);
        let mut states = States::every(self.model, &self.problem.ops[..]);
        let mut table = Table::new(&states, self.ledger.most_bytes() / 16);
        let grid = Grid { table: &mut table, source: &mut states };
        let (found, took) = search(grid, &entries, self.ledger, TOLD, self.rules, None);
        self.configurations += took.configurations;
        match found {
            Found::Dead(dead) if dead.rank == self.dead.rank && dead.states.len() <= FEW => {
                Some(dead.states.iter().map(|state| states.get(*state).clone()).collect())
            }
            Found::Dead(_) | Found::Linearization(_) | Found::Spent(..) | Found::Impure(..) => None,
        }
    }

    /// The history of `kept` up to the return in question, and where its entries come from.
    fn part(&self, kept: &[u32]) -> (Vec<u32>, Vec<Entry>) {
        let part = kept.iter().map(|at| {
            let entry = self.problem.entries[*at as usize];
            (*at, Entry { ret: self.ret(*at), ..entry })
        });
        let part: Vec<(u32, Entry)> =
            part.filter(|(_, entry)| entry.call < self.dead.rank).collect();
        let last = part.iter().map(|(_, entry)| entry.ret).filter(|ret| *ret != NEVER).max();
        let matters = |entry: &Entry| {
            let changes = || !self.table.is_pure(entry.class);
            entry.ret != NEVER || Some(entry.call) < last && changes()
        };
        part.into_iter().filter(|(_, entry)| matters(entry)).unzip()
    }
}
