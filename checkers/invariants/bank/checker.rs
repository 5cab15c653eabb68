//! The checker of banks.
//!
//! Jepsen's bank test asks that reads of all accounts add up and that no balance is negative. That
//! does not see a transfer that was lost, made twice, or made though it failed: the sum stays. So
//! where the opening balances are known, each read is explained by the transfers as well.

use tribunal_history::{Family, History};

use super::books::{Books, Movement, Nothing, Reading, Status, View};
use super::explain::{Explained, explain, opening};
use super::planted::{Bug, Planted};
use super::rules::{Findings, Known, NETS, oddities, total, totals, whole};
use crate::{Budget, CheckError, Checker, Cost, Coverage, Fact, ReasonClass, Report, Spent};

pub(super) const NAME: &str = "bank";

/// What accounts hold before the first transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// There is nothing: an account comes into being with the first addition, at zero.
    Empty,
    /// Each account is there and holds this.
    Each(i64),
    /// Each account is there, and nobody said what it holds.
    Unknown,
}

impl Opening {
    pub(super) fn each(self) -> Option<i64> {
        match self {
            Opening::Empty => Some(0),
            Opening::Each(each) => Some(each),
            Opening::Unknown => None,
        }
    }
}

/// What is known of a bank, and what it promises.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What accounts hold at first.
    pub opening: Opening,
    /// Whether a read that found nothing says so; otherwise it was not answered.
    pub nothing_is_an_answer: bool,
    /// What all accounts hold together; by default what they hold at first, or what the first
    /// read of all of them finds.
    pub total: Option<i64>,
    /// Whether a balance may be below zero.
    pub negative: bool,
    /// Whether a read shows every transfer that was over when it began.
    pub real_time: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            opening: Opening::Empty,
            nothing_is_an_answer: true,
            total: None,
            negative: false,
            real_time: true,
        }
    }
}

/// The options, and a mistake where a test made one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    pub(super) asked: Options,
    pub(super) planted: Planted,
}

impl Terms {
    fn nothing(&self) -> Nothing {
        match (self.asked.nothing_is_an_answer, self.asked.opening) {
            (false, _) => Nothing::Unknown,
            (true, Opening::Empty) => Nothing::Zero,
            (true, Opening::Each(_) | Opening::Unknown) => Nothing::Odd,
        }
    }

    /// Whether a movement is in what a view found.
    pub(super) fn known(&self, books: &Books<'_>, movement: &Movement, view: &View) -> Known {
        let has = |bug| self.planted.has(bug);
        if movement.op == view.op {
            return Known::Out;
        }
        let ordered = self.asked.real_time && books.history.has_real_time();
        let (later, over) = match ordered {
            true => (movement.call > view.ret, movement.ret < view.call),
            false => (false, false),
        };
        match movement.status {
            Status::Failed if has(Bug::FailedMayHappen) => Known::Open,
            Status::Failed => Known::Out,
            _ if later && !has(Bug::LaterIsOptional) => Known::Out,
            Status::Unknown if has(Bug::UnknownNeverHappened) => Known::Out,
            Status::Unknown if has(Bug::UnknownHappened) => Known::In,
            Status::Happened if over && !has(Bug::OverIsOptional) => Known::In,
            Status::Happened if !over && ordered && has(Bug::UnderWayNotYet) => Known::Out,
            Status::Happened if !over && ordered && has(Bug::UnderWayHappened) => Known::In,
            Status::Happened | Status::Unknown => Known::Open,
        }
    }
}

/// Judges transfers between accounts, and reads of them.
///
/// Invalid is sound. Valid says that balances add up, are not negative, and that each read is
/// explained by transfers that may be in it; not that the history is serializable.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bank {
    pub(super) terms: Terms,
}

impl Bank {
    /// The family of operations it reads.
    pub const FAMILY: Family = Family::Txn;

    /// With what is known of the bank.
    pub fn new(options: Options) -> Bank {
        Bank { terms: Terms { asked: options, planted: Planted::default() } }
    }
}

impl Checker for Bank {
    fn name(&self) -> &str {
        NAME
    }

    /// O(n log n), and for each read a search that ends after 2^18 steps.
    fn check(&self, history: &History, budget: &Budget) -> Result<Report, CheckError> {
        let terms = &self.terms;
        let reading = Reading { nothing: terms.nothing(), planted: terms.planted };
        let books = Books::of(history, reading)?;
        let mut cost = Cost { peak_bytes: books.bytes(), ..Cost::default() };
        if cost.peak_bytes > budget.bytes {
            cost.spent = Some(Spent::Memory);
            let why = "the memory budget is spent before balances are compared";
            return Ok(Report::unknown(ReasonClass::Undecided, why, Coverage::default(), cost));
        }
        let mut findings = Findings::default();
        oddities(&books, terms, &mut findings);
        let (whole, mut done) = whole(&books, terms, &mut findings);
        let mut open = None;
        if let Some(total) = total(&books, terms, &whole) {
            let nets = books.movements.iter().filter(|movement| movement.net() != 0).count();
            match nets {
                1.. if total.read.is_some() => open = Some(NO_TOTAL.to_owned()),
                0..=NETS => {
                    let left = totals(&books, terms, &whole, total, &mut findings, &mut done);
                    open = (left > 0).then(|| format!("the sums of {left} reads are not decided"));
                }
                _ => open = Some(format!("{nets} deposits and withdrawals, more than {NETS}")),
            }
        }
        let mut told = Explained::default();
        if terms.asked.real_time && history.has_real_time() {
            match opening(&books, terms, &whole, &done) {
                Some(opening) => {
                    told = explain(&books, terms, &opening, &done, budget, &mut findings);
                }
                None if books.asked > 0 => open = open.or_else(|| Some(UNKNOWN_OPENING.to_owned())),
                None => {}
            }
        } else if terms.asked.real_time {
            open = open.or_else(|| Some(NO_REAL_TIME.to_owned()));
        }
        cost.configurations = told.steps;
        cost.spent = told.spent;
        if told.open > 0 {
            open = Some(format!(
                "{} of {} reads are neither explained by transfers nor refuted",
                told.open,
                books.views.len()
            ));
        }
        Ok(report(&books, whole.len() as u64, told.explained, findings, open, cost))
    }
}

const NO_TOTAL: &str =
    "there are deposits, and no total is given: give --option total=N, or --init N";

const UNKNOWN_OPENING: &str = "no read shows what the accounts held at first: give it with --init \
                               N, or ask for totals alone with --option real-time=false";

const NO_REAL_TIME: &str = "the history has no real time, so that no read need show any transfer: \
                            ask for totals alone with --option real-time=false";

fn report(
    books: &Books<'_>,
    whole: u64,
    explained: u64,
    findings: Findings,
    open: Option<String>,
    cost: Cost,
) -> Report {
    let happened = |movement: &&Movement| movement.status == Status::Happened;
    let transfers = books.movements.iter().filter(happened).count() as u64;
    let fact = |name, required, seen| Fact { name, required, seen };
    let facts = vec![
        fact("read-of-all-accounts", 1, whole),
        fact("transfer-succeeded", u64::from(books.asked > 0), transfers),
        fact("read-explained-by-transfers", 0, explained),
    ];
    let coverage = Coverage { facts };
    let anomalies = findings.anomalies();
    match open {
        _ if !anomalies.is_empty() => Report::invalid(anomalies, coverage, cost),
        // What was not exercised is not undecided.
        Some(why) if coverage.missing().is_empty() => {
            Report::unknown(ReasonClass::Undecided, why, coverage, cost)
        }
        _ => coverage.report(cost),
    }
}
