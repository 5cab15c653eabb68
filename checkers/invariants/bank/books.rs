//! A history as a bank keeps it: what each transaction moved, and what each of them found.
//!
//! Knows the micro-operations, and no rule. Accounts are numbered in the order of their first use.

use rustc_hash::FxHashMap;
use tribunal_history::codec::BALANCES;
use tribunal_history::{
    Code, History, MopView, Observed, OpIndex, Operation, Outcome, Value, brief,
};

use super::planted::{Bug, Planted};
use crate::CheckError;

/// Money, wide enough for the sum of any history.
pub(super) type Money = i128;

/// What may be said of whether a movement happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Happened,
    Failed,
    Unknown,
}

/// What one transaction changed.
#[derive(Clone, Debug)]
pub(super) struct Movement {
    pub(super) op: OpIndex,
    /// Each account once, in the order of accounts; no change is 0.
    pub(super) changes: Vec<(u32, Money)>,
    pub(super) status: Status,
    pub(super) call: u32,
    /// `u32::MAX` where nothing bounds it.
    pub(super) ret: u32,
}

impl Movement {
    /// What it does to the sum of all balances.
    pub(super) fn net(&self) -> Money {
        self.changes.iter().map(|(_, change)| change).sum()
    }
}

/// What one committed transaction found before its own changes.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) op: OpIndex,
    /// Each account once, in the order of accounts.
    pub(super) found: Vec<(u32, Money)>,
    /// The accounts it was shown where it asked for every one there is, in the order of accounts.
    pub(super) shown: Option<Vec<u32>>,
    pub(super) call: u32,
    pub(super) ret: u32,
}

/// What a committed transaction says that no bank can say.
#[derive(Clone, Debug)]
pub(super) struct Oddity {
    pub(super) op: OpIndex,
    pub(super) account: u32,
    pub(super) what: Odd,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Odd {
    /// A reply that could not be parsed.
    Unparsed(Value),
    /// Nothing, or what is no number.
    NoNumber(Value),
    /// Less than nothing.
    Negative(Money),
    /// Two balances of one account at one moment.
    TwoBalances(Money, Money),
}

/// The whole history.
#[derive(Debug)]
pub(super) struct Books<'h> {
    pub(super) history: &'h History,
    pub(super) accounts: Vec<Code>,
    /// Accounts that somebody found, or moved money of with success: they exist.
    pub(super) exists: Vec<bool>,
    /// In the order of invocations, as operations are.
    pub(super) movements: Vec<Movement>,
    pub(super) views: Vec<View>,
    pub(super) oddities: Vec<Oddity>,
    /// Transactions that moved something, by any outcome.
    pub(super) asked: u64,
}

/// How answers are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// What an account holds of which a read says that nothing is there; `None`: it says nothing.
    pub(super) nothing: Nothing,
    pub(super) planted: Planted,
}

/// What it says that nothing was found under an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Nothing {
    /// A balance of zero.
    Zero,
    /// The read was not answered.
    Unknown,
    /// Something that cannot be: every account holds a number from the start.
    Odd,
}

impl<'h> Books<'h> {
    /// O(micro-operations).
    ///
    /// # Errors
    /// An operation that is no transaction of additions and reads.
    pub(super) fn of(history: &'h History, reading: Reading) -> Result<Books<'h>, CheckError> {
        let mut books = Books {
            history,
            accounts: Vec::new(),
            exists: Vec::new(),
            movements: Vec::new(),
            views: Vec::new(),
            oddities: Vec::new(),
            asked: 0,
        };
        let mut numbers = FxHashMap::default();
        for operation in history.operations() {
            let mut page = Page::of(operation, reading);
            for mop in operation.mops() {
                page.step(&mut books, &mut numbers, mop)?;
            }
            if operation.f() != tribunal_history::F::Txn {
                return Err(unsupported(operation));
            }
            page.close(&mut books);
        }
        let missing_is_nothing = reading.planted.has(Bug::MissingIsNothing);
        if reading.nothing == Nothing::Zero || missing_is_nothing {
            books.not_there();
        }
        Ok(books)
    }

    /// Accounts that a read of all of them did not show: they hold nothing.
    fn not_there(&mut self) {
        let of: FxHashMap<OpIndex, usize> =
            self.movements.iter().enumerate().map(|(at, one)| (one.op, at)).collect();
        for view in &mut self.views {
            let Some(shown) = &mut view.shown else { continue };
            for account in 0..self.accounts.len() as u32 {
                if shown.binary_search(&account).is_ok() {
                    continue;
                }
                let own = of.get(&view.op).map(|at| &self.movements[*at].changes);
                let own = own.and_then(|own| own.iter().find(|(other, _)| *other == account));
                let before = -own.map_or(0, |(_, change)| *change);
                match view.found.binary_search_by_key(&account, |(other, _)| *other) {
                    Ok(at) if view.found[at].1 != before => {
                        let what = Odd::TwoBalances(view.found[at].1, before);
                        self.oddities.push(Oddity { op: view.op, account, what });
                    }
                    Ok(_) => {}
                    Err(at) => view.found.insert(at, (account, before)),
                }
            }
            *shown = (0..self.accounts.len() as u32).collect();
        }
    }

    /// How many accounts there are. One that only transfers name that did not happen may be none.
    pub(super) fn existing(&self) -> usize {
        self.exists.iter().filter(|exists| **exists).count()
    }

    pub(super) fn value(&self, account: u32) -> Value {
        self.history.value(self.accounts[account as usize])
    }

    /// Bytes held beside the history.
    pub(super) fn bytes(&self) -> u64 {
        let pairs = self.movements.iter().map(|movement| movement.changes.capacity());
        let found = self.views.iter().map(|view| view.found.capacity());
        let pairs = pairs.chain(found).sum::<usize>() * size_of::<(u32, Money)>();
        let rows = self.movements.capacity() * size_of::<Movement>()
            + self.views.capacity() * size_of::<View>();
        (pairs + rows) as u64
    }
}

type Numbers = FxHashMap<Code, u32>;

/// One transaction while it is read.
struct Page<'h> {
    operation: Operation<'h>,
    reading: Reading,
    changes: Vec<(u32, Money)>,
    found: Vec<(u32, Money)>,
    shown: Option<Vec<u32>>,
}

impl<'h> Page<'h> {
    fn of(operation: Operation<'h>, reading: Reading) -> Page<'h> {
        Page { operation, reading, changes: Vec::new(), found: Vec::new(), shown: None }
    }

    fn step(
        &mut self,
        books: &mut Books<'h>,
        numbers: &mut Numbers,
        mop: MopView<'h>,
    ) -> Result<(), CheckError> {
        let ok = self.operation.outcome() == Outcome::Ok;
        let mut number = |code: Code, exists: bool| {
            let next = books.accounts.len() as u32;
            let number = *numbers.entry(code).or_insert(next);
            if number == next {
                books.accounts.push(code);
                books.exists.push(false);
            }
            books.exists[number as usize] |= exists;
            number
        };
        match mop {
            MopView::Add { key, delta, value } => {
                let account = number(key, ok);
                match self.changes.iter_mut().find(|(other, _)| *other == account) {
                    Some((_, change)) => *change += Money::from(delta),
                    None => self.changes.push((account, Money::from(delta))),
                }
                if let Observed::Present(after) = value {
                    self.saw(books, account, Money::from(after));
                }
            }
            MopView::Read { key, value } => {
                let account = number(key, ok);
                self.balance(books, account, value);
            }
            MopView::ReadPredicate { predicate, matches } => {
                if books.history.text(predicate) != Some(BALANCES) {
                    return Err(unsupported(self.operation));
                }
                let Observed::Present(matches) = matches else { return Ok(()) };
                let accounts: Vec<u32> =
                    matches.iter().map(|[code, _]| number(*code, ok)).collect();
                for (account, [_, balance]) in accounts.iter().zip(matches) {
                    self.balance(books, *account, Observed::Present(*balance));
                }
                self.shown = Some(accounts);
            }
            MopView::Write { .. } | MopView::Append { .. } | MopView::ReadList { .. } => {
                return Err(unsupported(self.operation));
            }
        }
        Ok(())
    }

    /// A read said that an account holds this.
    fn balance(&mut self, books: &mut Books<'h>, account: u32, value: Observed<Code>) {
        let odd = match value {
            Observed::Pending => return,
            Observed::Absent => match self.reading.nothing {
                Nothing::Unknown => return,
                Nothing::Zero => return self.saw(books, account, 0),
                Nothing::Odd => Odd::NoNumber(Value::Nil),
            },
            Observed::Present(code) => match books.history.value(code) {
                Value::Int(balance) => return self.saw(books, account, Money::from(balance)),
                raw @ Value::Unparsed(_) => Odd::Unparsed(raw),
                other @ (Value::Nil | Value::Text(_)) => Odd::NoNumber(other),
            },
        };
        books.oddities.push(Oddity { op: self.operation.index(), account, what: odd });
    }

    /// The account holds this now, after the transaction's own changes so far.
    fn saw(&mut self, books: &mut Books<'h>, account: u32, now: Money) {
        let op = self.operation.index();
        let mut odd = |what| books.oddities.push(Oddity { op, account, what });
        if now < 0 {
            odd(Odd::Negative(now));
        }
        let own = self.changes.iter().find(|(other, _)| *other == account);
        let own = own.filter(|_| !self.reading.planted.has(Bug::OwnNotTakenOff));
        let before = now - own.map_or(0, |(_, change)| *change);
        match self.found.iter().find(|(other, _)| *other == account) {
            Some((_, first)) if *first != before => odd(Odd::TwoBalances(*first, before)),
            Some(_) => {}
            None => self.found.push((account, before)),
        }
    }

    fn close(mut self, books: &mut Books<'h>) {
        let operation = self.operation;
        let (op, call) = (operation.index(), operation.call().0);
        let status = match operation.outcome() {
            Outcome::Ok => Status::Happened,
            Outcome::Fail => Status::Failed,
            Outcome::Info | Outcome::Open => Status::Unknown,
        };
        let ended = operation.ret().filter(|_| status == Status::Happened);
        let ret = ended.map_or(u32::MAX, |event| event.0);
        if !self.changes.is_empty() {
            books.asked += 1;
            self.changes.sort_unstable();
            if self.reading.planted.has(Bug::FirstAccountOnly) {
                self.changes.truncate(1);
            }
            let changes = self.changes;
            books.movements.push(Movement { op, changes, status, call, ret });
        }
        if status == Status::Happened && (self.shown.is_some() || !self.found.is_empty()) {
            self.found.sort_unstable();
            let shown = self.shown.map(|mut shown| {
                shown.sort_unstable();
                shown
            });
            books.views.push(View { op, found: self.found, shown, call, ret });
        }
    }
}

fn unsupported(operation: Operation<'_>) -> CheckError {
    CheckError::Unsupported {
        checker: super::checker::NAME.into(),
        what: format!("{}, which is no transaction of a bank", brief(&operation.op())),
        event: format!("event {}", operation.call().0),
    }
}
