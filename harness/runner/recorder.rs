//! The only writer of a history.
//!
//! What it promises: a frame that was handed over is in the kernel when the call returns, so a
//! `kill -9` of this process loses nothing a server or a worker has seen; it is on disk within
//! 50 ms, or at once where that is asked for. A full disk stops the load and leaves room for the
//! rest of the story.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tribunal_history::codec::CodecError;
use tribunal_history::codec::native::{FrameEncoder, LogHeader, Spread};
use tribunal_history::{ErrorClass, FaultEvent, Mark, Nanos, NodeId, Op, Outcome, Process};

use super::reserve::{Purpose, Reserve};
use super::sync::Syncer;
use crate::clock::Clock;

/// Why something is not on record.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordError {
    /// The disk is full. What was written stays readable; faults, marks and End still have room.
    #[error(
        "history {path}: disk full after {written} bytes; free space on this file system (a history \
         begins with 1 MiB for its end alone), then run again with the same seed"
    )]
    Full {
        /// The log.
        path: PathBuf,
        /// Its length.
        written: u64,
    },
    /// The kernel refused for another reason.
    #[error("history {path}: {step}: {problem}; check this file system")]
    Io {
        /// The log.
        path: PathBuf,
        /// `create`, `write`, `sync`, `finish`.
        step: &'static str,
        /// In the kernel's words.
        problem: String,
    },
    /// End was written.
    #[error("history {path}: nothing can follow its end")]
    Ended {
        /// The log.
        path: PathBuf,
    },
    /// A record that no reader would accept.
    #[error("history {path}: {problem}")]
    TooLong {
        /// The log.
        path: PathBuf,
        /// Its size and the limit.
        problem: String,
    },
}

/// A handle on the log of one run. Clones write to the same file, one frame at a time.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    clock: Clock,
    log: Mutex<Log>,
    syncer: Arc<Syncer>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Log {
    file: File,
    encoder: FrameEncoder,
    written: u64,
    reserve: Reserve,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Open,
    /// Client operations have no room left.
    Full,
    Failed(RecordError),
    Ended,
}

impl Recorder {
    /// Creates the log at `path`, which must not exist, with a durable header.
    ///
    /// # Errors
    /// [`RecordError::Io`] when the file cannot be made, [`RecordError::Full`] when there is not
    /// even room for the reserve of 1 MiB.
    pub fn create(path: &Path, header: &LogHeader, clock: Clock) -> Result<Recorder, RecordError> {
        let failed = |error: io::Error| create_error(path, &error);
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        let encoder = FrameEncoder::new(header);
        let page = encoder.header_bytes();
        file.write_all_at(page, 0).map_err(failed)?;
        let written = page.len() as u64;
        let reserve = Reserve::new(&file, written).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        // The name is data of the directory: without this a power cut could lose the whole file.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new("."))).and_then(|d| d.sync_all()).map_err(failed)?;
        let syncer = Arc::new(Syncer::new(file.try_clone().map_err(failed)?));
        let thread = Arc::clone(&syncer).start().map_err(failed)?;
        let log = Log { file, encoder, written, reserve, state: State::Open };
        let inner = Inner {
            path: path.to_owned(),
            clock,
            log: Mutex::new(log),
            syncer,
            thread: Mutex::new(Some(thread)),
        };
        Ok(Recorder { inner: Arc::new(inner) })
    }

    /// The clock all stamps are taken from.
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Length of the log in bytes.
    pub fn written(&self) -> u64 {
        self.lock().written
    }

    /// Everything that explains the run: one JSON document.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn meta(&self, json: &str) -> Result<(), RecordError> {
        self.control(false, |encoder| encoder.meta(json))
    }

    /// Processes from here on are lives of `clients`, who are dealt out to nodes in turn.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub(crate) fn spread(&self, spread: Spread) -> Result<(), RecordError> {
        self.control(false, |encoder| encoder.spread(spread))
    }

    /// One edge of a fault. `durable` before an injection: an undo nobody remembers is worse than
    /// a fault that did not happen. Blocks about a millisecond then.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn fault(&self, fault: &FaultEvent, durable: bool) -> Result<(), RecordError> {
        self.control(durable, |encoder| encoder.fault(fault))
    }

    /// A phase begins now. Durable when this returns.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn mark(&self, name: &str) -> Result<(), RecordError> {
        let mark = Mark { time: self.inner.clock.now(), name: name.into() };
        self.control(true, |encoder| encoder.mark(&mark))
    }

    /// Free text.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn note(&self, text: &str) -> Result<(), RecordError> {
        let now = self.inner.clock.now();
        self.control(false, |encoder| encoder.note(now, text))
    }

    /// A measurement: one JSON document.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn sample(&self, json: &str) -> Result<(), RecordError> {
        let now = self.inner.clock.now();
        self.control(false, |encoder| encoder.sample(now, json))
    }

    /// Everything written so far is on disk when this returns.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn sync_now(&self) -> Result<(), RecordError> {
        self.inner.syncer.sync().map_err(|error| {
            let failed = self.inner.io("sync", &error);
            self.lock().state = State::Failed(failed.clone());
            failed
        })
    }

    /// The run is over: writes End, gives unused space back, forces all to disk.
    ///
    /// # Errors
    /// See [`RecordError`]; the log stays readable without its End.
    pub fn end(&self, reason: &str) -> Result<(), RecordError> {
        let now = self.inner.clock.now();
        self.control(false, |encoder| encoder.end(now, reason))?;
        let mut log = self.lock();
        log.state = State::Ended;
        let trimmed = log.file.set_len(log.written).and_then(|()| log.file.sync_all());
        trimmed.map_err(|error| self.inner.io("finish", &error))
    }

    /// Opens the frame of a dispatcher turn.
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn { inner: &self.inner, log: self.lock() }
    }

    fn control(
        &self,
        durable: bool,
        encode: impl FnOnce(&mut FrameEncoder) -> Result<(), CodecError>,
    ) -> Result<(), RecordError> {
        let mut log = self.lock();
        encode(&mut log.encoder).map_err(|error| self.inner.too_long(&error))?;
        log.write(&self.inner, Purpose::Control)?;
        drop(log);
        if durable { self.sync_now() } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.inner.lock()
    }
}

/// The frame of one dispatcher turn. Nobody else writes while it is open, and nothing is written
/// before [`Turn::write`].
pub(crate) struct Turn<'r> {
    inner: &'r Inner,
    log: MutexGuard<'r, Log>,
}

impl Turn<'_> {
    #[inline]
    pub(crate) fn invoke(
        &mut self,
        process: Process,
        node: NodeId,
        op: &Op,
        t_dispatch: Nanos,
    ) -> Result<(), RecordError> {
        let encoded = self.log.encoder.invoke(process, None, Some(node), op, t_dispatch);
        encoded.map_err(|error| self.inner.too_long(&error))
    }

    /// A completion that no record can hold is refused; see [`RecordError::TooLong`].
    #[inline]
    pub(crate) fn complete(
        &mut self,
        process: Process,
        outcome: Outcome,
        op: &Op,
        error: Option<&ErrorClass>,
        (t_send, t_recv): (Nanos, Nanos),
    ) -> Result<(), RecordError> {
        let encoder = &mut self.log.encoder;
        let encoded = encoder.complete(process, outcome, Some(op), error, t_send, t_recv);
        encoded.map_err(|error| self.inner.too_long(&error))
    }

    /// A reply came at `time`, after the operation of `process` was completed as `info`. A reply
    /// that no record can hold is refused; see [`RecordError::TooLong`].
    pub(crate) fn late(
        &mut self,
        process: Process,
        outcome: Outcome,
        op: Option<&Op>,
        error: Option<&ErrorClass>,
        time: Nanos,
    ) -> Result<(), RecordError> {
        let encoded = self.log.encoder.late(process, outcome, op, error, time);
        encoded.map_err(|error| self.inner.too_long(&error))
    }

    pub(crate) fn note(&mut self, time: Nanos, text: &str) -> Result<(), RecordError> {
        self.log.encoder.note(time, text).map_err(|error| self.inner.too_long(&error))
    }

    pub(crate) fn mark(&mut self, time: Nanos, name: &str) -> Result<(), RecordError> {
        let mark = Mark { time, name: name.into() };
        self.log.encoder.mark(&mark).map_err(|error| self.inner.too_long(&error))
    }

    /// One `write(2)` of everything gathered; nothing when nothing was.
    pub(crate) fn write(&mut self) -> Result<(), RecordError> {
        self.log.write(self.inner, Purpose::Load)
    }
}

impl Log {
    /// On an error the frame is dropped. Only records that stand alone (faults, marks, notes, End)
    /// can follow then, so what the dropped frame had added to the dictionary is never missed.
    fn write(&mut self, inner: &Inner, purpose: Purpose) -> Result<(), RecordError> {
        let written = self.try_write(inner, purpose);
        if written.is_err() {
            self.encoder.not_written();
        }
        written
    }

    fn try_write(&mut self, inner: &Inner, purpose: Purpose) -> Result<(), RecordError> {
        let Some(frame) = self.encoder.frame() else { return Ok(()) };
        match (&self.state, purpose) {
            (State::Open, Purpose::Load | Purpose::Control) | (State::Full, Purpose::Control) => {}
            (State::Full, Purpose::Load) => return Err(inner.full(self.written)),
            (State::Failed(error), Purpose::Load | Purpose::Control) => return Err(error.clone()),
            (State::Ended, Purpose::Load | Purpose::Control) => {
                return Err(RecordError::Ended { path: inner.path.clone() });
            }
        }
        let length = frame.len() as u64;
        let room = self.reserve.room(&self.file, self.written, length, purpose);
        let wrote = match room {
            // By position: after a write that failed half-way the next one covers its remains.
            Ok(true) => self.file.write_all_at(frame, self.written),
            Ok(false) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Err(error) => Err(error),
        };
        match wrote {
            Ok(()) => {
                self.written += length;
                inner.syncer.wrote(self.written);
                Ok(())
            }
            Err(error) if is_full(&error) => {
                if purpose == Purpose::Load {
                    self.state = State::Full;
                }
                Err(inner.full(self.written))
            }
            Err(error) => {
                let failed = inner.io("write", &error);
                self.state = State::Failed(failed.clone());
                Err(failed)
            }
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Log> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = self.syncer.failure()
            && !matches!(log.state, State::Failed(_))
        {
            let path = self.path.clone();
            log.state = State::Failed(RecordError::Io { path, step: "sync", problem });
        }
        log
    }

    fn full(&self, written: u64) -> RecordError {
        RecordError::Full { path: self.path.clone(), written }
    }

    fn io(&self, step: &'static str, error: &io::Error) -> RecordError {
        RecordError::Io { path: self.path.clone(), step, problem: error.to_string() }
    }

    fn too_long(&self, error: &CodecError) -> RecordError {
        RecordError::TooLong { path: self.path.clone(), problem: error.to_string() }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.syncer.stop();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the history's sync thread panicked");
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn create_error(path: &Path, error: &io::Error) -> RecordError {
    let path = path.to_owned();
    match is_full(error) {
        true => RecordError::Full { path, written: 0 },
        false => RecordError::Io { path, step: "create", problem: error.to_string() },
    }
}
