//! The writer's half: events to frames, without I/O and, for integer registers, without
//! allocation.

use super::fields::{Dictionary, Fields, observation};
use super::frames::{Chain, FRAME_LIMIT, HEAD_ROOM};
use super::header::cut;
use super::spread::{NO_NODE, Spread};
use super::times::Times;
use super::wire::{put_text, put_varint, zigzag};
use super::{HEADER_LEN, LogHeader, RECORD_LIMIT, SEGMENT_EVENTS, WIDE_F, tag};
use crate::codec::CodecError;
use crate::{
    ErrorClass, FaultEdge, FaultEvent, Mark, Nanos, NodeId, Op, Outcome, Process, Session,
};

/// Turns events into the bytes of a native log. Owns no file: the caller writes
/// [`FrameEncoder::header_bytes`] once, then the bytes of each [`FrameEncoder::frame`] with one
/// `write(2)`, and says so where it could not ([`FrameEncoder::not_written`]).
///
/// The encoder does not judge: an impossible sequence of events (a second invocation of a busy
/// process, a completion before its invocation, an invocation not *later* than the last completion
/// of its process) is written as told and refused by the reader.
#[derive(Debug)]
pub struct FrameEncoder {
    header: Vec<u8>,
    frame: Vec<u8>,
    handed_out: bool,
    /// Holds a record after which the checksum is written whole.
    last_of_all: bool,
    /// The checksum up to the last frame handed out, and up to the one before.
    chain: Chain,
    chain_before: Chain,
    /// Bytes of the frame handed out last.
    frame_len: usize,
    dictionary: Dictionary,
    spread: Option<Spread>,
    /// Time of the last invocation or completion, to which the next is relative.
    base: u64,
    events: u64,
    segment_events: u32,
    bytes_written: u64,
}

impl FrameEncoder {
    /// An encoder for a new log.
    pub fn new(header: &LogHeader) -> FrameEncoder {
        let (header, checksum) = header.encode();
        let chain = Chain::after_header(checksum);
        FrameEncoder {
            header,
            frame: vec![0; HEAD_ROOM],
            handed_out: false,
            last_of_all: false,
            chain,
            chain_before: chain,
            frame_len: 0,
            dictionary: Dictionary::default(),
            spread: None,
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
        if self.handed_out || self.frame.len() == HEAD_ROOM {
            return None;
        }
        let (start, chain) = self.chain.close(&mut self.frame, self.last_of_all);
        (self.chain_before, self.chain) = (self.chain, chain);
        self.frame_len = self.frame.len() - start;
        self.bytes_written += self.frame_len as u64;
        self.handed_out = true;
        self.last_of_all = false;
        Some(&self.frame[start..])
    }

    /// The frame handed out last did not get into the file: the next one follows the one before.
    /// Nothing when there was none. What was in it is lost; events that follow may need it.
    pub fn not_written(&mut self) {
        if self.handed_out {
            self.chain = self.chain_before;
            self.bytes_written -= std::mem::take(&mut self.frame_len) as u64;
        }
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

    /// As [`FrameEncoder::in_given_order`], and events of different sessions are not ordered.
    ///
    /// # Errors
    /// A frame that was never taken.
    pub fn per_session(&mut self) -> Result<(), CodecError> {
        self.open();
        let start = self.frame.len();
        self.frame.push(tag::PER_SESSION);
        self.bounded(start)
    }

    /// From here on a process is on the node that `spread` says, unless its invocation says
    /// otherwise: that takes a byte less. Changes nothing of what is read.
    ///
    /// # Errors
    /// A frame that was never taken.
    pub fn spread(&mut self, spread: Spread) -> Result<(), CodecError> {
        self.open();
        let start = self.frame.len();
        self.frame.push(tag::SPREAD);
        put_varint(&mut self.frame, spread.clients.get().into());
        put_varint(&mut self.frame, spread.nodes.get().into());
        self.bounded(start)?;
        self.spread = Some(spread);
        Ok(())
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
        self.fields().intern_op(op, false);
        let start = self.frame.len();
        let session = session.filter(|session| session.0 != process.0);
        let usual = self.spread.map(|spread| spread.node(process));
        let flags = u8::from(session.is_some()) | u8::from(node != usual) << 1;
        let f = op.f() as u8;
        self.frame.push(tag::INVOKE | f.min(WIDE_F) << 2 | flags);
        put_varint(&mut self.frame, process.0.into());
        if let Some(session) = session {
            put_varint(&mut self.frame, session.0.into());
        }
        if node != usual {
            put_varint(&mut self.frame, node.map_or(NO_NODE, |node| node.0).into());
        }
        if f >= WIDE_F {
            self.frame.push(f);
        }
        self.fields().put_question(op);
        put_varint(&mut self.frame, zigzag(t_dispatch.0.wrapping_sub(self.base) as i64));
        self.close_event(start, t_dispatch)
    }

    /// The open operation of `process` ended. Of `op`, only what was observed is written, and only
    /// for [`Outcome::Ok`]; `None` stands for the invocation itself. `op` must answer the
    /// invocation ([`Op::answers`]): the encoder does not remember what was asked.
    ///
    /// `t_send` later than `t_recv`, or all of time before it, is not believed and the invocation's
    /// time stays in force, which only widens the interval. [`Outcome::Open`] is not an ending; it
    /// is written as `info`, which means the same.
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
            self.fields().intern_op(op, true);
        }
        if let Some(error) = error {
            self.fields().intern(&error.0);
        }
        let start = self.frame.len();
        let seen = op.map_or(0, observation);
        let times = Times::of(self.base, t_send.0, t_recv.0);
        let tag = if times.are_packed() { tag::COMPLETE_PACKED } else { tag::COMPLETE };
        let flags = outcome_code(outcome) | u8::from(error.is_some()) << 2 | seen << 3;
        self.frame.push(tag | flags);
        put_varint(&mut self.frame, process.0.into());
        if let Some(error) = error {
            self.fields().put_string(&error.0);
        }
        if let Some(op) = op {
            self.fields().put_observation(op);
        }
        times.put(&mut self.frame);
        self.close_event(start, t_recv)
    }

    /// A reply arrived at `time` after the operation of `process` had been recorded as `info`: `op`
    /// filled in, or the class of the error.
    ///
    /// # Errors
    /// An operation larger than [`RECORD_LIMIT`]; nothing was added.
    pub fn late(
        &mut self,
        process: Process,
        outcome: Outcome,
        op: Option<&Op>,
        error: Option<&ErrorClass>,
        time: Nanos,
    ) -> Result<(), CodecError> {
        if let Some(op) = op {
            self.open();
            self.fields().intern_op(op, true);
        }
        let start = self.open_advisory(tag::LATE, time);
        put_varint(&mut self.frame, process.0.into());
        self.frame.push(outcome_code(outcome));
        match op {
            None => self.frame.push(u8::MAX),
            Some(op) => {
                self.frame.push(op.f() as u8);
                self.fields().put_question(op);
                self.frame.push(observation(op));
                self.fields().put_observation(op);
            }
        }
        if let Some(error) = error {
            put_text(&mut self.frame, &error.0);
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
        self.last_of_all = true;
        self.close_advisory(start)
    }

    fn fields(&mut self) -> Fields<'_> {
        Fields { frame: &mut self.frame, dictionary: &mut self.dictionary }
    }

    fn open(&mut self) {
        if self.handed_out {
            self.frame.truncate(HEAD_ROOM);
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
}

fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Ok => 0,
        Outcome::Fail => 1,
        Outcome::Info | Outcome::Open => 2,
    }
}
