//! JSON lines to a history.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::op::ParsedOp;
use super::value::{Name, Once};
use super::{SCHEMA, SCHEMA_VERSION_PER_SESSION, fast};
use crate::codec::window::Window;
use crate::codec::{CodecError, Format, Read};
use crate::{
    Builder, ErrorClass, FaultEdge, FaultEvent, Kind, Mark, Nanos, NodeId, Op, Outcome, Process,
    Session, brief,
};

/// Longest line in bytes.
const LINE_LIMIT: usize = 16 << 20;

/// Whether the first line is our header.
pub(in crate::codec) fn is_ours(window: &mut Window<'_>) -> bool {
    match window.line(LINE_LIMIT) {
        Ok(Some(length)) => serde_json::from_slice::<Header>(&window.data()[..length]).is_ok(),
        Ok(None) | Err(_) => false,
    }
}

#[derive(Deserialize)]
struct Header {
    schema: String,
    schema_version: u32,
    /// Whether the order of the lines tells anything between sessions.
    #[serde(default = "yes")]
    real_time: bool,
    #[serde(default)]
    meta: serde_json::Value,
}

fn yes() -> bool {
    true
}

/// Reads a file whose first line is our header.
pub(in crate::codec) fn read(window: &mut Window<'_>) -> Result<Read, CodecError> {
    let mut builder = Builder::as_given();
    let mut meta = None;
    let mut last_id = None;
    let mut number = 0;
    loop {
        let data = window.data();
        if let Some((event, length)) = fast::event(data, &mut builder)
            && (length < data.len() || window.is_last() || data[length - 1] == b'\n')
        {
            number += 1;
            add(&mut builder, number, &mut last_id, event)?;
            window.consume(length);
            continue;
        }
        let Some(length) = window.line(LINE_LIMIT)? else { break };
        number += 1;
        let line = &window.data()[..length];
        if number == 1 {
            let header: Header = parse(number, line)?;
            check(&header)?;
            if !header.real_time {
                builder.without_real_time();
            }
            meta = (!header.meta.is_null()).then(|| header.meta.to_string());
        } else if !line.iter().all(u8::is_ascii_whitespace) {
            match parse(number, line)? {
                Line::Fault(fault) => builder.fault(fault),
                Line::Mark(mark) => builder.mark(mark),
                Line::Event(event) => add(&mut builder, number, &mut last_id, event)?,
            }
        }
        window.consume(length + 1);
    }
    Ok(Read {
        history: builder.finish(),
        format: Format::Jsonl,
        jepsen: false,
        meta,
        ended: None,
        torn: None,
        late: Vec::new(),
        warnings: Vec::new(),
    })
}

fn check(header: &Header) -> Result<(), CodecError> {
    if header.schema != SCHEMA {
        return Err(at(
            1,
            1,
            format!("schema {} is not {SCHEMA:?}", brief(&format!("{:?}", header.schema))),
        ));
    }
    if header.schema_version == 0 || header.schema_version > SCHEMA_VERSION_PER_SESSION {
        let message = format!(
            "schema_version {} is not 1 or {SCHEMA_VERSION_PER_SESSION}; read it with the release that wrote it",
            header.schema_version
        );
        return Err(at(1, 1, message));
    }
    Ok(())
}

fn at(line: u64, column: u64, message: String) -> CodecError {
    CodecError::text(line, column, message)
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
    let error = error.as_ref();
    let added = match (outcome, op) {
        (None, None) => builder.drafted().invoke(time, process, session, node),
        (None, Some(op)) => builder.invoke(time, process, session, node, &op),
        (Some(outcome), None) => builder.drafted().complete(time, process, outcome, error),
        (Some(outcome), Some(op)) => builder.complete(time, process, outcome, Some(&op), error),
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
    /// `None`: a transaction, which is in the builder's draft.
    pub(super) op: Option<Op>,
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
        let mut seen = Once::default();
        while let Some(Name(name)) = map.next_key()? {
            seen.is_new(&name)?;
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
        let op = Some(op.ok_or_else(|| A::Error::missing_field("op"))?);
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
    edge.ok_or_else(|| {
        D::Error::custom(format!("{} is no edge of a fault", brief(&format!("{name:?}"))))
    })
}
