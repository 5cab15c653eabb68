//! The dispatcher's books: counts, errors, noise, and how a completion enters the frame.

use std::collections::BTreeMap;
use std::time::Duration;

use tribunal_history::{ErrorClass, Nanos, Outcome};

use super::hub::{Done, Trouble};
use super::load::{ErrorTally, LateReplies};
use super::noise::NoiseMeter;
use super::outcome::ClientCode;
use super::progress::Gauge;
use super::recorder::{RecordError, Turn};

/// Raw replies and panics kept as notes; later ones are only counted.
const KEPT_NOTES: u32 = 1_000;
/// Error classes told apart; clients name them, so the names are bounded here.
const CLASSES: usize = 256;
const LIMIT: ErrorClass = ErrorClass(std::borrow::Cow::Borrowed("limit"));

/// The dispatcher's own books, apart from the generator's.
pub(super) struct Desk {
    pub(super) noise: NoiseMeter,
    pub(super) gauge: Gauge,
    pub(super) ops: u64,
    /// Handed out and not yet drained.
    pub(super) open: u32,
    pub(super) panics: u64,
    pub(super) late: LateReplies,
    pub(super) errors: BTreeMap<String, ErrorTally>,
    notes: u32,
    pub(super) suspended: Duration,
    pub(super) client_bug: Option<String>,
}

impl Desk {
    pub(super) fn new(now: Nanos) -> Desk {
        Desk {
            noise: NoiseMeter::new(),
            gauge: Gauge::new(now),
            ops: 0,
            open: 0,
            panics: 0,
            late: LateReplies::default(),
            errors: BTreeMap::new(),
            notes: 0,
            suspended: Duration::ZERO,
            client_bug: None,
        }
    }

    #[inline]
    pub(super) fn count(&mut self, done: &Done, drained: Nanos) {
        let wire = (done.sent, done.received);
        self.noise.op(done.dispatched, done.taken, wire, drained);
        self.gauge.completed(done.outcome, done.received.saturating_sub(done.sent));
        if let Some(trouble) = &done.trouble {
            self.count_trouble(trouble);
        }
    }

    fn count_trouble(&mut self, trouble: &Trouble) {
        let class: &str = &trouble.error.0;
        let known = self.errors.contains_key(class) || self.errors.len() < CLASSES;
        let class = if known { class } else { "other" };
        match self.errors.get_mut(class) {
            Some(tally) => tally.count += 1,
            None => {
                let first = trouble.detail.clone();
                self.errors.insert(class.to_owned(), ErrorTally { count: 1, first });
            }
        }
        self.blame(trouble);
    }

    fn blame(&mut self, trouble: &Trouble) {
        match trouble.client_code {
            ClientCode::Fine => {}
            ClientCode::Panicked => self.panics += 1,
            ClientCode::AnsweredAnother => {
                self.client_bug.get_or_insert_with(|| trouble.detail.clone());
            }
        }
    }
}

/// Puts a completion into the frame, and what people should read beside it.
#[inline]
pub(super) fn record(
    frame: &mut Turn<'_>,
    done: &mut Done,
    desk: &mut Desk,
) -> Result<(), RecordError> {
    if let Err(error) = complete(frame, done)
        && let Some(problem) = again(frame, error, |frame| complete(frame, done))?
    {
        *done = too_large(done, problem);
        complete(frame, done)?;
    }
    aside(frame, done, desk)
}

/// Puts a late reply into the frame. What does not say whether the operation happened is no reply.
pub(super) fn record_late(
    frame: &mut Turn<'_>,
    done: &Done,
    desk: &mut Desk,
) -> Result<(), RecordError> {
    let Done { process, op, outcome, received, trouble, .. } = done;
    let error = trouble.as_ref().map(|trouble| &trouble.error);
    let answer = match outcome {
        Outcome::Ok => {
            desk.late.ok += 1;
            Some(op)
        }
        Outcome::Fail => {
            desk.late.failed += 1;
            None
        }
        Outcome::Info | Outcome::Open => {
            trouble.iter().for_each(|trouble| desk.blame(trouble));
            return aside(frame, done, desk);
        }
    };
    let whole = |frame: &mut Turn<'_>| frame.late(*process, *outcome, answer, error, *received);
    if let Err(refused) = whole(frame)
        && again(frame, refused, whole)?.is_some()
    {
        // That it came is still worth knowing.
        frame.late(*process, *outcome, None, None, *received)?;
    }
    Ok(())
}

/// Tries once more what was refused for its length, perhaps only together with the rest of the
/// frame. Why not even a frame of its own can hold it, if so.
#[cold]
fn again(
    frame: &mut Turn<'_>,
    refused: RecordError,
    add: impl Fn(&mut Turn<'_>) -> Result<(), RecordError>,
) -> Result<Option<String>, RecordError> {
    let RecordError::TooLong { .. } = refused else { return Err(refused) };
    frame.write()?;
    match add(frame) {
        Ok(()) => Ok(None),
        Err(RecordError::TooLong { problem, .. }) => Ok(Some(problem)),
        Err(error) => Err(error),
    }
}

#[inline]
fn complete(frame: &mut Turn<'_>, done: &Done) -> Result<(), RecordError> {
    let error = done.trouble.as_ref().map(|trouble| &trouble.error);
    frame.complete(done.process, done.outcome, &done.op, error, (done.sent, done.received))
}

/// A reply beyond every limit: what it said is not kept, so it is as if it had not been read.
fn too_large(done: &Done, detail: String) -> Done {
    let client_code = ClientCode::Fine;
    let trouble = Trouble { error: LIMIT, detail, raw: None, client_code };
    Done {
        op: done.op.pending(),
        outcome: Outcome::Info,
        trouble: Some(Box::new(trouble)),
        ..*done
    }
}

/// Raw replies, panics and answers to other questions are kept in words.
#[inline]
fn aside(frame: &mut Turn<'_>, done: &Done, desk: &mut Desk) -> Result<(), RecordError> {
    match &done.trouble {
        Some(trouble) if desk.notes < KEPT_NOTES => note(frame, done, trouble, &mut desk.notes),
        Some(_) | None => Ok(()),
    }
}

fn note(
    frame: &mut Turn<'_>,
    done: &Done,
    trouble: &Trouble,
    notes: &mut u32,
) -> Result<(), RecordError> {
    let Trouble { error, detail, raw, client_code } = trouble;
    let what = match (raw, client_code) {
        (Some(raw), _) => format!("{detail}; the reply: {}", raw.escape_ascii()),
        (None, ClientCode::Panicked | ClientCode::AnsweredAnother) => detail.clone(),
        (None, ClientCode::Fine) => return Ok(()),
    };
    *notes += 1;
    let last = match *notes {
        KEPT_NOTES => "; from here on such notes are counted, not kept",
        _ => "",
    };
    let text = format!("{} `{}`: {error}: {what}{last}", done.process, done.op.pending());
    frame.note(done.received, &text)
}
