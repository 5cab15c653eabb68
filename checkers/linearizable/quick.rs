//! Refutations that need no search: few operations that contradict each other whatever the rest
//! does. For histories that are too wide to search.
//!
//! Three necessary conditions, from the transitions of the data type alone. *Producing* a state is
//! leading to it from another one; *needing* a state is to be legal in no other.
//!
//! 1. An operation that is illegal at first, and observes nothing that was invoked before it
//!    returned.
//! 2. A state is left, by operations that need it, more often than it can have been reached.
//! 3. A state is produced once. Then the object is in it without a break from the first return to
//!    the last call of whoever produced or needed it, its *zone* (Gibbons & Korach 1997), and no
//!    operation that does not stay in that state fits in there.
//!
//! Passing says nothing. What is found is a claim: a search over the operations named decides.

use super::rules::{Bug, Rules};
use super::shrink::close;
use super::window::table::{Grid, States, Table};
use super::{Entry, Model, NEVER, Problem, Steps};

/// Above this many pairs of distinct operations the search is asked at once.
const PAIRS: usize = 1 << 22;
/// Most states of which zones are looked at.
const STATES: usize = 64;
/// Most cells of the transitions.
const CELLS: usize = 1 << 15;
/// Most contradictions of one zone that are tried as evidence.
const TRIES: usize = 8;

/// Operations that have no legal order together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refutation {
    /// Positions, by call: with any of them, all it may have seen.
    pub(super) kept: Vec<u32>,
    /// Rank of the return that no order of them passes.
    pub(super) rank: u32,
}

/// The first contradiction found, unless told to stop; states are looked at where they hold no more
/// than `most_bytes`. O(operations * states) and O(distinct operations squared).
pub(super) fn refute<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    rules: Rules,
    most_bytes: u64,
    stop: &dyn Fn() -> bool,
) -> Option<Refutation> {
    let alone = |at: u32| Refutation { kept: vec![at], rank: problem.entries[at as usize].ret };
    unexplained(model, problem, rules, stop)?.map(alone).or_else(|| {
        let mut states = States::merging(model, &problem.ops);
        let mut table = Table::new(&states, 4 * CELLS as u64);
        let mut grid = Grid { table: &mut table, source: &mut states };
        let classes: Vec<u32> = (0..problem.ops.len() as u32).collect();
        if STATES * classes.len() > CELLS || !grid.complete(&classes, STATES, most_bytes, stop) {
            return None;
        }
        let roles = Roles::new(&mut grid, &classes);
        let closed = |mut kept: Vec<u32>, rank| {
            kept.sort_unstable();
            kept.dedup();
            let all = kept.len();
            close(
                model,
                problem,
                |class| model.is_pure(&problem.ops[class as usize]),
                &mut kept,
                rank,
                stop,
            )?;
            (kept.len() == all).then_some(Refutation { kept, rank })
        };
        let states = 0..grid.source.len() as u32;
        let often = states.clone().find_map(|state| {
            let (kept, rank) = left_too_often(&problem.entries, &roles, state, rules)?;
            closed(kept, rank)
        });
        often.or_else(|| {
            let mut zones = states.map(|state| in_a_zone(&problem.entries, &roles, state, rules));
            zones.find_map(|(found, rank)| found.into_iter().find_map(|kept| closed(kept, rank)))
        })
    })
}

/// A completed operation that is illegal in the initial state, and that observes nothing invoked
/// before it returned: no order of any kind makes it legal. The one that returned first; `None`
/// when told to stop.
///
/// Sound by the contract of [`Model::observes`]: from an order in which it stands, all that stands
/// before it may be left out, and alone it is illegal.
fn unexplained<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    rules: Rules,
    stop: &dyn Fn() -> bool,
) -> Option<Option<u32>> {
    let classes = problem.ops.len();
    if classes.saturating_mul(classes) > PAIRS {
        return Some(None);
    }
    let mut first_call = vec![NEVER; classes];
    for entry in &problem.entries {
        let first = &mut first_call[entry.class as usize];
        *first = (*first).min(entry.call);
    }
    let producers: Vec<usize> =
        (0..classes).filter(|class| !model.is_pure(&problem.ops[*class])).collect();
    let explained_from: Option<Vec<u32>> = problem
        .ops
        .iter()
        .map(|op| {
            if stop() {
                return None;
            }
            let initially = model.step(&model.initial(), op);
            if model.is_blind(op) || !matches!(initially, Steps::None) {
                return Some(0);
            }
            let explain = producers.iter().filter(|class| {
                let producer = &problem.ops[**class];
                first_call[**class] != NEVER
                    && (model.observes(op, producer) || model.consumes(producer, op))
            });
            Some(explain.map(|class| first_call[*class]).min().unwrap_or(NEVER))
        })
        .collect();
    let explained_from = explained_from?;
    let early = rules.has(Bug::ProducedBeforeCall);
    let unexplained = problem.entries.iter().enumerate().filter(|(_, entry)| {
        let latest = if early { entry.call } else { entry.ret };
        entry.ret != NEVER && latest < explained_from[entry.class as usize]
    });
    Some(unexplained.min_by_key(|(_, entry)| entry.ret).map(|(at, _)| at as u32))
}

/// What operations have to do with states, by class.
struct Roles {
    /// The one state it is legal in.
    needs: Vec<Option<u32>>,
    /// States it leads to from another.
    produces: Vec<u64>,
    /// States it is legal in and stays in.
    stays: Vec<u64>,
}

impl Roles {
    fn new(grid: &mut Grid<'_>, classes: &[u32]) -> Roles {
        let mut roles = Roles { needs: Vec::new(), produces: Vec::new(), stays: Vec::new() };
        for class in classes {
            let (mut legal, mut produces, mut stays) = (0_u64, 0_u64, 0_u64);
            for state in 0..grid.source.len() as u32 {
                match grid.branch(state, *class, 0) {
                    None => continue,
                    Some(next) if next == state => stays |= 1 << state,
                    Some(next) => produces |= 1 << next,
                }
                legal |= 1 << state;
            }
            let needs = (legal.count_ones() == 1).then(|| legal.trailing_zeros());
            roles.needs.push(needs);
            roles.produces.push(produces);
            roles.stays.push(stays);
        }
        roles
    }

    fn needs(&self, entry: &Entry, state: u32) -> bool {
        entry.ret != NEVER && self.needs[entry.class as usize] == Some(state)
    }

    fn produces(&self, entry: &Entry, state: u32) -> bool {
        self.produces[entry.class as usize] >> state & 1 == 1
    }

    fn stays(&self, entry: &Entry, state: u32) -> bool {
        self.stays[entry.class as usize] >> state & 1 == 1
    }
}

/// Those that leave `state`, until they are more than it can have been reached before the last of
/// them returned, and all who produce it.
fn left_too_often(
    entries: &[Entry],
    roles: &Roles,
    state: u32,
    rules: Rules,
) -> Option<(Vec<u32>, u32)> {
    let leaves = |entry: &Entry| roles.needs(entry, state) && !roles.stays(entry, state);
    let mut leavers: Vec<u32> =
        (0..).zip(entries).filter(|(_, entry)| leaves(entry)).map(|(at, _)| at).collect();
    leavers.sort_unstable_by_key(|at| entries[*at as usize].ret);
    let producers: Vec<u32> = (0..)
        .zip(entries)
        .filter(|(_, entry)| roles.produces(entry, state))
        .map(|(at, _)| at)
        .collect();
    let initial = usize::from(state == 0 && !rules.has(Bug::InitialForgotten));
    for (left, leaver) in leavers.iter().enumerate() {
        let rank = entries[*leaver as usize].ret;
        let before = producers.partition_point(|at| entries[*at as usize].call < rank);
        if left + 1 > before + initial {
            let kept = leavers[..=left].iter().chain(&producers[..before]).copied().collect();
            return Some((kept, rank));
        }
    }
    None
}

/// Where `state` is produced once: who bounds its zone, with each of those that do not fit in it.
fn in_a_zone(entries: &[Entry], roles: &Roles, state: u32, rules: Rules) -> (Vec<Vec<u32>>, u32) {
    let at_most_two = |role: &dyn Fn(&Entry) -> bool| {
        let with_role = (0..).zip(entries).filter(|(_, entry)| role(entry)).map(|(at, _)| at);
        with_role.take(2).collect::<Vec<u32>>()
    };
    let producers = at_most_two(&|entry| roles.produces(entry, state));
    if producers.len() + usize::from(state == 0) != 1 {
        return (Vec::new(), 0);
    }
    let completed = |at: &u32| entries[*at as usize].ret != NEVER;
    let need = (0..).zip(entries).filter(|(_, entry)| roles.needs(entry, state));
    let cluster: Vec<u32> =
        need.map(|(at, _)| at).chain(producers.iter().copied().filter(completed)).collect();
    let first = cluster.iter().min_by_key(|at| entries[**at as usize].ret);
    let last = cluster.iter().max_by_key(|at| entries[**at as usize].call);
    let (Some(first), Some(last)) = (first, last) else { return (Vec::new(), 0) };
    let (from, to) = (entries[*first as usize].ret, entries[*last as usize].call);
    let open = rules.has(Bug::ZoneNotClosed);
    let begin = entries.partition_point(|entry| entry.call < from);
    let inside = (begin as u32..).zip(&entries[begin..]).filter(|(at, entry)| {
        let fits = entry.call < to && entry.ret != NEVER && (entry.ret < to || open);
        let member = roles.needs(entry, state) || producers.contains(at);
        fits && !roles.stays(entry, state) && !member
    });
    let kept = |at| producers.iter().copied().chain([*first, *last, at]).collect();
    (inside.take(TRIES).map(|(at, _)| kept(at)).collect(), entries[*last as usize].ret)
}
