//! Which of some changes, made together, come to a given difference: subset sum over vectors.
//!
//! Complete unless its steps end. A change touches few accounts, so changes are taken account by
//! account, and a branch dies where what is left of an account is more than the rest can do. The
//! first guess is what explained the read before.

use super::books::Money;
use super::planted::{Bug, Planted};

/// Steps of one search before it gives up.
pub(super) const STEPS: u64 = 1 << 18;

/// One change that may be in or not.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// Whose it is, for the caller.
    pub(super) id: u32,
    /// By account; accounts are positions in the difference.
    pub(super) changes: Vec<(u32, Money)>,
    /// Whether it is tried as being in first.
    pub(super) likely: bool,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// These together are the difference.
    Subset(Vec<u32>),
    /// None are.
    None,
    /// The steps ended.
    Open,
}

/// Looks for a subset of `choices` that sums to `rest`; takes from `steps` what it took.
pub(super) fn subset(
    mut choices: Vec<Choice>,
    rest: &[Money],
    steps: &mut u64,
    planted: Planted,
) -> Found {
    // By the accounts they touch: an account is settled as soon as its last change is decided.
    choices.sort_by(|one, other| {
        let accounts = |choice: &Choice| -> Vec<u32> {
            choice.changes.iter().map(|(account, _)| *account).collect()
        };
        accounts(one).cmp(&accounts(other)).then(one.id.cmp(&other.id))
    });
    let mut search = Search {
        reach: vec![(0, 0); rest.len()],
        rest: rest.to_vec(),
        taken: Vec::with_capacity(choices.len()),
        choices: &choices,
    };
    for choice in &choices {
        search.widen(choice);
    }
    if !(0..rest.len()).all(|account| search.possible(account)) {
        return Found::None;
    }
    search.run(steps, planted)
}

struct Search<'c> {
    choices: &'c [Choice],
    /// What is still to be made up, by account.
    rest: Vec<Money>,
    /// The least and the most that choices not decided yet can do to it.
    reach: Vec<(Money, Money)>,
    /// Of every decided choice whether it is in, and whether the other answer was tried.
    taken: Vec<(bool, bool)>,
}

impl Search<'_> {
    fn run(&mut self, steps: &mut u64, planted: Planted) -> Found {
        loop {
            if self.taken.len() == self.choices.len() {
                let ids = self.choices.iter().zip(&self.taken);
                return Found::Subset(
                    ids.filter(|(_, (taken, _))| *taken).map(|(choice, _)| choice.id).collect(),
                );
            }
            if *steps == 0 {
                return Found::Open;
            }
            *steps -= 1;
            let likely = self.choices[self.taken.len()].likely;
            let mut alive = self.decide(likely, false);
            // What cannot be is answered the other way, from the last one on.
            while !alive || self.too_many(planted) {
                let Some((taken, both)) = self.undo() else { return Found::None };
                if !both {
                    alive = self.decide(!taken, true);
                } else {
                    alive = false;
                }
            }
        }
    }

    fn too_many(&self, planted: Planted) -> bool {
        planted.has(Bug::OneAtATime) && self.taken.iter().filter(|(taken, _)| *taken).count() > 1
    }

    /// Decides the next choice; whether the rest is still possible.
    fn decide(&mut self, taken: bool, both: bool) -> bool {
        let choice = &self.choices[self.taken.len()];
        self.taken.push((taken, both));
        self.narrow(choice);
        if taken {
            self.shift(choice, -1);
        }
        choice.changes.iter().all(|(account, _)| self.possible(*account as usize))
    }

    fn undo(&mut self) -> Option<(bool, bool)> {
        let (taken, both) = self.taken.pop()?;
        let choice = &self.choices[self.taken.len()];
        if taken {
            self.shift(choice, 1);
        }
        self.widen(choice);
        Some((taken, both))
    }

    fn possible(&self, account: usize) -> bool {
        let (least, most) = self.reach[account];
        (least..=most).contains(&self.rest[account])
    }

    fn shift(&mut self, choice: &Choice, sign: Money) {
        for (account, change) in &choice.changes {
            self.rest[*account as usize] += sign * change;
        }
    }

    fn widen(&mut self, choice: &Choice) {
        for (account, change) in &choice.changes {
            let (least, most) = &mut self.reach[*account as usize];
            *least += (*change).min(0);
            *most += (*change).max(0);
        }
    }

    fn narrow(&mut self, choice: &Choice) {
        for (account, change) in &choice.changes {
            let (least, most) = &mut self.reach[*account as usize];
            *least -= (*change).min(0);
            *most -= (*change).max(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, Found, STEPS, subset};

    fn choice(id: u32, changes: &[(u32, i128)]) -> Choice {
        Choice { id, changes: changes.to_vec(), likely: id.is_multiple_of(2) }
    }

    /// Every subset of every small set of changes is found, and nothing else is.
    #[test]
    fn what_is_found_is_what_there_is() {
        let mut state = 7_u64;
        let mut draw = |many: u64| {
            state =
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            (state >> 33) % many
        };
        let (mut some, mut none) = (0, 0);
        for _ in 0..3_000 {
            let many = draw(7);
            let choices: Vec<Choice> = (0..many as u32)
                .map(|id| {
                    let (from, to) = (draw(3) as u32, draw(3) as u32);
                    let amount = 1 + i128::from(draw(4));
                    match from.cmp(&to) {
                        std::cmp::Ordering::Less => choice(id, &[(from, -amount), (to, amount)]),
                        std::cmp::Ordering::Equal => choice(id, &[(from, amount)]),
                        std::cmp::Ordering::Greater => choice(id, &[(to, amount), (from, -amount)]),
                    }
                })
                .collect();
            let sum = |mask: u32| {
                let mut sums = vec![0_i128; 3];
                let chosen = choices.iter().filter(|choice| mask & (1 << choice.id) != 0);
                for (account, change) in chosen.flat_map(|choice| &choice.changes) {
                    sums[*account as usize] += change;
                }
                sums
            };
            let mut rest = sum(draw(1 << many) as u32);
            rest[draw(3) as usize] += i128::from(draw(2));
            let there = (0..1_u32 << many).any(|mask| sum(mask) == rest);
            match subset(choices.clone(), &rest, &mut STEPS.clone(), Default::default()) {
                Found::Subset(ids) => {
                    let mask = ids.iter().fold(0, |mask, id| mask | 1 << id);
                    assert_eq!(sum(mask), rest);
                    some += 1;
                }
                Found::None => {
                    assert!(!there, "{choices:?} {rest:?}");
                    none += 1;
                }
                Found::Open => panic!("small enough"),
            }
        }
        assert!(some > 500 && none > 500, "{some} found, {none} not");
    }

    /// Two hundred transfers of which nobody knows whether they happened, all between the same two
    /// accounts: the guess is right, so it takes a step each.
    #[test]
    fn a_good_guess_costs_a_step_a_change() {
        let choices: Vec<Choice> = (0..200)
            .map(|id| choice(id, &[(0, -1 - i128::from(id)), (1, 1 + i128::from(id))]))
            .collect();
        let even: i128 = (0..200).step_by(2).map(|id| 1 + id).sum();
        let mut steps = STEPS;
        let found = subset(choices, &[-even, even], &mut steps, Default::default());
        assert_eq!(found, Found::Subset((0..200).step_by(2).collect()));
        assert!(STEPS - steps <= 200);
    }
}
