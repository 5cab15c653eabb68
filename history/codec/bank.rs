//! Banks as Jepsen writes them: `:transfer {:from 0 :to 1 :amount 5}`, and `:read` of a map from
//! accounts to balances.
//!
//! Both are transactions: a transfer takes from one account and gives to another, and a read finds
//! every account there is, which is a read by the predicate [`BALANCES`]. So a file of Jepsen's and
//! a run of ours are judged by the same checker, and a transfer that says more than two additions
//! (an identifier, fees) needs no family of its own.

use super::edn_op::{put, put_nothing, put_value};
use super::jepsen_op::Ops;
use super::losses::Losses;
use super::tape::{Bad, Data, Node};
use crate::{Draft, Kind, Mop, Observed, TxnOp, Value};

/// The predicate of a read of every account of a bank.
pub const BALANCES: &str = "balances";

/// What of Jepsen's words a transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form<'t> {
    /// None that is a word: micro-operations.
    Mops,
    Transfer {
        from: &'t Value,
        to: &'t Value,
        amount: i64,
        after: [Observed<i64>; 2],
    },
    Balances(&'t Observed<Vec<(Value, Value)>>),
}

impl Form<'_> {
    pub(super) fn of(txn: &TxnOp) -> Form<'_> {
        match &txn.mops[..] {
            [
                Mop::Add { key: from, delta: less, value: first },
                Mop::Add { key: to, delta: more, value: second },
            ] if *more > 0 && less.checked_neg() == Some(*more) => {
                Form::Transfer { from, to, amount: *more, after: [*first, *second] }
            }
            [Mop::ReadPredicate { predicate, matches }] if &**predicate == BALANCES => {
                Form::Balances(matches)
            }
            _ => Form::Mops,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Form::Mops => "txn",
            Form::Transfer { .. } => "transfer",
            Form::Balances(_) => "read",
        }
    }
}

/// Writes the `:value` of a transfer or of a read; false of every other transaction.
pub(super) fn put_bank(line: &mut String, kind: Kind, form: Form<'_>, losses: &mut Losses) -> bool {
    match form {
        Form::Mops => return false,
        Form::Transfer { from, to, amount, after } => {
            line.push_str("{:from ");
            put_value(line, from, losses);
            line.push_str(" :to ");
            put_value(line, to, losses);
            put(line, format_args!(" :amount {amount}"));
            if kind == Kind::Ok && after.iter().any(Observed::is_answered) {
                losses.count("balances after a transfer written as :balances, which is ours");
                line.push_str(" :balances [");
                for (i, balance) in after.iter().enumerate() {
                    line.push_str(if i == 0 { "" } else { " " });
                    if let Some(balance) = put_nothing(line, kind, balance, losses) {
                        put(line, format_args!("{balance}"));
                    }
                }
                line.push(']');
            }
            line.push('}');
        }
        Form::Balances(matches) => {
            if let Some(matches) = put_nothing(line, kind, matches, losses) {
                line.push('{');
                for (i, (account, balance)) in matches.iter().enumerate() {
                    line.push_str(if i == 0 { "" } else { " " });
                    put_value(line, account, losses);
                    line.push(' ');
                    put_value(line, balance, losses);
                }
                line.push('}');
            }
        }
    }
    true
}

impl Ops {
    /// Fills a draft with a transfer; false where the event does not say which.
    pub(super) fn transfer(
        &self,
        kind: Kind,
        value: Option<Node<'_, '_>>,
        draft: &mut Draft<'_>,
    ) -> Result<bool, Bad> {
        let Some(node) = value.filter(|node| !matches!(node.data(), Data::Nil)) else {
            return Ok(false);
        };
        let message = "a transfer needs a value like {:from 0 :to 1 :amount 5}";
        if !node.is_map() {
            return Err(self.error(node, message));
        }
        let (mut from, mut to, mut amount, mut after) = (None, None, None, None);
        let mut children = node.children();
        while let (Some(name), Some(value)) = (children.next(), children.next()) {
            match name.word().unwrap_or_default() {
                "from" => from = Some(self.account(value)?),
                "to" => to = Some(self.account(value)?),
                "amount" => amount = Some(self.whole(value)?),
                "balances" if kind == Kind::Ok => after = value.pair(),
                _ => {}
            }
        }
        let (Some(from), Some(to), Some(amount)) = (from, to, amount) else {
            return Err(self.error(node, message));
        };
        let Some(less) = i64::checked_neg(amount) else {
            return Err(self.error(node, "an amount that has no opposite in 64 bits"));
        };
        let after = match after {
            None => [Observed::Pending; 2],
            Some((one, other)) => [self.balance(one)?, self.balance(other)?],
        };
        let (from, to) = (draft.code(&from), draft.code(&to));
        draft.add(from, less, after[0]);
        draft.add(to, amount, after[1]);
        Ok(true)
    }

    /// Fills a draft with a read of every account.
    pub(super) fn balances(
        &self,
        kind: Kind,
        value: Option<Node<'_, '_>>,
        draft: &mut Draft<'_>,
    ) -> Result<bool, Bad> {
        let predicate = draft.code(&Value::text(BALANCES));
        let seen = value.filter(|_| kind == Kind::Ok);
        let content = seen.map(|node| node.tagged().map_or(node, |(_, content)| content));
        match (seen, content) {
            (Some(node), _) if super::jepsen_op::is_pending(node) => {
                draft.read_no_predicate(predicate, Observed::Pending);
            }
            (_, Some(content)) if content.is_map() => {
                draft.read_predicate(predicate);
                let mut children = content.children();
                while let (Some(account), Some(balance)) = (children.next(), children.next()) {
                    let (account, balance) = (self.account(account)?, self.value(balance)?);
                    let (account, balance) = (draft.code(&account), draft.code(&balance));
                    draft.element(account);
                    draft.element(balance);
                }
            }
            (Some(node), Some(content)) if !matches!(content.data(), Data::Nil) => {
                return Err(self.error(node, "a read of a bank must return a map of balances"));
            }
            _ if kind == Kind::Ok => draft.read_no_predicate(predicate, Observed::Absent),
            _ => draft.read_no_predicate(predicate, Observed::Pending),
        }
        Ok(true)
    }

    /// An account. JSON has no keys but strings, so one that spells an integer is that integer,
    /// wherever it stands.
    fn account(&self, node: Node<'_, '_>) -> Result<Value, Bad> {
        let account = self.value(node)?;
        let int = match &account {
            Value::Text(text) => text.parse::<i64>().ok().filter(|int| *int.to_string() == **text),
            Value::Nil | Value::Int(_) | Value::Unparsed(_) => None,
        };
        Ok(int.map_or(account, Value::Int))
    }

    pub(super) fn whole(&self, node: Node<'_, '_>) -> Result<i64, Bad> {
        match node.data() {
            Data::Int(int) => Ok(*int),
            _ => Err(self.error(node, "an integer of 64 bits was expected here")),
        }
    }

    pub(super) fn balance(&self, node: Node<'_, '_>) -> Result<Observed<i64>, Bad> {
        match node.data() {
            _ if super::jepsen_op::is_pending(node) => Ok(Observed::Pending),
            Data::Nil => Ok(Observed::Absent),
            _ => self.whole(node).map(Observed::Present),
        }
    }
}
