//! Histories drawn as time lines, for tests and documents.
//!
//! One line per process; columns are time, one nanosecond each. An operation is a box from its
//! invocation to its completion. Two events in one column are concurrent, as equal times are.
//!
//! ```
//! use tribunal_history::{Outcome, drawn};
//!
//! let history = drawn::parse("
//!     p0 |--w1--|
//!     p1            |--r1--|
//!     p2        |--c1:2--?          ; the outcome of this one is unknown
//!     p3                      |--r0--|
//! ").unwrap();
//! assert_eq!(history.len(), 4);
//! assert_eq!(history.operations().filter(|op| op.outcome() == Outcome::Info).count(), 1);
//! ```
//!
//! | end | outcome |
//! |---|---|
//! | `--\|` | ok |
//! | `--x` | fail |
//! | `--?` | info |
//! | `--…` or `--...` | open: the record ends |
//!
//! | box | operation |
//! |---|---|
//! | `w1` | write 1 |
//! | `r1`, `rnil`, `r` | a read that saw 1, that saw nothing, that is not answered |
//! | `c1:2` | compare 1 and set 2 |
//! | `w1@k2`, `r5@x`, `c1:2@7` | the same on key `"k2"`, `"x"`, 7; without `@` the key is nil |
//! | `[r(x)=1 w(y)=2]` | a transaction that reads 1 from `"x"` and writes 2 to `"y"` |
//! | `[a(x)=3 r(x)=[1 2 3]]` | appends 3 to list `"x"`, then reads the whole list |
//!
//! A value is an integer, `nil`, or a word of letters, digits, `_`, `.` and `'`. In a transaction
//! `r(x)` alone is not answered, and `r(x)=nil` saw nothing; when any transaction of the drawing
//! appends or reads a list, these read lists. A process may have several boxes, one after the
//! other; `p0` must not go on after `?` or `…`. From `;` to the end of the line is a comment.

use std::collections::BTreeSet;

use crate::{
    Builder, History, HistoryError, Mop, Nanos, Observed, Op, Outcome, Process, RegisterOp, TxnOp,
    Value,
};

/// Why a drawing is no history. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DrawnError {
    /// The drawing breaks its grammar.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line of the drawing.
        line: usize,
        /// Character of the line.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The drawing is readable, but it is not a history.
    #[error("line {line}, column {column}: {source}")]
    Events {
        /// Line of the box.
        line: usize,
        /// Character at which the event stands.
        column: usize,
        /// What is impossible.
        source: HistoryError,
    },
}

/// Reads a drawing.
///
/// # Errors
/// A drawing that breaks the grammar or is no history, with line and column.
pub fn parse(drawing: &str) -> Result<History, DrawnError> {
    let mut boxes = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, line) in drawing.lines().enumerate() {
        let chars: Vec<char> = line.chars().collect();
        let mut row = Row { line: number + 1, chars: &chars, at: 0 };
        row.spaces();
        if row.at_end() {
            continue;
        }
        let process = row.process()?;
        if !seen.insert(process) {
            return Err(row.error(format!("{process} has a line already; draw on that one")));
        }
        row.boxes(process, &mut boxes)?;
    }
    let lists = boxes.iter().any(|drawn| drawn.op.wants_lists());
    build(boxes, lists)
}

/// A box of the drawing.
#[derive(Debug)]
struct Drawn {
    process: Process,
    line: usize,
    start: usize,
    end: usize,
    outcome: Outcome,
    op: Action,
}

/// An operation as drawn: what `r(x)` of a transaction reads is decided by the whole drawing.
#[derive(Debug)]
enum Action {
    Register(RegisterOp),
    Txn(Vec<Step>),
}

/// `name(key)=result`
#[derive(Debug)]
struct Step {
    name: char,
    key: Value,
    result: Seen,
}

/// What stands after `=` in a transaction.
#[derive(Debug)]
enum Seen {
    Nothing,
    Value(Value),
    List(Vec<Value>),
}

impl Action {
    fn wants_lists(&self) -> bool {
        match self {
            Action::Register(_) => false,
            Action::Txn(steps) => {
                steps.iter().any(|step| step.name == 'a' || matches!(step.result, Seen::List(_)))
            }
        }
    }

    fn op(&self, lists: bool) -> Op {
        match self {
            Action::Register(op) => Op::Register(op.clone()),
            Action::Txn(steps) => {
                Op::Txn(TxnOp { mops: steps.iter().map(|step| step.mop(lists)).collect() })
            }
        }
    }
}

impl Step {
    fn mop(&self, lists: bool) -> Mop {
        let key = self.key.clone();
        match (self.name, &self.result) {
            ('a', Seen::Value(element)) => Mop::Append { key, element: element.clone() },
            ('w', Seen::Value(value)) => Mop::Write { key, value: value.clone() },
            (_, Seen::List(list)) => {
                Mop::ReadList { key, elements: Observed::Present(list.clone()) }
            }
            (_, Seen::Nothing) if lists => Mop::ReadList { key, elements: Observed::Pending },
            (_, Seen::Value(Value::Nil)) if lists => {
                Mop::ReadList { key, elements: Observed::Absent }
            }
            (_, Seen::Nothing) => Mop::Read { key, value: Observed::Pending },
            (_, Seen::Value(value)) => Mop::Read { key, value: observed(value.clone()) },
        }
    }
}

fn observed(value: Value) -> Observed<Value> {
    match value {
        Value::Nil => Observed::Absent,
        value => Observed::Present(value),
    }
}

/// Events by column; in one column invocations come first, as intervals are closed.
fn build(boxes: Vec<Drawn>, lists: bool) -> Result<History, DrawnError> {
    let mut events: Vec<(usize, bool, &Drawn)> = Vec::new();
    for drawn in &boxes {
        events.push((drawn.start, false, drawn));
        if drawn.outcome != Outcome::Open {
            events.push((drawn.end, true, drawn));
        }
    }
    events.sort_by_key(|(column, completion, drawn)| (*column, *completion, drawn.process));
    let mut builder = Builder::by_time();
    for (column, completion, drawn) in events {
        let (time, op) = (Nanos(column as u64), drawn.op.op(lists));
        let added = match completion {
            false => builder.invoke(time, drawn.process, None, None, &op),
            true => builder.complete(time, drawn.process, drawn.outcome, Some(&op), None),
        };
        added.map_err(|source| DrawnError::Events {
            line: drawn.line,
            column: column + 1,
            source,
        })?;
    }
    Ok(builder.finish())
}

/// A line and the place up to which it is read.
struct Row<'c> {
    line: usize,
    chars: &'c [char],
    at: usize,
}

impl Row<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn spaces(&mut self) {
        self.skip(' ');
    }

    fn skip(&mut self, wanted: char) -> usize {
        let start = self.at;
        while self.peek() == Some(wanted) {
            self.at += 1;
        }
        self.at - start
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn error(&self, message: impl Into<String>) -> DrawnError {
        DrawnError::Syntax { line: self.line, column: self.at + 1, message: message.into() }
    }

    fn expect(&mut self, wanted: char) -> Result<(), DrawnError> {
        if self.eat(wanted) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(found) => self.error(format!("expected `{wanted}`, found `{found}`")),
            None => self.error(format!("expected `{wanted}`, found the end of the line")),
        })
    }

    fn word(&mut self) -> String {
        let start = self.at;
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '\'');
        while self.peek().is_some_and(part) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn process(&mut self) -> Result<Process, DrawnError> {
        self.expect('p')?;
        let start = self.at;
        let number = self.word();
        let process = number.parse().map(Process);
        process.map_err(|_| {
            self.at = start;
            self.error("a line must start with a process, like p0")
        })
    }

    /// Nothing more to read: the end of the line, or a comment.
    fn at_end(&self) -> bool {
        matches!(self.peek(), None | Some(';'))
    }

    fn boxes(&mut self, process: Process, boxes: &mut Vec<Drawn>) -> Result<(), DrawnError> {
        loop {
            self.spaces();
            if self.at_end() {
                return Ok(());
            }
            boxes.push(self.drawn(process)?);
        }
    }

    fn drawn(&mut self, process: Process) -> Result<Drawn, DrawnError> {
        let start = self.at;
        self.expect('|')?;
        self.expect('-')?;
        self.skip('-');
        let op = match self.eat('[') {
            true => self.txn()?,
            false => self.register()?,
        };
        self.expect('-')?;
        self.skip('-');
        let end = self.at;
        let outcome = match self.peek() {
            Some('|') => Outcome::Ok,
            Some('x') => Outcome::Fail,
            Some('?') => Outcome::Info,
            Some('…') => Outcome::Open,
            Some('.') if self.chars[end..].starts_with(&['.', '.', '.']) => {
                self.at += 2;
                Outcome::Open
            }
            _ => return Err(self.error("an operation must end in `|`, `x`, `?` or `…`")),
        };
        self.at += 1;
        // `|--w1--|--r1--|`: the second box may not share the bar of the first.
        if self.peek() == Some('-') {
            return Err(self.error("leave a space before the next operation of a process"));
        }
        Ok(Drawn { process, line: self.line, start, end, outcome, op })
    }

    fn register(&mut self) -> Result<Action, DrawnError> {
        let name = self.peek();
        self.at += usize::from(name.is_some());
        let op = match name {
            Some('r') => {
                let value = match self.peek() {
                    Some('-' | '@') if !self.negative() => Observed::Pending,
                    _ => observed(self.value()?),
                };
                RegisterOp::Read { key: self.key()?, value }
            }
            Some('w') => {
                let value = self.value()?;
                RegisterOp::Write { key: self.key()?, value }
            }
            Some('c') => {
                let from = self.value()?;
                self.expect(':')?;
                let to = self.value()?;
                RegisterOp::Cas { key: self.key()?, from, to }
            }
            _ => {
                self.at -= usize::from(name.is_some());
                let message = "expected an operation: r, w, c or a transaction in brackets";
                return Err(self.error(message));
            }
        };
        Ok(Action::Register(op))
    }

    /// `-` starts a number when a digit follows, and is the line of the box otherwise.
    fn negative(&self) -> bool {
        self.peek() == Some('-')
            && self.chars.get(self.at + 1).is_some_and(|next| next.is_ascii_digit())
    }

    fn key(&mut self) -> Result<Value, DrawnError> {
        if self.eat('@') { self.value() } else { Ok(Value::Nil) }
    }

    fn value(&mut self) -> Result<Value, DrawnError> {
        let start = self.at;
        let minus = if self.negative() { "-" } else { "" };
        self.at += minus.len();
        let word = self.word();
        let digits = word.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        match word.as_str() {
            "" => Err(self.error("expected a value: an integer, nil or a word")),
            "nil" => Ok(Value::Nil),
            number if digits => format!("{minus}{number}").parse().map(Value::Int).map_err(|_| {
                self.at = start;
                self.error(format!("`{minus}{number}` is not an integer of 64 bits"))
            }),
            word => Ok(Value::text(word)),
        }
    }

    fn txn(&mut self) -> Result<Action, DrawnError> {
        let mut steps = Vec::new();
        loop {
            self.spaces();
            if self.eat(']') {
                return Ok(Action::Txn(steps));
            }
            steps.push(self.step()?);
        }
    }

    fn step(&mut self) -> Result<Step, DrawnError> {
        let name = match self.peek() {
            Some(name @ ('r' | 'w' | 'a')) => name,
            _ => return Err(self.error("expected r(key), w(key)=value, a(key)=element or `]`")),
        };
        self.at += 1;
        self.expect('(')?;
        let key = self.value()?;
        self.expect(')')?;
        let result = match self.eat('=') {
            false if name == 'r' => Seen::Nothing,
            false => return Err(self.error(format!("{name}(key) needs `=` and a value"))),
            true if name == 'r' && self.eat('[') => Seen::List(self.list()?),
            true => Seen::Value(self.value()?),
        };
        Ok(Step { name, key, result })
    }

    fn list(&mut self) -> Result<Vec<Value>, DrawnError> {
        let mut list = Vec::new();
        loop {
            self.spaces();
            if self.eat(']') {
                return Ok(list);
            }
            list.push(self.value()?);
        }
    }
}
