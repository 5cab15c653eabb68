//! Drawn histories: one line per process, time from left to right, a millisecond per column.
//!
//! `|--w1--|` ok, `--x` a failed comparison, `--!` did not happen, `--?` info, `-->` never
//! completed. Operations: `w1`, `r1`, `rnil`, `cas 1 2`; `w1@5` is on key 5, others on key 0.
//! `r"..."` reads a reply that could not be parsed.

use tribunal_history::{
    Builder, ErrorClass, History, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value,
};

struct Drawn {
    process: Process,
    from: usize,
    to: usize,
    end: char,
    op: Op,
}

/// The history of a drawing.
///
/// # Panics
/// On what it cannot read: drawings are part of the tests.
pub(crate) fn drawn(drawing: &str) -> History {
    let mut operations: Vec<Drawn> = Vec::new();
    for line in drawing.lines().filter(|line| !line.trim().is_empty()) {
        operations.extend(lane(line));
    }
    let mut events: Vec<(usize, bool, &Drawn)> = Vec::new();
    for operation in &operations {
        events.push((operation.from, false, operation));
        if operation.end != '>' {
            events.push((operation.to, true, operation));
        }
    }
    events.sort_by_key(|(column, completion, _)| (*column, *completion));
    let mut builder = Builder::by_time();
    for (column, completion, operation) in events {
        let (time, process) = (Nanos::from_millis(column as u64), operation.process);
        if !completion {
            builder.invoke(time, process, None, None, &operation.op.pending()).expect(drawing);
            continue;
        }
        let (outcome, error) = match operation.end {
            '|' => (Outcome::Ok, None),
            'x' => (Outcome::Fail, Some(ErrorClass::MISMATCH)),
            '!' => (Outcome::Fail, Some(ErrorClass::new("refused"))),
            _ => (Outcome::Info, Some(ErrorClass::TIMEOUT)),
        };
        builder
            .complete(time, process, outcome, Some(&operation.op), error.as_ref())
            .expect(drawing);
    }
    builder.finish()
}

fn lane(line: &str) -> Vec<Drawn> {
    let chars: Vec<char> = line.chars().collect();
    let name: String = line.trim().chars().take_while(|c| !c.is_whitespace()).collect();
    let number = name.strip_prefix('p').and_then(|number| number.parse().ok());
    let process = Process(number.unwrap_or_else(|| panic!("no process: {line}")));
    let mut operations = Vec::new();
    let mut at = 0;
    while let Some(from) = (at..chars.len()).find(|at| chars[*at] == '|') {
        let ends =
            |at: &usize| "|?>!".contains(chars[*at]) || chars[*at] == 'x' && chars[at - 1] == '-';
        let to = (from + 1..chars.len()).find(ends).unwrap_or_else(|| panic!("no end: {line}"));
        let body: String = chars[from + 1..to].iter().collect();
        let op = op(body.trim_matches(['-', ' ']));
        operations.push(Drawn { process, from, to, end: chars[to], op });
        at = to + 1;
    }
    operations
}

fn op(body: &str) -> Op {
    let (body, key) = body.split_once('@').unwrap_or((body, "0"));
    let key = value(key);
    let mut words = body.split_whitespace();
    Op::Register(match words.next() {
        Some("cas") => {
            let mut word = || value(words.next().unwrap_or_else(|| panic!("cas A B: {body}")));
            RegisterOp::Cas { key, from: word(), to: word() }
        }
        Some("r") => RegisterOp::Read { key, value: Observed::Pending },
        Some("rnil") => RegisterOp::Read { key, value: Observed::Absent },
        Some(word) => match word.split_at(1) {
            ("r", found) => RegisterOp::Read { key, value: Observed::Present(value(found)) },
            ("w", written) => RegisterOp::Write { key, value: value(written) },
            _ => panic!("no operation: {body}"),
        },
        None => panic!("an empty operation"),
    })
}

fn value(word: &str) -> Value {
    match word {
        "nil" => Value::Nil,
        word if word.starts_with('"') => Value::unparsed(word.trim_matches('"').as_bytes()),
        word => Value::Int(word.parse().unwrap_or_else(|_| panic!("no value: {word}"))),
    }
}
