//! Whether the transfers explain what each read found.
//!
//! A transfer that was over when a read began is in what it found, one that failed or that began
//! after the read had ended is not, and of the others any may be: those that were under way, and
//! those of which nobody knows whether they happened. If no choice of these comes to the balances
//! that were found, some transfer was lost, made twice, made though it failed, or missed.
//!
//! Necessary and not sufficient: each read is explained by itself, and what explains two of them
//! may contradict itself. Sound, because in a strict serial order exactly such a choice comes
//! before each read.

use tribunal_history::OpIndex;

use super::books::{Books, Money, Movement, Status, View};
use super::checker::Terms;
use super::planted::Bug;
use super::rules::{Findings, Known, Words};
use super::search::{Choice, Found, STEPS, subset};
use crate::{Anomaly, AnomalyKind, Budget, Evidence, Spent, Step};

/// Single transfers that are tried as what went wrong, of each way to go wrong.
const SUSPECTS: usize = 64;

/// Steps spent on one suspect.
const SUSPECT_STEPS: u64 = 1 << 12;

/// What came of all reads.
#[derive(Debug, Default)]
pub(super) struct Explained {
    pub(super) explained: u64,
    /// Neither explained nor refuted.
    pub(super) open: u64,
    pub(super) steps: u64,
    pub(super) spent: Option<Spent>,
}

/// What every account held before the first transfer; none where no read shows it.
pub(super) fn opening(
    books: &Books<'_>,
    terms: &Terms,
    whole: &[usize],
    done: &[bool],
) -> Option<Vec<Money>> {
    if let Some(each) = terms.asked.opening.each() {
        return Some(vec![Money::from(each); books.accounts.len()]);
    }
    let mut first: Vec<usize> = whole.iter().copied().filter(|at| !done[*at]).collect();
    first.sort_by_key(|at| books.views[*at].ret);
    let clear = first.into_iter().take(SUSPECTS).map(|at| &books.views[at]).find(|view| {
        let known = |movement: &Movement| terms.known(books, movement, view);
        !books.movements.iter().any(|movement| known(movement) == Known::Open)
    })?;
    // An account that it does not show is none, and nobody finds it.
    let mut opening = vec![0; books.accounts.len()];
    clear.found.iter().for_each(|(account, money)| opening[*account as usize] = *money);
    for movement in &books.movements {
        if terms.known(books, movement, clear) == Known::In {
            for (account, change) in &movement.changes {
                opening[*account as usize] -= change;
            }
        }
    }
    Some(opening)
}

/// Explains every view that `done` does not name. O(views × transfers that are open) and searches.
pub(super) fn explain(
    books: &Books<'_>,
    terms: &Terms,
    opening: &[Money],
    done: &[bool],
    budget: &Budget,
    findings: &mut Findings,
) -> Explained {
    let mut told = Explained::default();
    let mut book = Ledger::new(books, terms, opening);
    let mut order: Vec<usize> = (0..books.views.len()).filter(|at| !done[*at]).collect();
    order.sort_by_key(|at| books.views[*at].call);
    for (before, at) in order.iter().enumerate() {
        if budget.is_cancelled() {
            told.spent = Some(Spent::Time);
        } else if told.steps >= budget.configurations {
            told.spent = Some(Spent::Configurations);
        }
        if told.spent.is_some() {
            told.open += (order.len() - before) as u64;
            return told;
        }
        let view = &books.views[*at];
        book.until(view);
        let limit = STEPS.min(budget.configurations - told.steps);
        let mut steps = limit;
        let (rest, choices) = book.question(view, None);
        let open = choices.iter().map(|choice| choice.id).collect::<Vec<_>>();
        let found = subset(choices, &rest, &mut steps, terms.planted);
        told.steps += limit - steps;
        match found {
            Found::Subset(ids) => {
                told.explained += 1;
                book.learn(&open, &ids);
            }
            Found::Open => told.open += 1,
            Found::None => {
                let kind = AnomalyKind::UNEXPLAINED_BALANCES;
                findings.add(kind, || book.unexplained(view, &rest, &open));
            }
        }
    }
    told
}

/// The sum of what has happened, along the beginnings of reads.
struct Ledger<'b, 'h> {
    books: &'b Books<'h>,
    terms: &'b Terms,
    /// Balances by what was over.
    balances: Vec<Money>,
    /// Movements that happened, by their ends; how many of them are in the balances.
    ended: Vec<u32>,
    over: usize,
    /// Movements that did not fail by their beginnings, which need not be the order in which they
    /// were recorded; how many have begun, and which of these may be in a view.
    begins: Vec<u32>,
    begun: usize,
    open: Vec<u32>,
    /// By movement: whether the last read it was open to had it.
    applied: Vec<bool>,
    /// By account: its place in the view at hand.
    place: Vec<u32>,
}

impl<'b, 'h> Ledger<'b, 'h> {
    fn new(books: &'b Books<'h>, terms: &'b Terms, opening: &[Money]) -> Ledger<'b, 'h> {
        let happened = |at: &u32| books.movements[*at as usize].status == Status::Happened;
        let mut ended: Vec<u32> = (0..books.movements.len() as u32).filter(happened).collect();
        ended.sort_by_key(|at| books.movements[*at as usize].ret);
        let failed = |at: &u32| books.movements[*at as usize].status == Status::Failed;
        let all = 0..books.movements.len() as u32;
        let mut begins: Vec<u32> = match terms.planted.has(Bug::FailedMayHappen) {
            true => all.collect(),
            false => all.filter(|at| !failed(at)).collect(),
        };
        begins.sort_by_key(|at| books.movements[*at as usize].call);
        Ledger {
            books,
            terms,
            balances: opening.to_vec(),
            ended,
            over: 0,
            begins,
            begun: 0,
            open: Vec::new(),
            applied: vec![false; books.movements.len()],
            place: vec![u32::MAX; books.accounts.len()],
        }
    }

    fn movement(&self, at: u32) -> &'b Movement {
        &self.books.movements[at as usize]
    }

    /// Moves on to a view, which begins no earlier than the last one.
    fn until(&mut self, view: &View) {
        while let Some(at) = self.ended.get(self.over)
            && let movement = &self.books.movements[*at as usize]
            && movement.ret < view.call
        {
            self.over += 1;
            if self.terms.known(self.books, movement, view) == Known::In {
                for (account, change) in &movement.changes {
                    self.balances[*account as usize] += change;
                }
            }
        }
        while let Some(at) = self.begins.get(self.begun)
            && (self.books.movements[*at as usize].call < view.ret
                || self.terms.planted.has(Bug::LaterIsOptional))
        {
            self.open.push(*at);
            self.begun += 1;
        }
        let (books, terms) = (self.books, self.terms);
        self.open.retain(|at| {
            let movement = &books.movements[*at as usize];
            let over = movement.ret < view.call;
            !over || terms.known(books, movement, view) == Known::Open
        });
    }

    /// What is to be explained, by place in the view, and what may explain it. `without` is a
    /// movement that counts as one that did not happen.
    fn question(
        &mut self,
        view: &View,
        without: Option<(&Movement, Money)>,
    ) -> (Vec<Money>, Vec<Choice>) {
        for (place, (account, _)) in (0..).zip(&view.found) {
            self.place[*account as usize] = place;
        }
        let found = view.found.iter();
        let mut rest: Vec<Money> =
            found.map(|(account, money)| money - self.balances[*account as usize]).collect();
        let placed = |movement: &Movement| -> Vec<(u32, Money)> {
            let changes = movement.changes.iter();
            let here = changes.map(|(account, change)| (self.place[*account as usize], *change));
            here.filter(|(place, change)| *place != u32::MAX && *change != 0).collect()
        };
        if let Some((movement, times)) = without {
            for (place, change) in placed(movement) {
                rest[place as usize] += times * change;
            }
        }
        let mut choices = Vec::new();
        for at in &self.open {
            let movement = self.movement(*at);
            if self.terms.known(self.books, movement, view) != Known::Open {
                continue;
            }
            let changes = placed(movement);
            if !changes.is_empty() {
                choices.push(Choice { id: *at, changes, likely: self.applied[*at as usize] });
            }
        }
        for (account, _) in &view.found {
            self.place[*account as usize] = u32::MAX;
        }
        (rest, choices)
    }

    fn learn(&mut self, open: &[u32], applied: &[u32]) {
        for at in open {
            self.applied[*at as usize] = applied.contains(at);
        }
    }

    fn unexplained(&mut self, view: &View, rest: &[Money], open: &[u32]) -> Anomaly {
        let books = self.books;
        let words = Words(books);
        let who = words.who(view.op);
        let off: Vec<(u32, Money)> = view
            .found
            .iter()
            .map(|(account, _)| *account)
            .zip(rest.iter().copied())
            .filter(|(_, off)| *off != 0)
            .collect();
        let due: Vec<(u32, Money)> =
            off.iter().map(|(account, _)| (*account, self.balances[*account as usize])).collect();
        let found: Vec<(u32, Money)> = view
            .found
            .iter()
            .filter(|(account, _)| off.iter().any(|(other, _)| other == account))
            .copied()
            .collect();
        let (due, found) = (words.balances(&due), words.balances(&found));
        let said = format!("{who} found {found} where what was over leaves {due}");
        let mut steps = vec![Step { event: words.event(view.op), because: said.clone() }];
        for at in open.iter().take(8) {
            let movement = self.movement(*at);
            let (who, op) = (words.who(movement.op), books.history.operation(movement.op));
            let changes = words.balances(&movement.changes);
            let because = match movement.status {
                Status::Unknown => format!("{who}'s ({changes}) may have happened"),
                Status::Happened | Status::Failed => format!("{who}'s ({changes}) was under way"),
            };
            steps.push(Step { event: op.call(), because });
        }
        let open = match open.len() {
            0 => "nothing was under way".to_owned(),
            1 => "the one transfer that may be in it does not make it up".to_owned(),
            many => format!("no choice of the {many} transfers that may be in it makes it up"),
        };
        let mut summary = format!("{said}; {open}");
        if let Some((op, because)) = self.suspect(view) {
            summary.push_str(&format!("; {because}"));
            steps.push(Step { event: words.event(op), because });
        }
        let (kind, evidence) = (AnomalyKind::UNEXPLAINED_BALANCES, Evidence::Events(steps));
        Anomaly { kind, subject: None, summary, evidence, minimal: false }
    }

    /// A single transfer that would explain it if it had ended otherwise: a hint, not a proof.
    fn suspect(&mut self, view: &View) -> Option<(OpIndex, String)> {
        let books = self.books;
        let before = |movement: &&Movement| movement.call < view.ret && movement.op != view.op;
        let of = |status| {
            let all = books.movements.iter().filter(before);
            let mut all: Vec<&Movement> = all.filter(|one| one.status == status).collect();
            all.sort_by_key(|movement| std::cmp::Reverse(movement.call));
            all.truncate(SUSPECTS);
            all
        };
        let over = of(Status::Happened).into_iter().filter(|movement| movement.ret < view.call);
        let over: Vec<&Movement> = over.collect();
        let missed = over.iter().map(|movement| (*movement, 1, "had not happened"));
        let failed =
            of(Status::Failed).into_iter().map(|movement| (movement, -1, "had not failed"));
        let twice = over.iter().map(|movement| (*movement, -1, "had happened twice"));
        let words = Words(books);
        for (movement, times, what) in missed.chain(failed).chain(twice) {
            let (rest, choices) = self.question(view, Some((movement, times)));
            let found = subset(choices, &rest, &mut SUSPECT_STEPS.clone(), self.terms.planted);
            if let Found::Subset(_) = found {
                let (who, changes) = (words.who(movement.op), words.balances(&movement.changes));
                return Some((movement.op, format!("it would if {who}'s ({changes}) {what}")));
            }
        }
        None
    }
}
