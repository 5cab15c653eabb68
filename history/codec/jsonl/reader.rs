//! JSON lines to a history.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{SCHEMA, SCHEMA_VERSION, fast};
use crate::codec::{CodecError, Format, Read, hex};
use crate::{
    Builder, ErrorClass, FaultEdge, FaultEvent, Kind, Mark, Mop, Nanos, NodeId, Observed, Op,
    Outcome, Process, RegisterOp, Session, TxnOp, Value,
};

/// Longest line in bytes.
const LINE_LIMIT: usize = 16 << 20;

/// Whether the first line is our header.
pub(in crate::codec) fn is_ours(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Header>(line).is_ok()
}

#[derive(Deserialize)]
struct Header {
    schema: String,
    schema_version: u32,
    #[serde(default)]
    meta: serde_json::Value,
}

/// Reads a file whose first line is our header.
pub(in crate::codec) fn read(bytes: &[u8]) -> Result<Read, CodecError> {
    let mut builder = Builder::as_given();
    let mut meta = None;
    let mut last_id = None;
    let (mut rest, mut number) = (bytes, 0);
    while !rest.is_empty() {
        number += 1;
        if let Some((event, length)) = fast::event(rest) {
            rest = &rest[length..];
            add(&mut builder, number, &mut last_id, event)?;
            continue;
        }
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if line.len() > LINE_LIMIT {
            return Err(at(number, 1, format!("a line of more than {LINE_LIMIT} bytes")));
        }
        if number == 1 {
            let header: Header = parse(number, line)?;
            check(&header)?;
            meta = (!header.meta.is_null()).then(|| header.meta.to_string());
            continue;
        }
        match parse(number, line)? {
            Line::Fault(fault) => builder.fault(fault),
            Line::Mark(mark) => builder.mark(mark),
            Line::Event(event) => add(&mut builder, number, &mut last_id, event)?,
        }
    }
    Ok(Read {
        history: builder.finish(),
        format: Format::Jsonl,
        meta,
        ended: None,
        torn: None,
        warnings: Vec::new(),
    })
}

fn check(header: &Header) -> Result<(), CodecError> {
    if header.schema != SCHEMA {
        return Err(at(1, 1, format!("schema {:?} is not {SCHEMA:?}", header.schema)));
    }
    if header.schema_version == 0 || header.schema_version > SCHEMA_VERSION {
        let message = format!(
            "schema_version {} is not {SCHEMA_VERSION}; read it with the release that wrote it",
            header.schema_version
        );
        return Err(at(1, 1, message));
    }
    Ok(())
}

fn at(line: u64, column: u64, message: String) -> CodecError {
    CodecError::Text { line, column, message }
}

pub(super) fn parse<'de, T: Deserialize<'de>>(
    number: u64,
    line: &'de [u8],
) -> Result<T, CodecError> {
    serde_json::from_slice(line).map_err(|error| {
        let message = error.to_string();
        let message = match message.rfind(" at line ") {
            Some(end) => message[..end].to_owned(),
            None => message,
        };
        at(number, error.column().max(1) as u64, message)
    })
}

fn add(
    builder: &mut Builder,
    line: u64,
    last_id: &mut Option<u64>,
    event: Parsed,
) -> Result<(), CodecError> {
    let Parsed { id, time, process, session, node, kind, op, error } = event;
    if id.is_some() && id <= *last_id {
        return Err(at(line, 1, "the id is not larger than that before".to_owned()));
    }
    *last_id = id.or(*last_id);
    let error = error.map(ErrorClass::new);
    let outcome = match kind {
        Kind::Invoke => None,
        Kind::Ok => Some(Outcome::Ok),
        Kind::Fail => Some(Outcome::Fail),
        Kind::Info => Some(Outcome::Info),
    };
    let added = match outcome {
        None => builder.invoke(time, process, session, node, &op),
        Some(outcome) => builder.complete(time, process, outcome, Some(&op), error.as_ref()),
    };
    added.map(drop).map_err(|source| CodecError::Events { line, source })
}

/// A line after the first.
pub(super) enum Line {
    Event(Parsed),
    Fault(FaultEvent),
    Mark(Mark),
}

/// An event as a line tells it.
#[derive(PartialEq, Debug)]
pub(super) struct Parsed {
    pub(super) id: Option<u64>,
    pub(super) time: Nanos,
    pub(super) process: Process,
    pub(super) session: Option<Session>,
    pub(super) node: Option<NodeId>,
    pub(super) kind: Kind,
    pub(super) op: Op,
    pub(super) error: Option<String>,
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Line, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, a fault or a mark")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let (mut id, mut time, mut process, mut session) = (None, Nanos(0), None, None);
        let (mut node, mut kind, mut op, mut error) = (None, None, None, None);
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "id" => id = map.next_value()?,
                "time" => time = Nanos(map.next_value()?),
                "process" => process = Some(Process(map.next_value()?)),
                "session" => session = map.next_value::<Option<u32>>()?.map(Session),
                "node" => node = map.next_value::<Option<u16>>()?.map(NodeId),
                "kind" => kind = Some(kind_of(&map.next_value::<Name<'_>>()?.0)?),
                "op" => op = Some(map.next_value::<ParsedOp>()?.0),
                "error" => error = map.next_value()?,
                "fault" => return finish(map, |fault: FaultLine| Line::Fault(fault.event())),
                "mark" => {
                    return finish(map, |mark: MarkLine| {
                        Line::Mark(Mark { time: Nanos(mark.time), name: mark.name })
                    });
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if node == Some(NodeId(u16::MAX)) {
            return Err(A::Error::custom("node 65535 cannot exist"));
        }
        let process = process.ok_or_else(|| A::Error::missing_field("process"))?;
        let kind = kind.ok_or_else(|| A::Error::missing_field("kind"))?;
        let op = op.ok_or_else(|| A::Error::missing_field("op"))?;
        Ok(Line::Event(Parsed { id, time, process, session, node, kind, op, error }))
    }
}

/// The value of the only key of a line that counts.
fn finish<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    mut map: A,
    line: impl FnOnce(T) -> Line,
) -> Result<Line, A::Error> {
    let value = map.next_value()?;
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(line(value))
}

fn kind_of<E: Error>(name: &str) -> Result<Kind, E> {
    match name {
        "invoke" => Ok(Kind::Invoke),
        "ok" => Ok(Kind::Ok),
        "fail" => Ok(Kind::Fail),
        "info" => Ok(Kind::Info),
        other => Err(E::unknown_variant(other, &["invoke", "ok", "fail", "info"])),
    }
}

#[derive(Deserialize)]
struct MarkLine {
    time: u64,
    name: String,
}

#[derive(Deserialize)]
struct FaultLine {
    time: u64,
    fault: u32,
    #[serde(deserialize_with = "edge")]
    edge: FaultEdge,
    kind: String,
    nodes: Vec<String>,
    detail: String,
}

impl FaultLine {
    fn event(self) -> FaultEvent {
        let FaultLine { time, fault, edge, kind, nodes, detail } = self;
        FaultEvent { time: Nanos(time), fault, edge, kind, nodes, detail }
    }
}

fn edge<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FaultEdge, D::Error> {
    let Name(name) = Name::deserialize(deserializer)?;
    let edge = FaultEdge::ALL.into_iter().find(|edge| edge.name() == name);
    edge.ok_or_else(|| D::Error::custom(format!("{name:?} is no edge of a fault")))
}

/// A string, borrowed where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'de>, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

struct ParsedOp(Op);

impl<'de> Deserialize<'de> for ParsedOp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ParsedOp, D::Error> {
        deserializer.deserialize_map(OpVisitor)
    }
}

struct OpVisitor;

impl<'de> Visitor<'de> for OpVisitor {
    type Value = ParsedOp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an operation with a field \"f\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ParsedOp, A::Error> {
        let (mut f, mut key, mut value) = (None, None, None);
        let (mut from, mut to, mut mops) = (None, None, None);
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "f" => f = Some(map.next_value::<Name<'_>>()?),
                "key" => key = Some(map.next_value::<Plain>()?.0),
                "value" => value = Some(map.next_value::<Seen>()?.0),
                "from" => from = Some(map.next_value::<Plain>()?.0),
                "to" => to = Some(map.next_value::<Plain>()?.0),
                "mops" => mops = Some(map.next_value::<Vec<ParsedMop>>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let missing = A::Error::missing_field;
        let Name(f) = f.ok_or_else(|| missing("f"))?;
        if f == "txn" {
            let mops = mops.ok_or_else(|| missing("mops"))?;
            let mops = mops.into_iter().map(|ParsedMop(mop)| mop).collect();
            return Ok(ParsedOp(Op::Txn(TxnOp { mops })));
        }
        let key = key.ok_or_else(|| missing("key"))?;
        let op = match &*f {
            "read" => RegisterOp::Read { key, value: value.unwrap_or_default() },
            "write" => {
                RegisterOp::Write { key, value: written(value.ok_or_else(|| missing("value"))?) }
            }
            "cas" => RegisterOp::Cas {
                key,
                from: from.ok_or_else(|| missing("from"))?,
                to: to.ok_or_else(|| missing("to"))?,
            },
            other => {
                return Err(A::Error::unknown_variant(other, &["read", "write", "cas", "txn"]));
            }
        };
        Ok(ParsedOp(Op::Register(op)))
    }
}

/// `null` is nothing in a read and nil in a write.
fn written(value: Observed<Value>) -> Value {
    match value {
        Observed::Present(value) => value,
        Observed::Absent | Observed::Pending => Value::Nil,
    }
}

struct ParsedMop(Mop);

impl<'de> Deserialize<'de> for ParsedMop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ParsedMop, D::Error> {
        deserializer.deserialize_seq(MopVisitor)
    }
}

struct MopVisitor;

impl<'de> Visitor<'de> for MopVisitor {
    type Value = ParsedMop;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a micro-operation like [\"append\",key,element]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ParsedMop, A::Error> {
        let short = |length| move || A::Error::invalid_length(length, &self_expects());
        let Name(name) = seq.next_element()?.ok_or_else(short(0))?;
        let Plain(key) = seq.next_element()?.ok_or_else(short(1))?;
        let mop = match &*name {
            "read" => Mop::Read {
                key,
                value: seq.next_element::<Seen>()?.map_or(Observed::Pending, |Seen(seen)| seen),
            },
            "write" => {
                let Plain(value) = seq.next_element()?.ok_or_else(short(2))?;
                Mop::Write { key, value }
            }
            "append" => {
                let Plain(element) = seq.next_element()?.ok_or_else(short(2))?;
                Mop::Append { key, element }
            }
            "read-list" => {
                let elements = observed(seq.next_element::<Option<Vec<Plain>>>()?);
                let elements = elements
                    .map(|elements| elements.into_iter().map(|Plain(element)| element).collect());
                Mop::ReadList { key, elements }
            }
            "read-predicate" => {
                let Value::Text(predicate) = key else {
                    return Err(A::Error::custom("a predicate must be a string"));
                };
                let matches = observed(seq.next_element::<Option<Vec<(Plain, Plain)>>>()?);
                let matches = matches.map(|matches| {
                    matches.into_iter().map(|(Plain(key), Plain(value))| (key, value)).collect()
                });
                Mop::ReadPredicate { predicate, matches }
            }
            other => {
                let known = &["read", "write", "append", "read-list", "read-predicate"];
                return Err(A::Error::unknown_variant(other, known));
            }
        };
        if seq.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom(format!("too many elements in a {name}")));
        }
        Ok(ParsedMop(mop))
    }
}

fn self_expects() -> impl serde::de::Expected {
    MopVisitor
}

fn observed<T>(element: Option<Option<T>>) -> Observed<T> {
    match element {
        None => Observed::Pending,
        Some(None) => Observed::Absent,
        Some(Some(value)) => Observed::Present(value),
    }
}

/// A value where one was asked or written: `null` is nil.
struct Plain(Value);

/// A value where one was seen: `null` is nothing, `{"nil":null}` is nil.
struct Seen(Observed<Value>);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plain, D::Error> {
        Seen::deserialize(deserializer).map(|Seen(seen)| Plain(written(seen)))
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, an integer of 64 bits, a string or {\"unparsed\":hex}")
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen(Observed::Absent))
    }

    fn visit_i64<E>(self, int: i64) -> Result<Seen, E> {
        Ok(Seen(Observed::Present(Value::Int(int))))
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Seen, E> {
        let int = i64::try_from(int);
        let int = int.map_err(|_| E::custom("an integer does not fit 64 bits with sign"))?;
        Ok(Seen(Observed::Present(Value::Int(int))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Seen, E> {
        Ok(Seen(Observed::Present(Value::text(text))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let value = match map.next_key::<Name<'de>>()? {
            Some(Name(name)) if name == "nil" => {
                map.next_value::<IgnoredAny>()?;
                Value::Nil
            }
            Some(Name(name)) if name == "unparsed" => {
                let Name(digits) = map.next_value()?;
                let raw = hex::decode(&digits);
                Value::unparsed(&raw.ok_or_else(|| A::Error::custom("not hexadecimal"))?)
            }
            Some(_) | None => return Err(A::Error::custom("expected {\"unparsed\":hex}")),
        };
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("expected {\"unparsed\":hex} and nothing else"));
        }
        Ok(Seen(Observed::Present(value)))
    }
}
