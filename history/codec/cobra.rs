//! The logs of Cobra's clients: a directory with a `.log` of bytes for each session.
//!
//! A record is a byte that says its kind, and integers of 64 bits, the most significant byte first
//! (Tan, Zhao, Mu & Walfish, "Cobra", OSDI 2020; the artifact's `extractLog`):
//!
//! | record | what it says |
//! |---|---|
//! | `S` TXN | a transaction begins |
//! | `W` WRITE KEY VALUE | it writes |
//! | `R` TXN WRITE KEY VALUE | it reads what that write of that transaction had written |
//! | `C` TXN | it has committed |
//!
//! A begin and a commit may be followed by a time, which is left out: clocks of clients order
//! nothing. Values of writes need not differ and their numbers do, so that a value is the number of
//! its write. Transactions without a commit have an unknown outcome.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::sessions::{self, Step};
use super::{CodecError, Format, Read, native};
use crate::{Builder, Outcome, Process};

/// Numbers of writes, and of the transactions of these, that stand for what was there before.
const INITIAL: [i64; 2] = [0xbebe_ebee, 0xdead_beef];

/// Numbers of writes by which Cobra's clients mark epochs for its garbage collection.
const EPOCHS: [i64; 2] = [0x2333_2333, 0x6666_6666];

/// The endings of logs.
const ENDING: &str = "log";

/// One log: its name, for errors, and what is in it.
pub type CobraLog = (String, Vec<u8>);

/// Whether a directory holds logs of Cobra's clients: some `.log` begins as the begin of a
/// transaction does, and none as a history of ours, which a run has beside other logs.
pub fn is_cobra(directory: &Path) -> bool {
    let first = |path: &PathBuf| {
        let mut kind = [0];
        File::open(path).and_then(|mut log| log.read_exact(&mut kind)).is_ok().then_some(kind[0])
    };
    let firsts: Vec<u8> = logs(directory).unwrap_or_default().iter().filter_map(first).collect();
    firsts.contains(&b'S') && !firsts.contains(&native::MAGIC[0])
}

/// Reads the logs of a directory, each as a session, in the order of the numbers in their names.
///
/// # Errors
/// A directory that cannot be read or has no logs, or [what logs cannot hold](read_cobra_logs).
pub fn read_cobra(directory: &Path) -> Result<Read, CodecError> {
    let paths = logs(directory).map_err(CodecError::Source)?;
    if paths.is_empty() {
        return Err(CodecError::Unsupported("there is no .log of a client of Cobra in it".into()));
    }
    let log = |path: &PathBuf| std::fs::read(path).map(|bytes| (name(path), bytes));
    let logs: Result<Vec<CobraLog>, _> = paths.iter().map(log).collect();
    read_cobra_logs(&logs.map_err(CodecError::Source)?)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The logs of a directory by the numbers in their names.
fn logs(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths = std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut logs: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    logs.retain(|path| path.is_file() && path.extension().is_some_and(|ending| ending == ENDING));
    logs.sort_by_cached_key(|path| {
        let name = name(path);
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        (digits.parse::<u64>().unwrap_or(u64::MAX), name)
    });
    Ok(logs)
}

/// Reads logs, each as a session. Linear in their length.
///
/// # Errors
/// A record that is none, is cut, or stands where it may not; a write or a transaction that is
/// there twice; a read of a write that another transaction made. The error names log and byte.
pub fn read_cobra_logs(logs: &[CobraLog]) -> Result<Read, CodecError> {
    let mut read = Reader::default();
    let mut builder = Builder::per_session();
    for (session, (name, bytes)) in logs.iter().enumerate() {
        let session = u32::try_from(session).unwrap_or(u32::MAX);
        read.log(&mut builder, Process(session), bytes)
            .map_err(|wrong| CodecError::log(name, wrong.at, wrong.message))?;
    }
    read.agree(logs)?;
    let history = builder.finish();
    let mut warnings = Vec::new();
    if !history.is_empty() {
        warnings.push(sessions::UNTIMED.to_owned());
    }
    if read.epochs > 0 {
        let words = "reads and writes that mark epochs of Cobra's garbage collection left out";
        warnings.push(format!("{} {words}", read.epochs));
    }
    Ok(Read {
        history,
        format: Format::Cobra,
        jepsen: false,
        meta: None,
        ended: None,
        torn: None,
        late: Vec::new(),
        warnings,
    })
}

/// What is wrong, and at which byte of a log.
struct Wrong {
    at: usize,
    message: String,
}

/// A read of a write, and where it stands.
struct Seen {
    write: i64,
    txn: i64,
    session: u32,
    at: usize,
}

/// What is known of all logs so far.
#[derive(Default)]
struct Reader {
    /// The transaction of each write.
    writers: FxHashMap<i64, i64>,
    /// Where each transaction began.
    begun: FxHashMap<i64, usize>,
    seen: Vec<Seen>,
    epochs: u64,
}

/// Records of one log.
struct Records<'l> {
    bytes: &'l [u8],
    at: usize,
}

impl Records<'_> {
    /// An integer of the record that begins at `start`.
    fn int(&mut self, start: usize) -> Result<i64, Wrong> {
        let Some(bytes) = self.bytes[self.at..].first_chunk() else {
            let message = "the log ends within this record; it was cut short".into();
            return Err(Wrong { at: start, message });
        };
        self.at += bytes.len();
        Ok(i64::from_be_bytes(*bytes))
    }

    /// Steps over a time. No record begins with a zero byte, and every time of this age does.
    fn skip_time(&mut self, start: usize) -> Result<(), Wrong> {
        match self.bytes.get(self.at) {
            Some(0) => self.int(start).map(drop),
            Some(_) | None => Ok(()),
        }
    }
}

impl Reader {
    fn log(&mut self, builder: &mut Builder, session: Process, bytes: &[u8]) -> Result<(), Wrong> {
        let mut records = Records { bytes, at: 0 };
        let mut open: Option<(i64, usize, Vec<Step>)> = None;
        while let Some(kind) = bytes.get(records.at) {
            let at = records.at;
            records.at += 1;
            match (kind, &mut open) {
                (b'S', None) => {
                    let txn = records.int(at)?;
                    records.skip_time(at)?;
                    if self.begun.insert(txn, at).is_some() {
                        let message = format!("transaction {txn} begins, and has begun before");
                        return Err(Wrong { at, message });
                    }
                    open = Some((txn, at, Vec::new()));
                }
                (b'W', Some((txn, _, steps))) => {
                    let txn = *txn;
                    self.write(&mut records, at, txn).map(|step| steps.extend(step))?;
                }
                (b'R', Some((_, _, steps))) => {
                    self.read(&mut records, at, session.0).map(|step| steps.extend(step))?;
                }
                (b'C', Some((txn, begun, steps))) => {
                    let committed = records.int(at)?;
                    records.skip_time(at)?;
                    if committed != *txn {
                        let message = format!("transaction {committed} commits within {txn}");
                        return Err(Wrong { at, message });
                    }
                    let (steps, begun) = (std::mem::take(steps), *begun);
                    open = None;
                    sessions::add(builder, session, Outcome::Ok, &steps)
                        .map_err(|source| Wrong { at: begun, message: source.to_string() })?;
                }
                (b'S' | b'W' | b'R' | b'C', open) => {
                    let letter = char::from(*kind);
                    let message = match open {
                        Some((txn, ..)) => format!("{letter} within transaction {txn}"),
                        None => format!("{letter} outside of a transaction"),
                    };
                    return Err(Wrong { at, message });
                }
                (other, _) => {
                    let message = format!("no record begins with {other:#04x}; S, W, R and C do");
                    return Err(Wrong { at, message });
                }
            }
        }
        match open {
            Some((_, begun, steps)) => sessions::begin(builder, session, &steps)
                .map_err(|source| Wrong { at: begun, message: source.to_string() }),
            None => Ok(()),
        }
    }

    fn write(
        &mut self,
        records: &mut Records<'_>,
        at: usize,
        txn: i64,
    ) -> Result<Option<Step>, Wrong> {
        let (write, key, _) = (records.int(at)?, records.int(at)?, records.int(at)?);
        if EPOCHS.contains(&write) {
            self.epochs += 1;
            return Ok(None);
        }
        if self.writers.insert(write, txn).is_some() {
            return Err(Wrong { at, message: format!("write {write} was made before") });
        }
        Ok(Some(Step { writes: true, key, value: Some(write) }))
    }

    fn read(
        &mut self,
        records: &mut Records<'_>,
        at: usize,
        session: u32,
    ) -> Result<Option<Step>, Wrong> {
        let (txn, write) = (records.int(at)?, records.int(at)?);
        let (key, _) = (records.int(at)?, records.int(at)?);
        if INITIAL.contains(&txn) && EPOCHS.contains(&write) {
            self.epochs += 1;
            return Ok(None);
        }
        match (INITIAL.contains(&txn), INITIAL.contains(&write)) {
            (true, true) => Ok(Some(Step { writes: false, key, value: None })),
            (false, false) => {
                self.seen.push(Seen { write, txn, session, at });
                Ok(Some(Step { writes: false, key, value: Some(write) }))
            }
            (true, false) | (false, true) => {
                let message =
                    format!("write {write} of {txn}: only one of them is the initial one");
                Err(Wrong { at, message })
            }
        }
    }

    /// That reads name the transactions that made the writes. A write that nobody made is left for
    /// checkers to wonder at.
    fn agree(&self, logs: &[CobraLog]) -> Result<(), CodecError> {
        for Seen { write, txn, session, at } in &self.seen {
            if let Some(writer) = self.writers.get(write)
                && writer != txn
            {
                let (name, _) = &logs[*session as usize];
                let message =
                    format!("a read of write {write} of transaction {txn}, but {writer} made it");
                return Err(CodecError::log(name, *at, message));
            }
        }
        Ok(())
    }
}
