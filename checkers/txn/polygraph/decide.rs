//! One level of transactions over registers, decided: an order that shows it, transactions that
//! rule it out, or which budget ended.

use super::build::Polygraph;
use super::core::smallest;
use super::dynamic::Dynamic;
use super::facts::{Facts, NEVER};
use super::level::{Form, Question};
use super::reasons;
use super::saturate::{Ended, Saturated, saturate};
use super::search::{Outcome, Search};
use super::traps::Planted;
use super::verify::{Point, shows};
use crate::{Budget, Spent};

/// The answer, with what shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Decided {
    /// [`shows`] accepts the order.
    Holds(Vec<Point>),
    /// These transactions by themselves, ascending, have no order.
    Violated(Vec<u32>),
    /// Neither, with the transactions that were left.
    Spent {
        /// Which limit ended.
        spent: Spent,
        /// Pairs of versions whose order was open, if it came that far.
        open: usize,
    },
}

/// Decides. Complete: only the budget leaves it open. [`Budget::configurations`] counts conflicts
/// of the search.
pub(crate) fn decide(facts: &Facts, question: Question, budget: &Budget) -> Decided {
    decide_with(facts, question, Planted::default(), budget)
}

pub(super) fn decide_with(
    facts: &Facts,
    question: Question,
    planted: Planted,
    budget: &Budget,
) -> Decided {
    let told = match once(facts, question, planted, budget) {
        Once::Violated(told) => told,
        Once::Holds(order) => return Decided::Holds(order),
        Once::Spent { spent, open } => return Decided::Spent { spent, open },
    };
    let refuted = |less: &Facts| match once(less, question, planted, budget) {
        Once::Violated(told) => Some(told),
        Once::Holds(_) | Once::Spent { .. } => None,
    };
    let more = || match Polygraph::new(facts, question, planted) {
        Ok(polygraph) => reasons::with_blocks(&polygraph, &told),
        Err(contradiction) => contradiction,
    };
    let candidates = [told.clone()].into_iter().chain(std::iter::once_with(more));
    let core = smallest(facts, candidates, refuted);
    // What was told is refuted with all the others, at least.
    Decided::Violated(core.unwrap_or_else(|| (0..facts.len()).collect()))
}

/// As [`Decided`], with transactions that may be too few by themselves.
enum Once {
    Holds(Vec<Point>),
    Violated(Vec<u32>),
    Spent { spent: Spent, open: usize },
}

fn once(facts: &Facts, question: Question, planted: Planted, budget: &Budget) -> Once {
    if let Some(order) = by_completion(facts, question) {
        return Once::Holds(order);
    }
    let polygraph = match Polygraph::new(facts, question, planted) {
        Ok(polygraph) => polygraph,
        Err(contradiction) => return Once::Violated(contradiction),
    };
    let saturated = match saturate(&polygraph, question.kept, budget) {
        Ok(saturated) => saturated,
        Err(Ended::Spent(spent)) => return Once::Spent { spent, open: 0 },
        Err(Ended::Circle { circle, forced }) => {
            return Once::Violated(reasons::of_circle(&polygraph, &forced, &circle));
        }
    };
    searched(&polygraph, saturated, budget)
}

fn searched(polygraph: &Polygraph<'_>, saturated: Saturated, budget: &Budget) -> Once {
    let Saturated { graph, forced, open } = saturated;
    let guess = Guess::of(polygraph);
    let order = graph.order(|vertex| guess.when(vertex));
    let order = order.expect("a graph without circles has an order");
    let dynamic = Dynamic::new(graph, &order, polygraph.planted);
    match Search::new(polygraph, &open, dynamic).run(budget) {
        Outcome::Order(order) => Once::Holds(points(polygraph, &order)),
        Outcome::None { involved } => {
            Once::Violated(reasons::of_vertices(polygraph, &forced, &involved))
        }
        Outcome::Spent(spent) => Once::Spent { spent, open: open.len() },
    }
}

/// The points of transactions among vertices.
fn points(polygraph: &Polygraph<'_>, order: &[u32]) -> Vec<Point> {
    let points = polygraph.form.points();
    let real = order.iter().filter(|vertex| **vertex < points * polygraph.facts.len());
    let point = |vertex: &u32| match (points, vertex % points) {
        (1, _) => Point::Whole(*vertex),
        (_, 0) => Point::Begin(vertex / points),
        _ => Point::Commit(vertex / points),
    };
    real.map(point).collect()
}

/// The order of completions, if that shows it: what most databases do.
fn by_completion(facts: &Facts, question: Question) -> Option<Vec<Point>> {
    if facts.times.is_empty() {
        return None;
    }
    // Nobody saw it end, but it was there for who read from it.
    let mut when: Vec<(u64, u8)> = facts.times.iter().map(|(_, end)| (*end, 1)).collect();
    for txn in 0..facts.len() {
        for (_, source) in facts.reads(txn) {
            let end = facts.times[txn as usize].1;
            if let Some(source) = when.get_mut(*source as usize) {
                *source = (*source).min((end, 0)).min(*source);
            }
        }
    }
    for (when, (_, end)) in when.iter_mut().zip(&facts.times) {
        if *end != NEVER {
            *when = (*end, 1);
        }
    }
    let mut txns: Vec<u32> = (0..facts.len()).collect();
    txns.sort_by_key(|txn| when[*txn as usize]);
    let order: Vec<Point> = match question.form {
        Form::Serializable => txns.into_iter().map(Point::Whole).collect(),
        Form::Snapshot | Form::Prefix => {
            txns.into_iter().flat_map(|txn| [Point::Begin(txn), Point::Commit(txn)]).collect()
        }
    };
    shows(facts, question, &order).then_some(order)
}

/// When a vertex probably was, for the order to begin with.
struct Guess {
    points: u32,
    when: Vec<(u64, u64)>,
}

impl Guess {
    /// By the times, or else by how far into its session a transaction is.
    fn of(polygraph: &Polygraph<'_>) -> Guess {
        let facts = polygraph.facts;
        let points = polygraph.form.points();
        if !facts.times.is_empty() {
            return Guess { points, when: facts.times.clone() };
        }
        let mut when = Vec::with_capacity(facts.len() as usize);
        for ends in facts.sessions.windows(2) {
            let len = u64::from(ends[1] - ends[0]);
            when.extend((0..len).map(|at| (at << 32) / len).map(|at| (at, at + 1)));
        }
        Guess { points, when }
    }

    fn when(&self, vertex: u32) -> u64 {
        let Some((start, end)) = self.when.get((vertex / self.points) as usize) else { return 0 };
        if vertex % self.points == self.points - 1 { *end } else { *start }
    }
}
