//! What an attempt means for the history: the outcome table, decided here and nowhere else.

use std::time::Duration;

use tribunal_history::{ErrorClass, Op, Outcome, UNPARSED_LIMIT};

use crate::client::ClientError;

/// How one attempt at one operation ended.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The client says it happened.
    Answered(Op),
    /// The client says why not.
    Failed(ClientError),
    /// There was no connection: no byte of the request left.
    NoClient(String),
    /// The deadline passed after the client had been called.
    Overdue(Duration),
    /// The client's code panicked after it had been called.
    Panicked(String),
}

/// The history's view of an attempt.
#[derive(PartialEq, Debug)]
pub(crate) struct Decision {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<ErrorClass>,
    /// The answer, of `ok` only.
    pub(crate) answer: Option<Op>,
    /// Whether the connection may serve the next operation.
    pub(crate) keep_client: bool,
    /// What people should read; empty when there is nothing to say.
    pub(crate) detail: String,
    /// Bytes of a reply that made no sense, at most [`UNPARSED_LIMIT`].
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) client_code: ClientCode,
}

/// Whether the client's code is at fault, which no database is to be blamed for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientCode {
    Fine,
    Panicked,
    /// It answered something that was not asked. Nothing it says can be believed.
    AnsweredAnother,
}

/// Class of an answer to another question.
const CLIENT_BUG: ErrorClass = ErrorClass(std::borrow::Cow::Borrowed("client-bug"));

/// Decides. `asked` is the invocation.
pub(crate) fn decide(asked: &Op, attempt: Attempt) -> Decision {
    match attempt {
        Attempt::Answered(answer) if answer.answers(asked) => Decision {
            outcome: Outcome::Ok,
            error: None,
            answer: Some(answer),
            keep_client: true,
            detail: String::new(),
            raw: None,
            client_code: ClientCode::Fine,
        },
        // It may well have happened; what is sure is only that this client cannot tell.
        Attempt::Answered(answer) => {
            let detail = format!("asked `{asked}`, the client answered `{answer}`");
            let at_fault = ClientCode::AnsweredAnother;
            Decision { client_code: at_fault, ..unknown(Outcome::Info, CLIENT_BUG, detail) }
        }
        Attempt::Failed(ClientError::Definite { class, detail }) => {
            Decision { keep_client: true, ..unknown(Outcome::Fail, class, detail) }
        }
        Attempt::Failed(ClientError::Indefinite { class, detail }) => {
            unknown(lost(asked), class, detail)
        }
        // `info` also of a read: the anomaly is the reply, and a client that is out of step with
        // its server may be out of step with more than this operation.
        Attempt::Failed(ClientError::Unparseable { mut raw, detail }) => {
            raw.truncate(UNPARSED_LIMIT);
            let class = ErrorClass::UNPARSEABLE;
            Decision { raw: Some(raw), ..unknown(Outcome::Info, class, detail) }
        }
        Attempt::NoClient(detail) => unknown(Outcome::Fail, ErrorClass::NO_CLIENT, detail),
        Attempt::Overdue(patience) => {
            let detail = format!("no reply within {patience:?}");
            unknown(lost(asked), ErrorClass::TIMEOUT, detail)
        }
        Attempt::Panicked(message) => {
            let at_fault = ClientCode::Panicked;
            let decision = unknown(Outcome::Info, ErrorClass::CLIENT_PANIC, message);
            Decision { client_code: at_fault, ..decision }
        }
    }
}

/// The outcome of an operation whose reply is lost. One that only reads changed nothing, whatever
/// happened, so its process may go on.
fn lost(asked: &Op) -> Outcome {
    if asked.writes() { Outcome::Info } else { Outcome::Fail }
}

fn unknown(outcome: Outcome, class: ErrorClass, detail: String) -> Decision {
    Decision {
        outcome,
        error: Some(class),
        answer: None,
        keep_client: false,
        detail,
        raw: None,
        client_code: ClientCode::Fine,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tribunal_history::{Mop, Observed, RegisterOp, TxnOp, Value};

    use super::*;

    fn ops() -> Vec<Op> {
        let (key, one) = (Value::Int(0), Value::Int(1));
        let list = Mop::ReadList { key: key.clone(), elements: Observed::Pending };
        let append = Mop::Append { key: key.clone(), element: one.clone() };
        vec![
            Op::Register(RegisterOp::Read { key: key.clone(), value: Observed::Pending }),
            Op::Register(RegisterOp::Write { key: key.clone(), value: one.clone() }),
            Op::Register(RegisterOp::Cas { key, from: one, to: Value::Int(2) }),
            Op::Txn(TxnOp { mops: vec![list.clone()] }),
            Op::Txn(TxnOp { mops: vec![list, append] }),
        ]
    }

    fn attempts(asked: &Op) -> Vec<(&'static str, Attempt)> {
        let other = Op::Register(RegisterOp::Write { key: Value::Int(9), value: Value::Int(9) });
        let class = ErrorClass::new("not-leader");
        let garbage = ClientError::Unparseable { raw: vec![b'x'; 9_000], detail: "html".into() };
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        vec![
            ("answered", Attempt::Answered(asked.clone())),
            ("answered another", Attempt::Answered(other)),
            ("definite", Attempt::Failed(ClientError::definite(class.clone(), "n2 leads"))),
            ("indefinite", Attempt::Failed(ClientError::indefinite(class, "n2 leads"))),
            ("reset", Attempt::Failed(reset.into())),
            ("unparseable", Attempt::Failed(garbage)),
            ("no client", Attempt::NoClient("refused".into())),
            ("overdue", Attempt::Overdue(Duration::from_secs(5))),
            ("panicked", Attempt::Panicked("index out of bounds".into())),
        ]
    }

    #[test]
    fn the_table() {
        let mut table = String::new();
        for asked in ops() {
            for (name, attempt) in attempts(&asked) {
                let Decision { outcome, error, answer, keep_client, raw, client_code, .. } =
                    decide(&asked, attempt);
                assert_eq!(answer.is_some(), outcome == Outcome::Ok);
                assert!(raw.is_none_or(|raw| raw.len() == UNPARSED_LIMIT));
                let error = error.map_or("-".into(), |error| error.to_string());
                let writes = if asked.writes() { "writes" } else { "reads" };
                let keep = if keep_client { "keep" } else { "drop" };
                let line = format!(
                    "{name:<16} {writes:<6} {:<4} {error:<17} {keep} {client_code:?}\n",
                    format!("{outcome:?}").to_lowercase(),
                );
                if !table.contains(&line) {
                    table.push_str(&line);
                }
            }
        }
        expect![[r#"
            answered         reads  ok   -                 keep Fine
            answered another reads  info client-bug        drop AnsweredAnother
            definite         reads  fail not-leader        keep Fine
            indefinite       reads  fail not-leader        drop Fine
            reset            reads  fail io                drop Fine
            unparseable      reads  info unparseable-reply drop Fine
            no client        reads  fail no-client         drop Fine
            overdue          reads  fail timeout           drop Fine
            panicked         reads  info client-panic      drop Panicked
            answered         writes ok   -                 keep Fine
            answered another writes info client-bug        drop AnsweredAnother
            definite         writes fail not-leader        keep Fine
            indefinite       writes info not-leader        drop Fine
            reset            writes info io                drop Fine
            unparseable      writes info unparseable-reply drop Fine
            no client        writes fail no-client         drop Fine
            overdue          writes info timeout           drop Fine
            panicked         writes info client-panic      drop Panicked
        "#]]
        .assert_eq(&table);
    }
}
