//! The writer's half: events to frames, without I/O and, for integer registers, without
//! allocation.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::header::cut;
use super::wire::{self, kind, put_head, put_int, put_text, put_varint, put_zigzag};
use super::{HEADER_LEN, LogHeader, RECORD_LIMIT, SEGMENT_EVENTS, tag};
use crate::codec::CodecError;
use crate::{
    ErrorClass, FaultEdge, FaultEvent, Mark, Mop, Nanos, NodeId, Observed, Op, Outcome, Process,
    RegisterOp, Session, TxnOp, Value,
};

/// Length and checksum of a frame.
const FRAME_HEAD: usize = 8;
/// Strings longer than this are not worth a dictionary entry.
const INTERN_LENGTH: usize = 64;
/// A caller that never takes its frame is stopped here, well before lengths overflow.
const FRAME_LIMIT: usize = 1 << 28;
/// Dictionary entries per segment; later strings are written in full.
const INTERN_COUNT: usize = 1 << 15;

/// Turns events into the bytes of a native log. Owns no file: the caller writes
/// [`FrameEncoder::header_bytes`] once, then the bytes of each [`FrameEncoder::frame`] with one
/// `write(2)`.
///
/// The encoder does not judge: an impossible sequence of events (a second invocation of a busy
/// process, a completion before its invocation, an invocation not *later* than the last completion
/// of its process) is written as told and refused by the reader.
#[derive(Debug)]
pub struct FrameEncoder {
    header: Vec<u8>,
    frame: Vec<u8>,
    handed_out: bool,
    dictionary: HashMap<Box<str>, u32, FixedState>,
    /// Time of the last invocation or completion, to which the next is relative.
    base: u64,
    events: u64,
    segment_events: u32,
    bytes_written: u64,
}

impl FrameEncoder {
    /// An encoder for a new log.
    pub fn new(header: &LogHeader) -> FrameEncoder {
        FrameEncoder {
            header: header.encode(),
            frame: vec![0; FRAME_HEAD],
            handed_out: false,
            dictionary: HashMap::default(),
            base: 0,
            events: 0,
            segment_events: 0,
            bytes_written: HEADER_LEN as u64,
        }
    }

    /// The header page: the first bytes of the file.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header
    }

    /// Size of the file once everything handed out so far is written, the header included.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Invocations and completions taken so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Closes the frame and returns its bytes; `None` when nothing was added since the last.
    pub fn frame(&mut self) -> Option<&[u8]> {
        if self.handed_out || self.frame.len() == FRAME_HEAD {
            return None;
        }
        let body = self.frame.len() - FRAME_HEAD;
        let crc = crc32c::crc32c(&self.frame[FRAME_HEAD..]);
        self.frame[..4].copy_from_slice(&(body as u32).to_le_bytes());
        self.frame[4..8].copy_from_slice(&crc.to_le_bytes());
        self.bytes_written += self.frame.len() as u64;
        self.handed_out = true;
        Some(&self.frame)
    }

    /// The events that follow are ranked in the order in which they are written; their times are
    /// for display. For histories that were read from a format without usable times. To be called
    /// before the first event: the reader refuses it later.
    ///
    /// # Errors
    /// A frame that was never taken.
    pub fn in_given_order(&mut self) -> Result<(), CodecError> {
        self.open();
        let start = self.frame.len();
        self.frame.push(tag::GIVEN_ORDER);
        self.bounded(start)
    }

    /// `process` is about to ask for `op`: what it observes is not written.
    ///
    /// # Errors
    /// An operation larger than [`RECORD_LIMIT`]; nothing was added.
    #[inline]
    pub fn invoke(
        &mut self,
        process: Process,
        session: Option<Session>,
        node: Option<NodeId>,
        op: &Op,
        t_dispatch: Nanos,
    ) -> Result<(), CodecError> {
        self.open_event();
        self.intern_op(op, false);
        let start = self.frame.len();
        let session = session.filter(|session| session.0 != process.0);
        let flags = u8::from(session.is_some()) | u8::from(node.is_some()) << 1;
        self.frame.push(tag::INVOKE | (op.f() as u8) << 2 | flags);
        put_varint(&mut self.frame, process.0.into());
        if let Some(session) = session {
            put_varint(&mut self.frame, session.0.into());
        }
        if let Some(node) = node {
            put_varint(&mut self.frame, node.0.into());
        }
        self.put_question(op);
        put_zigzag(&mut self.frame, t_dispatch.0.wrapping_sub(self.base) as i64);
        self.close_event(start, t_dispatch)
    }

    /// The open operation of `process` ended. Of `op`, only what was observed is written, and only
    /// for [`Outcome::Ok`]; `None` stands for the invocation itself. `op` must answer the
    /// invocation ([`Op::answers`]): the encoder does not remember what was asked.
    ///
    /// `t_send` later than `t_recv` is not believed and the invocation's time stays in force,
    /// which only widens the interval. [`Outcome::Open`] is not an ending; it is written as
    /// `info`, which means the same.
    ///
    /// # Errors
    /// An operation larger than [`RECORD_LIMIT`]; nothing was added.
    #[inline]
    pub fn complete(
        &mut self,
        process: Process,
        outcome: Outcome,
        op: Option<&Op>,
        error: Option<&ErrorClass>,
        t_send: Nanos,
        t_recv: Nanos,
    ) -> Result<(), CodecError> {
        self.open_event();
        let op = op.filter(|_| outcome == Outcome::Ok);
        if let Some(op) = op {
            self.intern_op(op, true);
        }
        if let Some(error) = error {
            self.intern(&error.0);
        }
        let start = self.frame.len();
        let seen = op.map_or(0, observation);
        self.frame.push(
            tag::COMPLETE | outcome_code(outcome) | u8::from(error.is_some()) << 2 | seen << 3,
        );
        put_varint(&mut self.frame, process.0.into());
        if let Some(error) = error {
            self.put_string(&error.0);
        }
        if let Some(op) = op {
            self.put_observation(op);
        }
        put_zigzag(&mut self.frame, t_recv.0.wrapping_sub(self.base) as i64);
        let latency = t_recv.0.checked_sub(t_send.0).map_or(0, |latency| latency + 1);
        put_varint(&mut self.frame, latency);
        self.close_event(start, t_recv)
    }

    /// A reply arrived at `time` after the operation of `process` had been recorded as `info`.
    ///
    /// # Errors
    /// An operation larger than [`RECORD_LIMIT`]; nothing was added.
    pub fn late(
        &mut self,
        process: Process,
        outcome: Outcome,
        op: Option<&Op>,
        time: Nanos,
    ) -> Result<(), CodecError> {
        if let Some(op) = op {
            self.open();
            self.intern_op(op, true);
        }
        let start = self.open_advisory(tag::LATE, time);
        put_varint(&mut self.frame, process.0.into());
        self.frame.push(outcome_code(outcome));
        match op {
            None => self.frame.push(u8::MAX),
            Some(op) => {
                self.frame.push(op.f() as u8);
                self.put_question(op);
                self.frame.push(observation(op));
                self.put_observation(op);
            }
        }
        self.close_advisory(start)
    }

    /// Everything about the run that explains its history: one JSON document.
    ///
    /// # Errors
    /// A document larger than [`RECORD_LIMIT`]; nothing was added.
    pub fn meta(&mut self, json: &str) -> Result<(), CodecError> {
        let start = self.open_advisory(tag::META, Nanos(0));
        put_text(&mut self.frame, json);
        self.close_advisory(start)
    }

    /// Adds to the fault track.
    ///
    /// # Errors
    /// A fault larger than [`RECORD_LIMIT`]; nothing was added.
    pub fn fault(&mut self, fault: &FaultEvent) -> Result<(), CodecError> {
        let start = self.open_advisory(tag::FAULT, fault.time);
        put_varint(&mut self.frame, fault.fault.into());
        let edge = FaultEdge::ALL.iter().position(|edge| *edge == fault.edge).unwrap_or_default();
        self.frame.push(edge as u8);
        put_text(&mut self.frame, &fault.kind);
        put_varint(&mut self.frame, fault.nodes.len() as u64);
        for node in &fault.nodes {
            put_text(&mut self.frame, node);
        }
        put_text(&mut self.frame, &fault.detail);
        self.close_advisory(start)
    }

    /// Adds a named instant.
    ///
    /// # Errors
    /// A name larger than [`RECORD_LIMIT`]; nothing was added.
    pub fn mark(&mut self, mark: &Mark) -> Result<(), CodecError> {
        self.advisory_text(tag::MARK, mark.time, &mark.name)
    }

    /// Free text for people; cut at [`RECORD_LIMIT`].
    ///
    /// # Errors
    /// None: a long text is cut. The type is that of its siblings.
    pub fn note(&mut self, time: Nanos, text: &str) -> Result<(), CodecError> {
        self.advisory_text(tag::NOTE, time, cut(text, RECORD_LIMIT - 64))
    }

    /// A measurement of the controller or a node: one JSON document.
    ///
    /// # Errors
    /// A document larger than [`RECORD_LIMIT`]; nothing was added.
    pub fn sample(&mut self, time: Nanos, json: &str) -> Result<(), CodecError> {
        self.advisory_text(tag::SAMPLE, time, json)
    }

    /// The run ended for `reason`. A log without this record is incomplete.
    ///
    /// # Errors
    /// A reason larger than [`RECORD_LIMIT`]; nothing was added.
    pub fn end(&mut self, time: Nanos, reason: &str) -> Result<(), CodecError> {
        let start = self.open_advisory(tag::END, time);
        put_text(&mut self.frame, reason);
        put_varint(&mut self.frame, self.events);
        self.close_advisory(start)
    }

    fn open(&mut self) {
        if self.handed_out {
            self.frame.truncate(FRAME_HEAD);
            self.handed_out = false;
        }
    }

    #[inline]
    fn open_event(&mut self) {
        self.open();
        if self.segment_events >= SEGMENT_EVENTS {
            self.dictionary.clear();
            self.segment_events = 0;
            self.frame.push(tag::SEGMENT);
            put_varint(&mut self.frame, self.base);
            put_varint(&mut self.frame, self.events);
        }
    }

    #[inline]
    fn close_event(&mut self, start: usize, time: Nanos) -> Result<(), CodecError> {
        self.bounded(start)?;
        self.base = time.0;
        self.events += 1;
        self.segment_events += 1;
        Ok(())
    }

    fn open_advisory(&mut self, tag: u8, time: Nanos) -> usize {
        self.open();
        let start = self.frame.len();
        self.frame.push(tag);
        self.frame.extend_from_slice(&[0; 4]);
        put_varint(&mut self.frame, time.0);
        start
    }

    fn close_advisory(&mut self, start: usize) -> Result<(), CodecError> {
        self.bounded(start)?;
        let body = (self.frame.len() - start - 5) as u32;
        self.frame[start + 1..start + 5].copy_from_slice(&body.to_le_bytes());
        Ok(())
    }

    fn advisory_text(&mut self, tag: u8, time: Nanos, text: &str) -> Result<(), CodecError> {
        let start = self.open_advisory(tag, time);
        put_text(&mut self.frame, text);
        self.close_advisory(start)
    }

    #[inline]
    fn bounded(&mut self, start: usize) -> Result<(), CodecError> {
        let bytes = self.frame.len() - start;
        if bytes > RECORD_LIMIT {
            self.frame.truncate(start);
            return Err(CodecError::RecordTooLong { bytes, limit: RECORD_LIMIT });
        }
        if self.frame.len() > FRAME_LIMIT {
            let bytes = self.frame.len();
            self.frame.truncate(start);
            return Err(CodecError::FrameTooLong { bytes, limit: FRAME_LIMIT });
        }
        Ok(())
    }

    /// Dictionary records stand before the record that uses them.
    fn intern_op(&mut self, op: &Op, answered: bool) {
        match op {
            Op::Register(RegisterOp::Read { key, value }) => {
                self.intern_value(key);
                if answered && let Observed::Present(value) = value {
                    self.intern_value(value);
                }
            }
            Op::Register(RegisterOp::Write { key, value }) => {
                self.intern_value(key);
                self.intern_value(value);
            }
            Op::Register(RegisterOp::Cas { key, from, to }) => {
                self.intern_value(key);
                self.intern_value(from);
                self.intern_value(to);
            }
            Op::Txn(txn) => txn.mops.iter().for_each(|mop| self.intern_mop(mop, answered)),
        }
    }

    fn intern_mop(&mut self, mop: &Mop, answered: bool) {
        match mop {
            Mop::Read { key, value } => {
                self.intern_value(key);
                if answered && let Observed::Present(value) = value {
                    self.intern_value(value);
                }
            }
            Mop::Write { key, value: argument } | Mop::Append { key, element: argument } => {
                self.intern_value(key);
                self.intern_value(argument);
            }
            Mop::ReadList { key, elements } => {
                self.intern_value(key);
                if answered && let Observed::Present(elements) = elements {
                    elements.iter().for_each(|element| self.intern_value(element));
                }
            }
            Mop::ReadPredicate { predicate, matches } => {
                self.intern(predicate);
                if answered && let Observed::Present(matches) = matches {
                    for (key, value) in matches {
                        self.intern_value(key);
                        self.intern_value(value);
                    }
                }
            }
        }
    }

    #[inline]
    fn intern_value(&mut self, value: &Value) {
        if let Value::Text(text) = value {
            self.intern(text);
        }
    }

    fn intern(&mut self, text: &str) {
        if text.len() > INTERN_LENGTH
            || self.dictionary.len() >= INTERN_COUNT
            || self.dictionary.contains_key(text)
        {
            return;
        }
        self.dictionary.insert(text.into(), self.dictionary.len() as u32);
        self.frame.push(tag::INTERN);
        put_text(&mut self.frame, text);
    }

    fn put_string(&mut self, text: &str) {
        match self.dictionary.get(text) {
            Some(id) => put_head(&mut self.frame, kind::INTERNED, (*id).into()),
            None => {
                put_head(&mut self.frame, kind::TEXT, text.len() as u64);
                self.frame.extend_from_slice(text.as_bytes());
            }
        }
    }

    #[inline]
    fn put_value(&mut self, value: &Value) {
        match value {
            Value::Int(int) => put_int(&mut self.frame, *int),
            Value::Nil => put_head(&mut self.frame, kind::SPECIAL, wire::NIL),
            Value::Text(text) => self.put_string(text),
            Value::Unparsed(raw) => {
                put_head(&mut self.frame, kind::UNPARSED, raw.len() as u64);
                self.frame.extend_from_slice(raw);
            }
        }
    }

    #[inline]
    fn put_observed(&mut self, value: &Observed<Value>) {
        match value {
            Observed::Pending => put_head(&mut self.frame, kind::SPECIAL, wire::PENDING),
            Observed::Absent => put_head(&mut self.frame, kind::SPECIAL, wire::ABSENT),
            Observed::Present(value) => self.put_value(value),
        }
    }

    #[inline]
    fn put_question(&mut self, op: &Op) {
        match op {
            Op::Register(RegisterOp::Read { key, .. }) => self.put_value(key),
            Op::Register(RegisterOp::Write { key, value }) => {
                self.put_value(key);
                self.put_value(value);
            }
            Op::Register(RegisterOp::Cas { key, from, to }) => {
                self.put_value(key);
                self.put_value(from);
                self.put_value(to);
            }
            Op::Txn(TxnOp { mops }) => {
                put_varint(&mut self.frame, mops.len() as u64);
                for mop in mops {
                    self.put_mop(mop);
                }
            }
        }
    }

    fn put_mop(&mut self, mop: &Mop) {
        self.frame.push(mop.code());
        match mop {
            Mop::Read { key, .. } | Mop::ReadList { key, .. } => self.put_value(key),
            Mop::Write { key, value: argument } | Mop::Append { key, element: argument } => {
                self.put_value(key);
                self.put_value(argument);
            }
            Mop::ReadPredicate { predicate, .. } => self.put_string(predicate),
        }
    }

    #[inline]
    fn put_observation(&mut self, op: &Op) {
        match op {
            Op::Register(RegisterOp::Read { value, .. }) => self.put_observed(value),
            Op::Register(RegisterOp::Write { .. } | RegisterOp::Cas { .. }) => {}
            Op::Txn(TxnOp { mops }) => {
                let reads = mops.iter().filter(|mop| !mop.writes()).count();
                if reads > 0 {
                    put_varint(&mut self.frame, reads as u64);
                }
                for mop in mops {
                    self.put_result(mop);
                }
            }
        }
    }

    fn put_result(&mut self, mop: &Mop) {
        match mop {
            Mop::Write { .. } | Mop::Append { .. } => {}
            Mop::Read { value, .. } => self.put_observed(value),
            Mop::ReadList { elements, .. } => match elements {
                Observed::Pending => self.put_observed(&Observed::Pending),
                Observed::Absent => self.put_observed(&Observed::Absent),
                Observed::Present(elements) => {
                    put_head(&mut self.frame, kind::LIST, elements.len() as u64);
                    elements.iter().for_each(|element| self.put_value(element));
                }
            },
            Mop::ReadPredicate { matches, .. } => match matches {
                Observed::Pending => self.put_observed(&Observed::Pending),
                Observed::Absent => self.put_observed(&Observed::Absent),
                Observed::Present(matches) => {
                    put_head(&mut self.frame, kind::PAIRS, matches.len() as u64);
                    for (key, value) in matches {
                        self.put_value(key);
                        self.put_value(value);
                    }
                }
            },
        }
    }
}

/// The observation bits of a completion.
fn observation(op: &Op) -> u8 {
    match op {
        Op::Register(RegisterOp::Read { .. }) => 1,
        Op::Register(RegisterOp::Write { .. } | RegisterOp::Cas { .. }) => 0,
        Op::Txn(txn) => 2 * u8::from(txn.mops.iter().any(|mop| !mop.writes())),
    }
}

fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Ok => 0,
        Outcome::Fail => 1,
        Outcome::Info | Outcome::Open => 2,
    }
}
