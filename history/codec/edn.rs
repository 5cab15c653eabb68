//! The EDN of Jepsen, Elle and Knossos: one map per event.

use std::io::Write;

use super::forms::Forms;
use super::losses::Losses;
use super::{CodecError, ReadOptions, SOLE_KEY, hex, jepsen, tape};
use crate::{
    ErrorClass, Event, FaultEvent, History, Kind, Mark, Mop, Nanos, Observed, Op, RegisterOp, Value,
};

pub(super) fn read(
    bytes: &[u8],
    options: &ReadOptions,
) -> Result<(History, Vec<String>), CodecError> {
    let text = tape::utf8(bytes)?;
    jepsen::read(|| Forms::edn(text), options)
}

/// JSON with the keys of Jepsen: an array of objects, or objects one after the other.
pub(super) fn read_json(
    bytes: &[u8],
    options: &ReadOptions,
) -> Result<(History, Vec<String>), CodecError> {
    let text = tape::utf8(bytes)?;
    jepsen::read(|| Forms::json(text), options)
}

/// Writes one map per line: events and the fault track in the order of time.
pub(super) fn write(history: &History, out: &mut impl Write) -> Result<Vec<String>, CodecError> {
    let mut losses = Losses::default();
    let words = Words::of(history);
    let mut track = super::track(history).peekable();
    let mut line = String::new();
    let mut index = 0_u64;
    for event in history.events() {
        let (Op::Register(_) | Op::Txn(_)) = &event.op else {
            let family = event.op.family().name();
            return Err(CodecError::Unsupported(format!(
                "family {family} is not written as EDN yet"
            )));
        };
        while let Some(entry) = track.next_if(|entry| entry.time() < event.time) {
            line.clear();
            put_track(&mut line, index, &entry);
            index += 1;
            out.write_all(line.as_bytes())?;
        }
        line.clear();
        put_event(&mut line, index, &event, &words, &mut losses);
        index += 1;
        out.write_all(line.as_bytes())?;
    }
    for entry in track {
        line.clear();
        put_track(&mut line, index, &entry);
        index += 1;
        out.write_all(line.as_bytes())?;
    }
    Ok(losses.sentences())
}

/// How the reads of this history are spelled: `:r` where it is clear what it reads.
#[derive(Debug)]
struct Words {
    register: &'static str,
    list: &'static str,
    /// Whether registers are `[key value]` tuples.
    keyed: bool,
}

impl Words {
    fn of(history: &History) -> Words {
        let (mut registers, mut lists, mut appends, mut keyed) = (false, false, false, false);
        for operation in history.operations() {
            match operation.op() {
                Op::Register(op) => keyed |= *op.key() != SOLE_KEY,
                Op::Set(_) | Op::Counter(_) | Op::Queue(_) | Op::Lock(_) | Op::Id(_) => {}
                Op::Txn(txn) => {
                    for mop in &txn.mops {
                        match mop {
                            Mop::Read { .. } => registers = true,
                            Mop::ReadList { .. } => lists = true,
                            Mop::Append { .. } => appends = true,
                            Mop::Write { .. } | Mop::ReadPredicate { .. } => {}
                        }
                    }
                }
            }
        }
        Words {
            register: if lists || appends { "rr" } else { "r" },
            list: if appends && !registers { "r" } else { "rl" },
            keyed,
        }
    }
}

fn put_event(line: &mut String, index: u64, event: &Event, words: &Words, losses: &mut Losses) {
    let kind = event.kind.name();
    put(line, format_args!("{{:index {index}, :type :{kind}, :process {}", event.process.0));
    put(line, format_args!(", :time {}, :f :{}, :value ", event.time.0, event.op.name()));
    match &event.op {
        Op::Register(op) => {
            let tuple = words.keyed;
            if tuple {
                line.push('[');
                put_value(line, op.key(), losses);
                line.push(' ');
            }
            match op {
                RegisterOp::Read { value, .. } => put_seen(line, event.kind, value, losses),
                RegisterOp::Write { value, .. } | RegisterOp::Append { value, .. } => {
                    put_value(line, value, losses);
                }
                RegisterOp::Cas { from, to, .. } => {
                    line.push('[');
                    put_value(line, from, losses);
                    line.push(' ');
                    put_value(line, to, losses);
                    line.push(']');
                }
            }
            if tuple {
                line.push(']');
            }
        }
        Op::Txn(txn) => {
            line.push('[');
            for (i, mop) in txn.mops.iter().enumerate() {
                line.push_str(if i == 0 { "" } else { " " });
                put_mop(line, event.kind, mop, words, losses);
            }
            line.push(']');
        }
        Op::Set(_) | Op::Counter(_) | Op::Queue(_) | Op::Lock(_) | Op::Id(_) => {}
    }
    if let Some(ErrorClass(error)) = &event.error {
        line.push_str(", :error ");
        put_word(line, error);
    }
    if let Some(node) = event.node {
        put(line, format_args!(", :node {}", node.0));
    }
    if event.session.0 != event.process.0 {
        put(line, format_args!(", :session {}", event.session.0));
    }
    line.push_str("}\n");
}

fn put_mop(line: &mut String, kind: Kind, mop: &Mop, words: &Words, losses: &mut Losses) {
    let (name, key) = match mop {
        Mop::Read { key, .. } => (words.register, key),
        Mop::Write { key, .. } => ("w", key),
        Mop::Append { key, .. } => ("append", key),
        Mop::ReadList { key, .. } => (words.list, key),
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
        Mop::ReadList { elements, .. } => {
            let seen = put_nothing(line, kind, elements, losses);
            if let Some(elements) = seen {
                line.push('[');
                for (i, element) in elements.iter().enumerate() {
                    line.push_str(if i == 0 { "" } else { " " });
                    put_value(line, element, losses);
                }
                line.push(']');
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
fn put_nothing<'v, T>(
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

fn put_value(line: &mut String, value: &Value, losses: &mut Losses) {
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

fn put_track(line: &mut String, index: u64, entry: &super::Track<'_>) {
    let Nanos(time) = entry.time();
    put(line, format_args!("{{:index {index}, :type :info, :process :nemesis, :time {time}, "));
    match entry {
        super::Track::Mark(Mark { name, .. }) => {
            line.push_str(":f :mark, :value {:tribunal/mark ");
            put_text(line, name);
        }
        super::Track::Fault(FaultEvent { fault, edge, kind, nodes, detail, .. }) => {
            line.push_str(":f ");
            put_word(line, kind);
            put(line, format_args!(", :value {{:tribunal/edge :{}, :fault {fault}", edge.name()));
            line.push_str(", :nodes [");
            for (i, node) in nodes.iter().enumerate() {
                line.push_str(if i == 0 { "" } else { " " });
                put_text(line, node);
            }
            line.push_str("], :detail ");
            put_text(line, detail);
        }
    }
    line.push_str("}}\n");
}

fn put(line: &mut String, text: std::fmt::Arguments<'_>) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = line.write_fmt(text);
}

/// A keyword where that is possible, a string otherwise.
fn put_word(line: &mut String, word: &str) {
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match plain && word.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        true => put(line, format_args!(":{word}")),
        false => put_text(line, word),
    }
}

fn put_text(line: &mut String, text: &str) {
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
