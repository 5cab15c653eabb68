//! A history to JSON lines.

use std::fmt::Write as _;
use std::io::Write;

use super::{SCHEMA, SCHEMA_VERSION, SCHEMA_VERSION_PER_SESSION};
use crate::codec::{CodecError, Track, hex, track};
use crate::{
    CounterOp, Event, FaultEvent, History, IdOp, Kind, LockOp, Mark, Mop, Observed, Op, QueueOp,
    RegisterOp, SetOp, Value,
};

pub(in crate::codec) fn write(history: &History, out: &mut impl Write) -> Result<(), CodecError> {
    let (version, order) = match history.has_real_time() {
        true => (SCHEMA_VERSION, ""),
        false => (SCHEMA_VERSION_PER_SESSION, ",\"real_time\":false"),
    };
    writeln!(out, "{{\"schema\":\"{SCHEMA}\",\"schema_version\":{version}{order}}}")?;
    let mut track = track(history).peekable();
    let mut line = String::new();
    for event in history.events() {
        line.clear();
        while let Some(entry) = track.next_if(|entry| entry.time() < event.time) {
            put_track(&mut line, &entry);
        }
        put_event(&mut line, &event);
        out.write_all(line.as_bytes())?;
    }
    line.clear();
    for entry in track {
        put_track(&mut line, &entry);
    }
    out.write_all(line.as_bytes())?;
    Ok(())
}

/// Appends formatted text; writing to a String cannot fail.
macro_rules! put {
    ($line:expr, $($arg:tt)*) => {
        let _ = write!($line, $($arg)*);
    };
}

fn put_event(line: &mut String, event: &Event) {
    put!(line, "{{\"id\":{},\"time\":{}", event.id.0, event.time.0);
    put!(line, ",\"process\":{}", event.process.0);
    if event.session.0 != event.process.0 {
        put!(line, ",\"session\":{}", event.session.0);
    }
    if let Some(node) = event.node {
        put!(line, ",\"node\":{}", node.0);
    }
    put!(line, ",\"kind\":\"{}\",\"op\":{{\"f\":\"{}\"", event.kind.name(), event.op.name());
    if let Some(key) = event.op.key() {
        line.push_str(",\"key\":");
        put_value(line, key);
    }
    put_arguments(line, event.kind, &event.op);
    line.push('}');
    if let Some(error) = &event.error {
        line.push_str(",\"error\":");
        put_text(line, &error.0);
    }
    line.push_str("}\n");
}

fn put_arguments(line: &mut String, kind: Kind, op: &Op) {
    match op {
        Op::Register(RegisterOp::Read { value, .. })
        | Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. }) => {
            put_field_seen(line, "value", seen(kind, value));
        }
        Op::Register(RegisterOp::Write { value, .. } | RegisterOp::Append { value, .. })
        | Op::Queue(QueueOp::Enqueue { value, .. }) => put_field(line, "value", value),
        Op::Register(RegisterOp::Cas { from, to, .. }) => {
            put_field(line, "from", from);
            put_field(line, "to", to);
        }
        Op::Set(SetOp::Add { element, added: told, .. }) => {
            put_field(line, "element", element);
            put_plain(line, "added", seen(kind, told));
        }
        Op::Set(SetOp::Remove { element, removed: told, .. }) => {
            put_field(line, "element", element);
            put_plain(line, "removed", seen(kind, told));
        }
        Op::Set(SetOp::Contains { element, found: told, .. }) => {
            put_field(line, "element", element);
            put_plain(line, "found", seen(kind, told));
        }
        Op::Set(SetOp::Read { elements, .. }) => {
            if let Some(elements) = seen(kind, elements) {
                line.push_str(",\"elements\":");
                put_list(line, elements, put_value);
            }
        }
        Op::Counter(CounterOp::Add { delta, value, .. }) => {
            put!(line, ",\"delta\":{delta}");
            put_plain(line, "value", seen(kind, value));
        }
        Op::Counter(CounterOp::Read { value, .. }) => {
            put_plain(line, "value", seen(kind, value));
        }
        Op::Lock(LockOp::Acquire { permits, token, .. }) => {
            put_permits(line, *permits);
            put_plain(line, "token", seen(kind, token));
        }
        Op::Lock(LockOp::Release { permits, token, .. }) => {
            put_permits(line, *permits);
            // Part of the question: written whatever came of it.
            put_plain(line, "token", seen(Kind::Ok, token));
        }
        Op::Id(IdOp::Generate { id, .. }) => put_field_seen(line, "id", seen(kind, id)),
        Op::Txn(txn) => {
            line.push_str(",\"mops\":[");
            for (i, mop) in txn.mops.iter().enumerate() {
                line.push_str(if i == 0 { "" } else { "," });
                put_mop(line, kind, mop);
            }
            line.push(']');
        }
    }
}

fn put_field(line: &mut String, name: &str, value: &Value) {
    put!(line, ",\"{name}\":");
    put_value(line, value);
}

fn put_field_seen(line: &mut String, name: &str, value: Option<Option<&Value>>) {
    if let Some(value) = value {
        put!(line, ",\"{name}\":");
        put_seen(line, value);
    }
}

/// A number, or yes or no.
fn put_plain(line: &mut String, name: &str, value: Option<Option<&impl std::fmt::Display>>) {
    match value {
        None => {}
        Some(None) => {
            put!(line, ",\"{name}\":null");
        }
        Some(Some(value)) => {
            put!(line, ",\"{name}\":{value}");
        }
    }
}

fn put_permits(line: &mut String, permits: i64) {
    if permits != 1 {
        put!(line, ",\"permits\":{permits}");
    }
}

/// What is there to write of an observation: nothing of a pending one.
fn seen<T>(kind: Kind, value: &Observed<T>) -> Option<Option<&T>> {
    match (kind, value) {
        (Kind::Ok, Observed::Present(value)) => Some(Some(value)),
        (Kind::Ok, Observed::Absent) => Some(None),
        (Kind::Ok, Observed::Pending) | (Kind::Invoke | Kind::Fail | Kind::Info, _) => None,
    }
}

fn put_mop(line: &mut String, kind: Kind, mop: &Mop) {
    match mop {
        Mop::Read { key, value } => {
            line.push_str("[\"read\",");
            put_value(line, key);
            if let Some(value) = seen(kind, value) {
                line.push(',');
                put_seen(line, value);
            }
        }
        Mop::Write { key, value } => {
            line.push_str("[\"write\",");
            put_value(line, key);
            line.push(',');
            put_value(line, value);
        }
        Mop::Append { key, element } => {
            line.push_str("[\"append\",");
            put_value(line, key);
            line.push(',');
            put_value(line, element);
        }
        Mop::Add { key, delta, value } => {
            line.push_str("[\"add\",");
            put_value(line, key);
            put!(line, ",{delta}");
            match seen(kind, value) {
                Some(Some(value)) => {
                    put!(line, ",{value}");
                }
                Some(None) => line.push_str(",null"),
                None => {}
            }
        }
        Mop::ReadList { key, elements } => {
            line.push_str("[\"read-list\",");
            put_value(line, key);
            if let Some(elements) = seen(kind, elements) {
                line.push(',');
                put_list(line, elements, put_value);
            }
        }
        Mop::ReadPredicate { predicate, matches } => {
            line.push_str("[\"read-predicate\",");
            put_text(line, predicate);
            if let Some(matches) = seen(kind, matches) {
                line.push(',');
                put_list(line, matches, |line, (key, value)| {
                    line.push('[');
                    put_value(line, key);
                    line.push(',');
                    put_value(line, value);
                    line.push(']');
                });
            }
        }
    }
    line.push(']');
}

fn put_list<T>(line: &mut String, list: Option<&Vec<T>>, each: impl Fn(&mut String, &T)) {
    let Some(list) = list else {
        line.push_str("null");
        return;
    };
    line.push('[');
    for (i, element) in list.iter().enumerate() {
        line.push_str(if i == 0 { "" } else { "," });
        each(line, element);
    }
    line.push(']');
}

fn put_seen(line: &mut String, value: Option<&Value>) {
    match value {
        None => line.push_str("null"),
        Some(Value::Nil) => line.push_str("{\"nil\":null}"),
        Some(value) => put_value(line, value),
    }
}

fn put_value(line: &mut String, value: &Value) {
    match value {
        Value::Nil => line.push_str("null"),
        Value::Int(int) => {
            put!(line, "{int}");
        }
        Value::Text(text) => put_text(line, text),
        Value::Unparsed(raw) => {
            put!(line, "{{\"unparsed\":\"{}\"}}", hex::encode(raw));
        }
    }
}

fn put_text(line: &mut String, text: &str) {
    line.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        line.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            b'\n' => line.push_str("\\n"),
            control => {
                put!(line, "\\u{control:04x}");
            }
        }
    }
    line.push_str(&text[plain..]);
    line.push('"');
}

fn put_track(line: &mut String, entry: &Track<'_>) {
    match entry {
        Track::Mark(Mark { time, name }) => {
            put!(line, "{{\"mark\":{{\"time\":{},\"name\":", time.0);
            put_text(line, name);
        }
        Track::Fault(FaultEvent { time, fault, edge, kind, nodes, detail }) => {
            put!(line, "{{\"fault\":{{\"time\":{},\"fault\":{fault}", time.0);
            put!(line, ",\"edge\":\"{}\",\"kind\":", edge.name());
            put_text(line, kind);
            line.push_str(",\"nodes\":");
            put_list(line, Some(nodes), |line, node| put_text(line, node));
            line.push_str(",\"detail\":");
            put_text(line, detail);
        }
    }
    line.push_str("}}\n");
}
