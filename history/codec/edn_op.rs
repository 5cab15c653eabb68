//! The `:f` and `:value` of an operation as Jepsen writes them, and what EDN has no word for.

use super::bank::{Form, put_bank};
use super::losses::Losses;
use super::{SOLE_KEY, hex};
use crate::{
    CounterOp, Event, F, Family, History, IdOp, Kind, LockOp, Mop, Observed, Op, QueueOp,
    RegisterOp, SetOp, Value,
};

/// How the reads of this history are spelled: `:r` where it is clear what it reads.
#[derive(Debug)]
pub(super) struct Words {
    register: &'static str,
    list: &'static str,
    /// Whether values are `[key value]` tuples.
    keyed: bool,
    /// Whether `:read` can only be one of a bank.
    bank: bool,
}

impl Words {
    pub(super) fn of(history: &History) -> Words {
        let (mut registers, mut lists, mut appends, mut keyed) = (false, false, false, false);
        let (mut writes, mut bank) = (false, true);
        for operation in history.operations() {
            if operation.f() != F::Txn {
                keyed |= history.value(operation.key()) != SOLE_KEY;
                bank &= word(operation.f()) != "read";
                continue;
            }
            let Op::Txn(txn) = operation.op() else { continue };
            for mop in &txn.mops {
                match mop {
                    Mop::Read { .. } => registers = true,
                    Mop::ReadList { .. } => lists = true,
                    Mop::Append { .. } => appends = true,
                    Mop::Write { .. } | Mop::Add { .. } => writes = true,
                    Mop::ReadPredicate { .. } => {}
                }
            }
        }
        Words {
            register: if lists || appends { "rr" } else { "r" },
            list: if appends && !registers && !writes { "r" } else { "rl" },
            keyed,
            bank,
        }
    }
}

/// Writes `, :f .. , :value ..` and our own keys after them.
pub(super) fn put_op(line: &mut String, event: &Event, words: &Words, losses: &mut Losses) {
    if let Op::Txn(txn) = &event.op {
        let form = if words.bank { Form::of(txn) } else { Form::Mops };
        put(line, format_args!(", :f :{}, :value ", form.word()));
        if put_bank(line, event.kind, form, losses) {
            return;
        }
        line.push('[');
        for (i, mop) in txn.mops.iter().enumerate() {
            line.push_str(if i == 0 { "" } else { " " });
            put_mop(line, event.kind, mop, words, losses);
        }
        line.push(']');
        return;
    }
    put(line, format_args!(", :f :{}, :value ", word(event.op.f())));
    match event.op.key().filter(|_| words.keyed) {
        Some(key) => {
            line.push('[');
            put_value(line, key, losses);
            line.push(' ');
            put_argument(line, event.kind, &event.op, losses);
            line.push(']');
        }
        None => put_argument(line, event.kind, &event.op, losses),
    }
    put_result(line, event.kind, &event.op, losses);
    // Words that two families share.
    if matches!(event.op.family(), Family::Set | Family::Counter) {
        put(line, format_args!(", :family :{}", event.op.family().name()));
    }
}

/// Jepsen's word.
fn word(f: F) -> &'static str {
    match f {
        F::SetAdd | F::CounterAdd => "add",
        F::SetRemove => "remove",
        F::SetContains => "contains",
        F::SetRead | F::CounterRead => "read",
        F::Read
        | F::Write
        | F::Cas
        | F::Txn
        | F::Append
        | F::Enqueue
        | F::Dequeue
        | F::Peek
        | F::Acquire
        | F::Release
        | F::Generate => f.name(),
    }
}

/// What stands as the value, without its key.
fn put_argument(line: &mut String, kind: Kind, op: &Op, losses: &mut Losses) {
    match op {
        Op::Register(RegisterOp::Read { value, .. })
        | Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. })
        | Op::Id(IdOp::Generate { id: value, .. }) => put_seen(line, kind, value, losses),
        Op::Register(RegisterOp::Write { value, .. } | RegisterOp::Append { value, .. })
        | Op::Queue(QueueOp::Enqueue { value, .. })
        | Op::Set(
            SetOp::Add { element: value, .. }
            | SetOp::Remove { element: value, .. }
            | SetOp::Contains { element: value, .. },
        ) => put_value(line, value, losses),
        Op::Register(RegisterOp::Cas { from, to, .. }) => {
            line.push('[');
            put_value(line, from, losses);
            line.push(' ');
            put_value(line, to, losses);
            line.push(']');
        }
        Op::Set(SetOp::Read { elements, .. }) => {
            if let Some(elements) = put_nothing(line, kind, elements, losses) {
                put_list(line, elements, losses);
            }
        }
        Op::Counter(CounterOp::Add { delta, .. }) => put(line, format_args!("{delta}")),
        Op::Counter(CounterOp::Read { value, .. }) => {
            if let Some(value) = put_nothing(line, kind, value, losses) {
                put(line, format_args!("{value}"));
            }
        }
        Op::Lock(LockOp::Acquire { permits, token, .. }) => {
            // Granted by the answer, so no question has one.
            let token = if kind == Kind::Ok { *token } else { Observed::Pending };
            put_lock(line, *permits, token, losses);
        }
        Op::Lock(LockOp::Release { permits, token, .. }) => {
            put_lock(line, *permits, *token, losses);
        }
        Op::Txn(_) => {}
    }
}

/// What was answered beside the value, under a key of ours.
fn put_result(line: &mut String, kind: Kind, op: &Op, losses: &mut Losses) {
    let result: Observed<&dyn std::fmt::Display> = match op {
        Op::Set(
            SetOp::Add { added: told, .. }
            | SetOp::Remove { removed: told, .. }
            | SetOp::Contains { found: told, .. },
        ) => told.as_ref().map(|told| told as _),
        Op::Counter(CounterOp::Add { value, .. }) => value.as_ref().map(|value| value as _),
        Op::Counter(CounterOp::Read { .. })
        | Op::Set(SetOp::Read { .. })
        | Op::Register(_)
        | Op::Txn(_)
        | Op::Queue(_)
        | Op::Lock(_)
        | Op::Id(_) => Observed::Pending,
    };
    if kind == Kind::Ok && result.is_answered() {
        losses.count("answers written as :result, which is ours");
        put(line, format_args!(", :result {result}"));
    }
}

/// A mutex needs no value; more permits than one, and tokens, stand in a map.
fn put_lock(line: &mut String, permits: i64, token: Observed<i64>, losses: &mut Losses) {
    if permits == 1 && !token.is_answered() {
        line.push_str("nil");
        return;
    }
    losses.count("permits and tokens written as a map {:permits n :token n}, which is ours");
    put(line, format_args!("{{:permits {permits}"));
    if token.is_answered() {
        put(line, format_args!(" :token {token}"));
    }
    line.push('}');
}

fn put_list(line: &mut String, elements: &[Value], losses: &mut Losses) {
    line.push('[');
    for (i, element) in elements.iter().enumerate() {
        line.push_str(if i == 0 { "" } else { " " });
        put_value(line, element, losses);
    }
    line.push(']');
}

fn put_mop(line: &mut String, kind: Kind, mop: &Mop, words: &Words, losses: &mut Losses) {
    let (name, key) = match mop {
        Mop::Read { key, .. } => (words.register, key),
        Mop::Write { key, .. } => ("w", key),
        Mop::Append { key, .. } => ("append", key),
        Mop::ReadList { key, .. } => (words.list, key),
        Mop::Add { key, .. } => ("add", key),
        Mop::ReadPredicate { predicate, .. } => ("rp", &Value::Text(predicate.clone())),
    };
    if matches!(name, "rl" | "rr" | "rp") {
        losses.count("reads written as :rl, :rr or :rp, which Elle does not know");
    }
    put(line, format_args!("[:{name} "));
    put_value(line, key, losses);
    line.push(' ');
    match mop {
        Mop::Read { value, .. } => put_seen(line, kind, value, losses),
        Mop::Write { value: argument, .. } | Mop::Append { element: argument, .. } => {
            put_value(line, argument, losses);
        }
        Mop::Add { delta, value, .. } => {
            losses.count("additions written as [:add key delta value], which is ours");
            put(line, format_args!("{delta}"));
            if kind == Kind::Ok && value.is_answered() {
                put(line, format_args!(" {value}"));
            }
        }
        Mop::ReadList { elements, .. } => {
            let seen = put_nothing(line, kind, elements, losses);
            if let Some(elements) = seen {
                put_list(line, elements, losses);
            }
        }
        Mop::ReadPredicate { matches, .. } => {
            let seen = put_nothing(line, kind, matches, losses);
            if let Some(matches) = seen {
                line.push('[');
                for (key, value) in matches {
                    line.push('[');
                    put_value(line, key, losses);
                    line.push(' ');
                    put_value(line, value, losses);
                    line.push(']');
                }
                line.push(']');
            }
        }
    }
    line.push(']');
}

fn put_seen(line: &mut String, kind: Kind, value: &Observed<Value>, losses: &mut Losses) {
    if let Some(value) = put_nothing(line, kind, value, losses) {
        if *value == Value::Nil {
            losses.count("reads that returned an explicit nil, which reads back as nothing there");
        }
        put_value(line, value, losses);
    }
}

/// Writes what is not there, and returns what is.
pub(super) fn put_nothing<'v, T>(
    line: &mut String,
    kind: Kind,
    seen: &'v Observed<T>,
    losses: &mut Losses,
) -> Option<&'v T> {
    match (seen, kind) {
        (Observed::Present(value), Kind::Ok) => return Some(value),
        (Observed::Pending, Kind::Ok) => {
            losses.count("ok reads without an answer, written with the tag #tribunal/pending");
            line.push_str("#tribunal/pending nil");
        }
        (Observed::Absent | Observed::Pending | Observed::Present(_), _) => line.push_str("nil"),
    }
    None
}

pub(super) fn put_value(line: &mut String, value: &Value, losses: &mut Losses) {
    match value {
        Value::Nil => line.push_str("nil"),
        Value::Int(int) => put(line, format_args!("{int}")),
        Value::Text(text) => put_text(line, text),
        Value::Unparsed(raw) => {
            losses.count("unparsed values written with the tag #tribunal/unparsed");
            put(line, format_args!("#tribunal/unparsed \"{}\"", hex::encode(raw)));
        }
    }
}

pub(super) fn put(line: &mut String, text: std::fmt::Arguments<'_>) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = line.write_fmt(text);
}

/// A keyword where that is possible, a string otherwise.
pub(super) fn put_word(line: &mut String, word: &str) {
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match plain && word.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        true => put(line, format_args!(":{word}")),
        false => put_text(line, word),
    }
}

pub(super) fn put_text(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\r' => line.push_str("\\r"),
            control if control < ' ' => put(line, format_args!("\\u{:04x}", control as u32)),
            other => line.push(other),
        }
    }
    line.push('"');
}
