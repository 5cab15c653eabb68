//! Banks by their definitions, by enumeration. Shares nothing with the checker: histories are made
//! of acts, and the acts are judged as they are.

use std::collections::BTreeMap;

use tribunal_history::codec::BALANCES;
use tribunal_history::{
    Builder, History, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp, Value,
};

/// One transaction: it changes accounts, then looks at some.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) call: u64,
    pub(super) ret: u64,
    pub(super) outcome: Outcome,
    pub(super) changes: Vec<(usize, i64)>,
    /// Whether the client is told the balances after its changes.
    pub(super) told: bool,
    pub(super) look: Look,
    /// What every account held at its moment, after its changes: what it says is taken from here.
    pub(super) held: Vec<i64>,
    /// Accounts that a look at all of them lacks.
    pub(super) lacks: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Nothing,
    At(Vec<usize>),
    All,
}

impl Act {
    fn change(&self, account: usize) -> i64 {
        self.changes.iter().filter(|(other, _)| *other == account).map(|(_, delta)| delta).sum()
    }

    fn touches(&self, account: usize) -> bool {
        self.changes.iter().any(|(other, _)| *other == account)
    }

    /// It says of an account that it holds something, and that it is not there.
    fn contradicts_itself(&self, stay: bool) -> bool {
        let gone = |at: &usize| self.touches(*at) && self.told && self.held[*at] != 0;
        self.look == Look::All && !stay && self.lacks.iter().any(gone)
    }

    /// Balances the act says there were after it: by account.
    pub(super) fn says(&self, stay: bool) -> BTreeMap<usize, i64> {
        let changed = self.changes.iter().map(|(account, _)| *account).filter(|_| self.told);
        let looked: Vec<usize> = match &self.look {
            Look::Nothing => Vec::new(),
            Look::At(accounts) => accounts.clone(),
            Look::All => (0..self.held.len()).filter(|at| !self.lacks.contains(at)).collect(),
        };
        // Where accounts come into being, one that is not there holds nothing.
        let nothing = self.lacks.iter().filter(|_| !stay && self.look == Look::All);
        match self.outcome {
            Outcome::Ok => {
                let held = changed.chain(looked).map(|at| (at, self.held[at]));
                held.chain(nothing.map(|at| (*at, 0))).collect()
            }
            Outcome::Fail | Outcome::Info | Outcome::Open => BTreeMap::new(),
        }
    }

    fn op(&self) -> Op {
        let key = |account: usize| Value::Int(account as i64);
        let mut mops = Vec::new();
        for (at, (account, delta)) in self.changes.iter().enumerate() {
            // What later changes of the account do is not in what this one says.
            let later = self.changes[at + 1..].iter().filter(|(other, _)| other == account);
            let after = self.held[*account] - later.map(|(_, delta)| delta).sum::<i64>();
            let value = if self.told { Observed::Present(after) } else { Observed::Pending };
            mops.push(Mop::Add { key: key(*account), delta: *delta, value });
        }
        match &self.look {
            Look::Nothing => {}
            Look::At(accounts) => mops.extend(accounts.iter().map(|account| Mop::Read {
                key: key(*account),
                value: Observed::Present(Value::Int(self.held[*account])),
            })),
            Look::All => {
                let there = (0..self.held.len()).filter(|at| !self.lacks.contains(at));
                let matches = there.map(|at| (key(at), Value::Int(self.held[at]))).collect();
                mops.push(Mop::ReadPredicate {
                    predicate: BALANCES.into(),
                    matches: Observed::Present(matches),
                });
            }
        }
        Op::Txn(TxnOp { mops })
    }
}

/// The acts as a history; times are all different. They are recorded in another order than they
/// began: ranks are what counts.
pub(super) fn history(acts: &[Act]) -> History {
    let mut builder = Builder::by_time();
    for (at, act) in acts.iter().enumerate() {
        let (op, who) = (act.op(), Process(at as u32));
        builder.invoke(Nanos(act.call), who, None, None, &op.pending()).expect("a new process");
        if act.outcome != Outcome::Open {
            let (time, outcome) = (Nanos(act.ret), act.outcome);
            builder.complete(time, who, outcome, Some(&op), None).expect("its answer");
        }
    }
    builder.finish()
}

/// What a bank is, as the acts see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What each account holds at first.
    pub(super) each: i64,
    /// Whether every account is there from the start.
    pub(super) stay: bool,
    pub(super) negative: bool,
    pub(super) real_time: bool,
}

/// Whether the rules hold, by their definitions.
pub(super) fn holds(acts: &[Act], terms: Terms) -> bool {
    let accounts = acts.first().map_or(0, |act| act.held.len());
    let used = |account: usize| {
        acts.iter().any(|act| act.outcome == Outcome::Ok && act.touches(account))
            || acts.iter().any(|act| act.says(terms.stay).contains_key(&account))
    };
    acts.iter().enumerate().filter(|(_, act)| act.outcome == Outcome::Ok).all(|(at, act)| {
        let says = act.says(terms.stay);
        if act.contradicts_itself(terms.stay) {
            return false;
        }
        let lacks = act.look == Look::All && terms.stay;
        let lacks = lacks && act.lacks.iter().any(|account| used(*account));
        // The balances after each of its changes are told, too.
        let told = (0..act.changes.len()).filter(|_| act.told).map(|at| {
            let (account, _) = act.changes[at];
            let later = act.changes[at + 1..].iter().filter(|(other, _)| *other == account);
            act.held[account] - later.map(|(_, delta)| delta).sum::<i64>()
        });
        let negative = says.values().copied().chain(told).any(|balance| balance < 0);
        if lacks || (negative && !terms.negative) {
            return false;
        }
        let looked = act.look == Look::All || !says.is_empty();
        !looked || explained(acts, at, &says, terms, accounts)
    })
}

/// Whether some set of other acts that may come before this one leaves what it found.
fn explained(
    acts: &[Act],
    at: usize,
    says: &BTreeMap<usize, i64>,
    terms: Terms,
    accounts: usize,
) -> bool {
    let this = &acts[at];
    let all = says.len() == accounts || this.look == Look::All;
    let mut explained = !terms.real_time;
    // A read of all accounts has the whole sum, even of accounts that nobody else found.
    let mut adds_up = !all;
    for set in 0..1_u32 << acts.len() {
        let has = |other: usize| set & 1 << other != 0;
        let may = acts.iter().enumerate().all(|(other, act)| {
            let happened = act.outcome == Outcome::Ok;
            let never = act.outcome == Outcome::Fail || other == at;
            let before = terms.real_time && happened && act.ret < this.call;
            let after = terms.real_time && act.call > this.ret;
            match has(other) {
                true => !never && !after,
                false => !before || never,
            }
        });
        let balance = |account: usize| {
            let chosen = acts.iter().enumerate().filter(|(other, _)| has(*other));
            terms.each + chosen.map(|(_, act)| act.change(account)).sum::<i64>()
        };
        let found = |account: &usize| says[account] - this.change(*account);
        explained |= may && says.keys().all(|account| balance(*account) == found(account));
        let sum = says.keys().map(found).sum::<i64>();
        let whenever = (0..acts.len())
            .all(|act| !has(act) || (act != at && acts[act].outcome != Outcome::Fail));
        adds_up |= whenever && (0..accounts).map(balance).sum::<i64>() == sum;
    }
    explained && adds_up
}

/// Whether the acts happened one after the other, in real time: by every order of them.
pub(super) fn is_strict(acts: &[Act], terms: Terms) -> bool {
    let accounts = acts.first().map_or(0, |act| act.held.len());
    let mut stack = vec![(0_u32, vec![terms.each; accounts])];
    let mut seen = std::collections::BTreeSet::new();
    let must = |at: usize| acts[at].outcome == Outcome::Ok;
    while let Some((done, balances)) = stack.pop() {
        if !seen.insert((done, balances.clone())) {
            continue;
        }
        if (0..acts.len()).all(|at| done & 1 << at != 0 || !must(at)) {
            return true;
        }
        for (at, act) in acts.iter().enumerate() {
            let waits = acts.iter().enumerate().any(|(other, first)| {
                must(other) && done & 1 << other == 0 && first.ret < act.call
            });
            if done & 1 << at != 0 || waits || act.outcome == Outcome::Fail {
                continue;
            }
            let mut after = balances.clone();
            act.changes.iter().for_each(|(account, delta)| after[*account] += delta);
            let says = act.says(terms.stay);
            let lacks = terms.stay && act.look == Look::All && !act.lacks.is_empty();
            let lacks = (lacks || act.contradicts_itself(terms.stay)) && must(at);
            if !lacks && says.iter().all(|(account, balance)| after[*account] == *balance) {
                stack.push((done | 1 << at, after));
            }
        }
    }
    false
}
