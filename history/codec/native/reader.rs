//! The reader's half: everything before the first damaged frame, and where that frame is.

use super::frames::{Frame, Framing, HEAD_ROOM};
use super::header::{HEADER_LEN, LogHeader};
use super::spread::{NO_NODE, Spread};
use super::wire::Cursor;
use super::{INTERN_COUNT, INTERN_LENGTH, RECORD_LIMIT, WIDE_F, parts, tag, times};
use crate::codec::CodecError;
use crate::codec::window::Window;
use crate::{
    Builder, ErrorClass, FaultEdge, FaultEvent, History, HistoryError, Mark, Nanos, NodeId, Op,
    Outcome, Process, Session,
};

/// A reply that arrived after its operation had been recorded as `info`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Late {
    /// When.
    pub time: Nanos,
    /// Whose operation; the process retired with it, so there is only one.
    pub process: Process,
    /// What the reply says.
    pub outcome: Outcome,
    /// The operation as it was answered.
    pub op: Option<Op>,
    /// Why it did not happen.
    pub error: Option<ErrorClass>,
}

/// Where and why a log stops being readable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Torn {
    /// Offset of the first frame that was not read.
    pub at_byte: u64,
    /// Events before it, all kept.
    pub kept_events: u32,
    /// What is wrong with that frame.
    pub reason: String,
}

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Torn { at_byte, kept_events, reason } = self;
        write!(f, "torn at byte {at_byte} ({reason}); the {kept_events} events before it are kept")
    }
}

/// A native log, read as far as it is intact.
#[derive(Debug)]
pub struct LogFile {
    /// Which run.
    pub header: LogHeader,
    /// The last meta record: one JSON document.
    pub meta: Option<String>,
    /// The operations, the fault track and the marks. Open operations stay open.
    pub history: History,
    /// Replies to operations that had been given up.
    pub late: Vec<Late>,
    /// Free text.
    pub notes: Vec<(Nanos, String)>,
    /// Measurements, each one JSON document.
    pub samples: Vec<(Nanos, String)>,
    /// Why the run ended. Without it the log is incomplete.
    pub ended: Option<String>,
    /// The damage, if any.
    pub torn: Option<Torn>,
    /// Advisory records of a newer minor version that were skipped.
    pub skipped: u64,
}

/// Reads a native log from memory. Memory used is bounded by a small multiple of the input.
///
/// # Errors
/// Not a native log, a newer major version, a damaged header, or records that contradict each
/// other although their checksum holds. A torn tail is not an error: see [`LogFile::torn`].
pub fn read_log(bytes: &[u8]) -> Result<LogFile, CodecError> {
    read_window(&mut Window::of(bytes))
}

/// The same of a stream, of which a frame is in memory.
pub(in crate::codec) fn read_window(window: &mut Window<'_>) -> Result<LogFile, CodecError> {
    window.at_least(HEADER_LEN)?;
    let (header, length, mut framing) = LogHeader::decode(window.data())?;
    window.consume(length);
    let mut reader = Reader::of(framing);
    let (mut torn, mut at);
    loop {
        window.at_least(HEAD_ROOM)?;
        window.at_least(framing.wanted(window.data()))?;
        (torn, at) = (None, window.offset());
        if window.data().is_empty() {
            break;
        }
        match framing.frame_at(window.data()) {
            Frame::Body { body, head, next } => {
                reader.records(body, at as usize + head)?;
                let length = head + body.len();
                framing = next;
                window.consume(length);
            }
            Frame::Damaged(reason) => {
                torn = Some(reason);
                break;
            }
            Frame::Reserve => {
                torn = (!rest_is_zero(window)?).then(|| "a frame of no bytes".to_owned());
                break;
            }
        }
    }
    let kept_events = reader.builder.events();
    let torn = torn.map(|reason| Torn { at_byte: at, kept_events, reason });
    Ok(reader.finish(header, torn))
}

/// Whether nothing but zeros follows.
fn rest_is_zero(window: &mut Window<'_>) -> Result<bool, CodecError> {
    loop {
        if window.data().iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        window.consume(window.data().len());
        if window.is_last() {
            return Ok(true);
        }
        window.more()?;
    }
}

#[derive(Debug)]
struct Reader {
    builder: Builder,
    /// Whether completions say when they were sent as version 1 did.
    latencies: bool,
    dictionary: Vec<Box<str>>,
    spread: Option<Spread>,
    base: u64,
    meta: Option<String>,
    late: Vec<Late>,
    notes: Vec<(Nanos, String)>,
    samples: Vec<(Nanos, String)>,
    ended: Option<String>,
    skipped: u64,
}

impl Reader {
    fn of(framing: Framing) -> Reader {
        Reader {
            builder: Builder::by_time(),
            latencies: matches!(framing, Framing::Apart),
            dictionary: Vec::new(),
            spread: None,
            base: 0,
            meta: None,
            late: Vec::new(),
            notes: Vec::new(),
            samples: Vec::new(),
            ended: None,
            skipped: 0,
        }
    }

    fn finish(self, header: LogHeader, torn: Option<Torn>) -> LogFile {
        LogFile {
            header,
            meta: self.meta,
            history: self.builder.finish(),
            late: self.late,
            notes: self.notes,
            samples: self.samples,
            ended: self.ended,
            torn,
            skipped: self.skipped,
        }
    }

    fn records(&mut self, body: &[u8], base: usize) -> Result<(), CodecError> {
        let mut at = 0;
        while at < body.len() {
            let end = body.len().min(at + RECORD_LIMIT);
            let mut cursor = Cursor::new(&body[at..end], base + at);
            self.record(&mut cursor)?;
            at = cursor.offset() - base;
        }
        Ok(())
    }

    fn record(&mut self, cursor: &mut Cursor<'_>) -> Result<(), CodecError> {
        let start = cursor.offset();
        match cursor.byte()? {
            tag::INTERN => {
                let text = cursor.text()?;
                if text.len() > INTERN_LENGTH || self.dictionary.len() >= INTERN_COUNT {
                    let message = "the dictionary grows beyond its limits";
                    return Err(CodecError::native(start, message));
                }
                self.dictionary.push(text.into());
                Ok(())
            }
            tag::SEGMENT => {
                self.dictionary.clear();
                self.base = cursor.varint()?;
                let events = cursor.varint()?;
                if events != u64::from(self.builder.events()) {
                    let have = self.builder.events();
                    return Err(CodecError::native(
                        start,
                        format!("a segment starts after {events} events, but {have} were read"),
                    ));
                }
                Ok(())
            }
            tag @ (tag::GIVEN_ORDER | tag::PER_SESSION) => {
                if self.builder.events() > 0 {
                    let message = "the order of events is declared after the first event";
                    return Err(CodecError::native(start, message));
                }
                self.builder.rank_as_given();
                if tag == tag::PER_SESSION {
                    self.builder.without_real_time();
                }
                Ok(())
            }
            tag::SPREAD => {
                self.spread = Some(spread(cursor)?);
                Ok(())
            }
            tag @ tag::INVOKE..=0x3f => self.invoke(tag, cursor, start),
            tag @ tag::COMPLETE..=0x7f => self.complete(tag, cursor, start),
            tag @ tag::ADVISORY..=u8::MAX => {
                let head = cursor.take(4)?;
                let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
                let base = cursor.offset();
                let mut body = Cursor::new(cursor.take(length.into())?, base);
                self.advisory(tag, &mut body)
            }
            tag => Err(CodecError::native(
                start,
                format!("record type {tag:#04x} is unknown; a newer release wrote this log"),
            )),
        }
    }

    fn invoke(&mut self, tag: u8, cursor: &mut Cursor<'_>, start: usize) -> Result<(), CodecError> {
        let process = Process(cursor.narrow("process")?);
        let session = match tag & 1 {
            0 => None,
            _ => Some(Session(cursor.narrow("session")?)),
        };
        let node = match tag >> 1 & 1 {
            0 => self.spread.map(|spread| spread.node(process)),
            _ => self.node(cursor)?,
        };
        let f = match tag >> 2 & 7 {
            WIDE_F => cursor.byte()?,
            f => f,
        };
        let op = self.question(f, cursor)?;
        let time = self.time(cursor)?;
        let added = self.builder.invoke(time, process, session, node, &op);
        added.map(drop).map_err(|source| impossible(start, source))
    }

    fn node(&self, cursor: &mut Cursor<'_>) -> Result<Option<NodeId>, CodecError> {
        match cursor.narrow("node")? {
            NO_NODE if self.spread.is_some() => Ok(None),
            NO_NODE => Err(cursor.error("node 65535 cannot exist")),
            node => Ok(Some(NodeId(node))),
        }
    }

    fn complete(
        &mut self,
        tag: u8,
        cursor: &mut Cursor<'_>,
        start: usize,
    ) -> Result<(), CodecError> {
        let process = Process(cursor.narrow("process")?);
        let outcome = outcome(tag & 3, cursor)?;
        let error = match tag >> 2 & 1 {
            0 => None,
            _ => Some(self.error_class(cursor)?),
        };
        let op = match tag >> 3 & 3 {
            0 => None,
            form => {
                let Some(asked) = self.builder.open_op(process) else {
                    let event = self.builder.events();
                    return Err(impossible(start, HistoryError::NoInvocation { process, event }));
                };
                Some(self.observation(form, asked, cursor)?)
            }
        };
        let base = self.base;
        let (time, sent) = if tag >= tag::COMPLETE_PACKED {
            let (time, sent) = times::packed(base, cursor)?;
            self.base = time.0;
            (time, Some(sent))
        } else {
            let time = self.time(cursor)?;
            (time, times::sent(base, time.0, self.latencies, cursor)?)
        };
        if let Some(sent) = sent {
            self.builder.sent(process, sent).map_err(|source| impossible(start, source))?;
        }
        let added = self.builder.complete(time, process, outcome, op.as_ref(), error.as_ref());
        added.map(drop).map_err(|source| impossible(start, source))
    }

    fn time(&mut self, cursor: &mut Cursor<'_>) -> Result<Nanos, CodecError> {
        self.base = self.base.wrapping_add(cursor.zigzag()? as u64);
        Ok(Nanos(self.base))
    }

    fn error_class(&self, cursor: &mut Cursor<'_>) -> Result<ErrorClass, CodecError> {
        Ok(ErrorClass::new(parts::string(&self.dictionary, cursor)?.into_string()))
    }

    fn question(&self, f: u8, cursor: &mut Cursor<'_>) -> Result<Op, CodecError> {
        parts::question(f, &self.dictionary, cursor)
    }

    fn observation(&self, form: u8, op: Op, cursor: &mut Cursor<'_>) -> Result<Op, CodecError> {
        parts::observation(form, op, &self.dictionary, cursor)
    }

    fn advisory(&mut self, tag: u8, body: &mut Cursor<'_>) -> Result<(), CodecError> {
        if !(tag::META..=tag::END).contains(&tag) {
            self.skipped += 1;
            return Ok(());
        }
        let time = Nanos(body.varint()?);
        match tag {
            tag::META => self.meta = Some(body.text()?.to_owned()),
            tag::NOTE => self.notes.push((time, body.text()?.to_owned())),
            tag::SAMPLE => self.samples.push((time, body.text()?.to_owned())),
            tag::FAULT => match fault(time, body)? {
                Some(fault) => self.builder.fault(fault),
                None => self.skipped += 1,
            },
            tag::MARK => self.builder.mark(Mark { time, name: body.text()?.to_owned() }),
            tag::LATE => {
                let late = self.late_reply(time, body)?;
                self.late.push(late);
            }
            _ => {
                self.builder.lasts_until(time);
                self.ended = Some(body.text()?.to_owned());
            }
        }
        Ok(())
    }

    fn late_reply(&self, time: Nanos, body: &mut Cursor<'_>) -> Result<Late, CodecError> {
        let process = Process(body.narrow("process")?);
        let outcome = outcome(body.byte()?, body)?;
        let op = match body.byte()? {
            u8::MAX => None,
            f => {
                let op = self.question(f, body)?;
                match body.byte()? {
                    0 => Some(op),
                    form => Some(self.observation(form, op, body)?),
                }
            }
        };
        let error = match body.is_empty() {
            true => None,
            false => Some(ErrorClass::new(body.text()?.to_owned())),
        };
        Ok(Late { time, process, outcome, op, error })
    }
}

fn impossible(at: usize, source: HistoryError) -> CodecError {
    CodecError::NativeEvents { at: at as u64, source }
}

fn spread(cursor: &mut Cursor<'_>) -> Result<Spread, CodecError> {
    let clients = cursor.narrow("number of clients")?;
    let nodes = cursor.narrow("number of nodes")?;
    let spread = Spread::new(clients, nodes);
    spread.ok_or_else(|| cursor.error("no clients, or no nodes to spread them over"))
}

fn outcome(code: u8, cursor: &Cursor<'_>) -> Result<Outcome, CodecError> {
    match code {
        0 => Ok(Outcome::Ok),
        1 => Ok(Outcome::Fail),
        2 => Ok(Outcome::Info),
        other => Err(cursor.error(format!("outcome {other} is unknown"))),
    }
}

/// `None` where a newer release knows more edges: the fault track is shown, never judged.
fn fault(time: Nanos, body: &mut Cursor<'_>) -> Result<Option<FaultEvent>, CodecError> {
    let fault = body.narrow("fault")?;
    let Some(edge) = FaultEdge::ALL.get(usize::from(body.byte()?)).copied() else {
        return Ok(None);
    };
    let kind = body.text()?.to_owned();
    let mut nodes = Vec::new();
    for _ in 0..body.varint()? {
        nodes.push(body.text()?.to_owned());
    }
    Ok(Some(FaultEvent { time, fault, edge, kind, nodes, detail: body.text()?.to_owned() }))
}
