//! The search against an oracle written from the definition, and against itself.

mod account;
mod brute;
mod budget;
mod decide;
mod differential;
mod generate;
mod golden;
mod list;
mod live;
mod metamorphic;
mod quick;
mod regressions;
mod replay;
mod streaming;
mod texts;
mod third_party;
mod units;
mod unseen;
mod window;
mod worlds;
mod zones;

pub(super) use crate::testing::histories;
use tribunal_history::{History, Value};

use crate::linearizable::meter::Ledger;
use crate::linearizable::partition::Component;
use crate::linearizable::prep::{self, Problem, Unready};
use crate::linearizable::{CasRegister, Dialect, FromHistory, Linearizable, Options};
use crate::{Budget, Checker, Report};

pub(super) fn cas_register(initial: i64) -> Linearizable<CasRegister> {
    Linearizable::new(CasRegister { initial: Value::Int(initial) }, Dialect::TRIBUNAL)
        .with_options(Options::default())
}

pub(super) fn check(history: &History) -> Report {
    cas_register(0).check(history, &Budget::unlimited()).expect("a register history")
}

/// A component laid out, whatever it takes.
pub(super) fn prepare<M: FromHistory>(
    model: &M,
    history: &History,
    component: &Component,
    dialect: Dialect,
) -> Result<Problem<M::Op>, Unready> {
    let budget = Budget::unlimited();
    prep::prepare(model, history, component, dialect, &Ledger::new(&budget))
}
