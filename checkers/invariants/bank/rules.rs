//! The rules that one read shows by itself: balances are numbers and not negative, a read of all
//! accounts has all of them, and they add up.

use rustc_hash::FxHashSet;
use tribunal_history::{EventId, OpIndex};

use super::books::{Books, Money, Movement, Odd, Status, View};
use super::checker::Terms;
use super::planted::Bug;
use super::search::{Choice, Found, STEPS, subset};
use crate::{Anomaly, AnomalyKind, Evidence, Step};

/// Deposits and withdrawals at which it is given up to tell which of them each read has.
pub(super) const NETS: usize = 1024;

/// Findings of one kind that are told; the others are counted.
const TOLD: usize = 8;

/// What was found, the first few of each kind.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) told: Vec<Anomaly>,
    counts: Vec<(AnomalyKind, u64)>,
}

impl Findings {
    /// Makes the anomaly only where it will be told.
    pub(super) fn add(&mut self, kind: AnomalyKind, make: impl FnOnce() -> Anomaly) {
        let place = self.counts.iter_mut().find(|(known, _)| *known == kind);
        let count = match place {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.counts.push((kind, 1));
                1
            }
        };
        if count <= TOLD as u64 {
            self.told.push(make());
        }
    }

    /// Worst first; the last of a kind says how many more there are.
    pub(super) fn anomalies(mut self) -> Vec<Anomaly> {
        for (kind, count) in &self.counts {
            let more = count.saturating_sub(TOLD as u64);
            let last = self.told.iter_mut().rev().find(|anomaly| anomaly.kind == *kind);
            if let Some(last) = last.filter(|_| more > 0) {
                last.summary.push_str(&format!(", and {more} more like it"));
            }
        }
        let order = [
            AnomalyKind::UNPARSEABLE,
            AnomalyKind::NON_REPEATABLE_READ,
            AnomalyKind::MISSING_ACCOUNT,
            AnomalyKind::NEGATIVE_BALANCE,
            AnomalyKind::WRONG_TOTAL,
            AnomalyKind::UNEXPLAINED_BALANCES,
        ];
        self.told.sort_by_key(|anomaly| order.iter().position(|kind| *kind == anomaly.kind));
        self.told
    }
}

/// Words about operations and amounts.
pub(super) struct Words<'b, 'h>(pub(super) &'b Books<'h>);

impl Words<'_, '_> {
    pub(super) fn who(&self, op: OpIndex) -> String {
        format!("p{}", self.0.history.operation(op).process().0)
    }

    /// The completion of an operation that ended, else its invocation.
    pub(super) fn event(&self, op: OpIndex) -> EventId {
        let operation = self.0.history.operation(op);
        operation.ret().unwrap_or_else(|| operation.call())
    }

    /// `0: 10, 1: 20`, at most eight of them.
    pub(super) fn balances(&self, found: &[(u32, Money)]) -> String {
        let some = found.iter().take(8);
        let one = |(account, money): &(u32, Money)| format!("{}: {money}", self.0.value(*account));
        let text = some.map(one).collect::<Vec<_>>().join(", ");
        match found.len().saturating_sub(8) {
            0 => text,
            more => format!("{text} and {more} more"),
        }
    }

    fn step(&self, op: OpIndex, because: impl Into<String>) -> Step {
        Step { event: self.event(op), because: because.into() }
    }
}

/// Balances that no bank can have.
pub(super) fn oddities(books: &Books<'_>, terms: &Terms, findings: &mut Findings) {
    let words = Words(books);
    for odd in &books.oddities {
        let (who, account) = (words.who(odd.op), books.value(odd.account));
        let (kind, said) = match &odd.what {
            Odd::Unparsed(raw) => {
                (AnomalyKind::UNPARSEABLE, format!("{who} read {raw} in account {account}"))
            }
            Odd::NoNumber(value) => (
                AnomalyKind::MISSING_ACCOUNT,
                format!("{who} found {value} in account {account}, which holds a number"),
            ),
            Odd::Negative(_) if terms.asked.negative || terms.planted.has(Bug::NegativeIgnored) => {
                continue;
            }
            Odd::Negative(money) => (
                AnomalyKind::NEGATIVE_BALANCE,
                format!("{who} found {money} in account {account}, which cannot be below 0"),
            ),
            Odd::TwoBalances(one, other) => (
                AnomalyKind::NON_REPEATABLE_READ,
                format!(
                    "{who} found account {account} with {one} and with {other} before its own \
                     changes, in one transaction"
                ),
            ),
        };
        findings.add(kind, || {
            let steps = vec![words.step(odd.op, said.clone())];
            let (evidence, subject) = (Evidence::Events(steps), Some(account.to_string()));
            Anomaly { kind, subject, summary: said, evidence, minimal: true }
        });
    }
}

/// Views that have all accounts, by position; of every view whether it is done with: a read of all
/// accounts that lacks one, or found what is no balance, needs no further rule.
pub(super) fn whole(
    books: &Books<'_>,
    terms: &Terms,
    findings: &mut Findings,
) -> (Vec<usize>, Vec<bool>) {
    let all = books.accounts.len();
    let (mut whole, mut lacking) = (Vec::new(), Vec::new());
    let mut done = odd(books);
    for (at, view) in books.views.iter().enumerate().filter(|(at, _)| !done[*at]) {
        let known = |account: u32| books.exists[account as usize];
        let lacks = view.shown.as_ref().and_then(|shown| {
            let lacks = |account: &u32| shown.binary_search(account).is_err();
            // Where nobody found an account there may be none of that name.
            (0..all as u32).filter(|account| known(*account)).find(lacks)
        });
        let Some(lacks) = lacks else {
            // By name: every account that anybody names, also one of which nobody else knows
            // whether it is there. Money may be in it.
            let every = view.found.len() == all || view.shown.is_some();
            if every || terms.planted.has(Bug::PartsAddUp) {
                whole.push(at);
            }
            continue;
        };
        lacking.push(at);
        findings.add(AnomalyKind::MISSING_ACCOUNT, || missing(books, view, lacks));
    }
    lacking.into_iter().for_each(|at| done[at] = true);
    (whole, done)
}

/// Views that say what no bank can say. A balance below zero is an oddity, and may be explained.
fn odd(books: &Books<'_>) -> Vec<bool> {
    let odd = books.oddities.iter().filter(|odd| !matches!(odd.what, Odd::Negative(_)));
    let odd: FxHashSet<OpIndex> = odd.map(|odd| odd.op).collect();
    books.views.iter().map(|view| odd.contains(&view.op)).collect()
}

fn missing(books: &Books<'_>, view: &View, lacks: u32) -> Anomaly {
    let words = Words(books);
    let (who, account) = (words.who(view.op), books.value(lacks));
    let has = |pairs: &[(u32, Money)]| pairs.iter().any(|(account, _)| *account == lacks);
    let found = books.views.iter().find(|other| has(&other.found)).map(|other| other.op);
    let mut moved = books.movements.iter().filter(|one| one.status == Status::Happened);
    let there = found.or_else(|| moved.find(|one| has(&one.changes)).map(|one| one.op));
    let because = format!("{who} read every account and found {}", words.balances(&view.found));
    let mut steps = vec![words.step(view.op, because)];
    steps.extend(there.map(|op| {
        let who = words.who(op);
        words.step(op, format!("{who} found account {account}"))
    }));
    let summary = format!("{who} read every account and did not find {account}");
    let (evidence, subject) = (Evidence::Events(steps), Some(account.to_string()));
    Anomaly { kind: AnomalyKind::MISSING_ACCOUNT, subject, summary, evidence, minimal: true }
}

/// The total, and the read that says so where nobody was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Total {
    pub(super) money: Money,
    pub(super) read: Option<OpIndex>,
}

/// What all accounts hold together before the first deposit: as it was given, by what each holds at
/// first, or as the first read of all of them says.
pub(super) fn total(books: &Books<'_>, terms: &Terms, whole: &[usize]) -> Option<Total> {
    let each = terms.asked.opening.each();
    let all = each.map(|each| Money::from(each) * books.existing() as Money);
    let given = terms.asked.total.map(Money::from).or(all);
    if let Some(money) = given {
        return Some(Total { money, read: None });
    }
    let first = whole.iter().map(|at| &books.views[*at]).min_by_key(|view| view.ret)?;
    Some(Total { money: sum(first), read: Some(first.op) })
}

pub(super) fn sum(view: &View) -> Money {
    view.found.iter().map(|(_, money)| money).sum()
}

/// Reads of all accounts that do not add up to the total, whenever they were: a read that is old is
/// no matter of sums. Deposits and withdrawals (movements with a net) change it, and any that did
/// not fail may be in. How many reads are not decided.
pub(super) fn totals(
    books: &Books<'_>,
    terms: &Terms,
    whole: &[usize],
    total: Total,
    findings: &mut Findings,
    done: &mut [bool],
) -> u64 {
    let may = |movement: &&Movement| movement.net() != 0 && movement.status != Status::Failed;
    let nets: Vec<&Movement> = books.movements.iter().filter(may).collect();
    let mut open = 0;
    for at in whole {
        let view = &books.views[*at];
        let off = sum(view) - total.money;
        let choices = nets.iter().enumerate().filter(|(_, movement)| movement.op != view.op);
        let choices = choices.map(|(id, movement)| Choice {
            id: id as u32,
            changes: vec![(0, movement.net())],
            likely: movement.status == Status::Happened,
        });
        match subset(choices.collect(), &[off], &mut STEPS.clone(), terms.planted) {
            Found::Subset(_) => {}
            Found::Open => open += 1,
            Found::None => {
                done[*at] = true;
                findings.add(AnomalyKind::WRONG_TOTAL, || wrong_total(books, view, total, &nets));
            }
        }
    }
    open
}

fn wrong_total(books: &Books<'_>, view: &View, total: Total, nets: &[&Movement]) -> Anomaly {
    let words = Words(books);
    let (who, sum, due) = (words.who(view.op), sum(view), total.money);
    let balances = words.balances(&view.found);
    let mut steps = vec![words.step(view.op, format!("{who} found {balances}: together {sum}"))];
    if let Some(read) = total.read {
        let who = words.who(read);
        steps.insert(0, words.step(read, format!("{who} found {due} together")));
    }
    for movement in nets.iter().take(8) {
        let (who, net) = (words.who(movement.op), movement.net());
        steps.push(words.step(movement.op, format!("{who} put in {net} together")));
    }
    let after = due + nets.iter().map(|movement| movement.net()).sum::<Money>();
    let hold = match nets.is_empty() {
        true => format!("{due}"),
        false => format!("{due} before deposits and {after} after them"),
    };
    let summary = format!("{who} found {sum} in all accounts together, which hold {hold}");
    let (kind, minimal) = (AnomalyKind::WRONG_TOTAL, nets.len() <= 8);
    Anomaly { kind, subject: None, summary, evidence: Evidence::Events(steps), minimal }
}

/// Whether a movement is in what a view found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    In,
    Out,
    Open,
}
