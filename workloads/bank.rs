//! Workload `bank`: transfers between accounts, and reads of all of them.
//!
//! One deposit fills the accounts; then half of the transactions move an amount from one account to
//! another, which a target refuses where the balance does not suffice, and half read every account.
//! Amounts differ, so that balances tell which transfers are in them: no journal is needed, which
//! would make every transfer meet every other.

use tribunal_checkers::invariants::{Bank, BankOptions};
use tribunal_checkers::stats::Stats;
use tribunal_checkers::vacuity::Vacuity;
use tribunal_harness::generator::{
    Call, Gen, each_slot, function, mix, on_slots, phases, repeat_n, sequence, stagger, until_ok,
};
use tribunal_harness::target::Vocabulary;
use tribunal_history::{Family, Mop, Nanos, Observed, Op, TxnOp, Value};

use crate::registry::Entry;
use crate::workload::{Setting, Workload, WorkloadError};

const NAME: &str = "bank";

const OPTIONS: &[(&str, &str)] = &[
    ("accounts", "accounts: 2 to 64, as many as a transaction may read (default 8)"),
    ("balance", "what the deposit puts into each (default 100)"),
    ("max-amount", "most that one transfer moves (default 40)"),
    (
        "real-time",
        "whether a read must show every transfer that was over before it: true or false (default \
         true)",
    ),
    ("final-attempts", "attempts of the final read on each node (default 20)"),
];

/// Attempts of the deposit: all but one of which fail, or a run is about nothing.
const DEPOSITS: u64 = 1000;

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: NAME,
    summary: "transfers between accounts, and reads of all of them",
    options: OPTIONS,
    build,
};

fn build(setting: &Setting) -> Result<Workload, WorkloadError> {
    setting.only(NAME, OPTIONS)?;
    let accounts = setting.positive(NAME, "accounts", 8)?;
    if !(2..=64).contains(&accounts) {
        return Err(bad(setting, "accounts", "write a whole number from 2 to 64"));
    }
    let money = |option, default| -> Result<i64, WorkloadError> {
        let money = setting.positive(NAME, option, default)?;
        let fits = i64::try_from(money).ok().filter(|money| *money <= MOST);
        fits.ok_or_else(|| bad(setting, option, "write a whole number from 1 to 10^12"))
    };
    let (balance, most) = (money("balance", 100)?, money("max-amount", 40)?);
    let attempts = setting.positive(NAME, "final-attempts", 20)?;
    let real_time = match setting.options.get("real-time").map(String::as_str) {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(bad(setting, "real-time", "write true or false")),
    };
    let load = mix(vec![
        function(move |call| transfer(call, accounts, most)),
        function(move |_| read(accounts)),
    ]);
    // One client, so that the next attempt waits for what came of the last one.
    let attempt = repeat_n(DEPOSITS, sequence(vec![deposit(accounts, balance)]));
    let opening = on_slots(|slot| slot == 0, until_ok(attempt));
    let mut generator: Gen = phases(vec![opening, load]);
    if let Some(rate) = setting.rate {
        generator = stagger(Nanos((1e9 / rate) as u64), generator);
    }
    let nodes = setting.nodes.min(setting.concurrency) as u32;
    let last = move || {
        let reads = until_ok(sequence(vec![read(accounts); attempts as usize]));
        on_slots(move |slot| slot < nodes, each_slot(reads))
    };
    let bank = Bank::new(BankOptions { real_time, ..BankOptions::default() });
    Ok(Workload {
        name: NAME,
        needs: Vocabulary { families: &[Family::Txn] },
        generator,
        final_generator: Box::new(last),
        checkers: vec![Box::new(bank), Box::new(Stats::default()), Box::new(Vacuity)],
    })
}

/// Most money of one kind, so that no sum is near the end of 64 bits.
const MOST: i64 = 1_000_000_000_000;

fn bad(setting: &Setting, option: &'static str, problem: &'static str) -> WorkloadError {
    let value = setting.options.get(option).cloned().unwrap_or_default();
    WorkloadError::BadOption { workload: NAME, option, value, problem }
}

fn add(account: u64, delta: i64) -> Mop {
    Mop::Add { key: Value::Int(account as i64), delta, value: Observed::Pending }
}

fn deposit(accounts: u64, balance: i64) -> Op {
    Op::Txn(TxnOp { mops: (0..accounts).map(|account| add(account, balance)).collect() })
}

fn transfer(call: &mut Call, accounts: u64, most: i64) -> Op {
    let from = call.draw.below(accounts);
    let to = (from + 1 + call.draw.below(accounts - 1)) % accounts;
    let amount = 1 + call.draw.below(most as u64) as i64;
    Op::Txn(TxnOp { mops: vec![add(from, -amount), add(to, amount)] })
}

fn read(accounts: u64) -> Op {
    let one = |account| Mop::Read { key: Value::Int(account as i64), value: Observed::Pending };
    Op::Txn(TxnOp { mops: (0..accounts).map(one).collect() })
}
