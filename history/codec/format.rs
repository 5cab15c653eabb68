//! Which format bytes are in, and the one door to all of them.

use std::io::Write;

use super::input::Input;
use super::native::{self, FrameEncoder, Late, LogHeader, Torn};
use super::window::Window;
use super::{
    CodecError, Track, awdit, dbcop, edn, jepsen, jsonl, packed, polysi, porcupine, track,
};
use crate::{EventId, Family, History, Value};

/// The key of the one register of a format that names no key.
pub const SOLE_KEY: Value = Value::Nil;

/// A format histories are read from and written to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Format {
    /// Our log, `history.log`: nothing is lost.
    Native,
    /// Our JSON lines; reads JSON with Jepsen's keys, too.
    Jsonl,
    /// The EDN of Jepsen, Elle and Knossos.
    Edn,
    /// Porcupine's log of Jepsen's etcd tests.
    Porcupine,
    /// AWDIT's text: `r KEY VALUE`, sessions one after the other.
    Awdit,
    /// PolySI's text: `r(KEY,VALUE,SESSION,TXN)`.
    Polysi,
    /// dbcop's JSON.
    Dbcop,
    /// Cobra's logs, a directory of them: see [`read_cobra`](super::read_cobra). Only read.
    Cobra,
}

impl Format {
    /// Every format of one file, in the order of the documentation.
    pub const ALL: [Format; 7] = [
        Format::Native,
        Format::Jsonl,
        Format::Edn,
        Format::Porcupine,
        Format::Awdit,
        Format::Polysi,
        Format::Dbcop,
    ];

    /// The format's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Native => "native",
            Format::Jsonl => "jsonl",
            Format::Edn => "edn",
            Format::Porcupine => "porcupine",
            Format::Awdit => "awdit",
            Format::Polysi => "polysi",
            Format::Dbcop => "dbcop",
            Format::Cobra => "cobra",
        }
    }

    /// Every format by its name, that of directories too.
    pub fn named() -> impl Iterator<Item = Format> {
        Format::ALL.into_iter().chain([Format::Cobra])
    }

    /// The format of a name.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::named().find(|format| format.name() == name)
    }
}

/// What the bytes do not say themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// Whether values of registers in Jepsen's formats are `[key value]` tuples. `None`: decided
    /// by the first register operation.
    pub independent: Option<bool>,
    /// Which family `:read` and `:add` of Jepsen's formats belong to, in events that do not say it
    /// themselves. `None`: whatever the rest of the file shows; an error where it shows nothing.
    pub family: Option<Family>,
    /// Most bytes that a packed file may unpack to: 4 GiB if `None`. It is never more than a
    /// hundred times the file, or 16 MiB.
    pub unpacked_bytes: Option<u64>,
}

/// A history as it was read.
#[derive(Debug)]
pub struct Read {
    /// What was observed.
    pub history: History,
    /// The format it was in.
    pub format: Format,
    /// Whether it has Jepsen's keys: EDN, or JSON that says the same.
    pub jepsen: bool,
    /// What is known about the run: one JSON document.
    pub meta: Option<String>,
    /// Why the run ended. Of the formats that can say so, a missing end means incomplete.
    pub ended: Option<String>,
    /// Where a native log is torn.
    pub torn: Option<Torn>,
    /// Replies to operations that had been given up. Only a native log keeps them.
    pub late: Vec<Late>,
    /// What had to be assumed or was left out: sentences for people.
    pub warnings: Vec<String>,
}

/// The format bytes are in, by content and never by name.
pub fn detect(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(native::MAGIC) {
        return Some(Format::Native);
    }
    let text = skip_blank(bytes);
    if text.is_empty() {
        // A log of no events is an empty file; a file of comments is EDN.
        let blank = bytes.iter().all(u8::is_ascii_whitespace);
        return Some(if blank { Format::Porcupine } else { Format::Edn });
    }
    match text {
        [b'I', b'N', b'F', b'O', ..] => return Some(Format::Porcupine),
        [b'r' | b'w', b'(', ..] => return Some(Format::Polysi),
        [b'r' | b'w', b' ' | b'\t', ..] => return Some(Format::Awdit),
        [b'-', b'-', b'-', ..] | [b'=', b'=', b'=', ..] => return Some(Format::Awdit),
        [..] => {}
    }
    let inner = match text[0] {
        b'[' | b'(' => skip_blank(&text[1..]),
        _ => text,
    };
    match inner {
        [b'[', ..] if text[0] == b'[' => Some(Format::Dbcop),
        [] | [b']' | b')', ..] => Some(Format::Edn),
        [b'#', ..] => Some(Format::Edn),
        [b'{', rest @ ..] => match skip_blank(rest) {
            [b'"', name @ ..] if DBCOP.iter().any(|word| name.starts_with(word.as_bytes())) => {
                Some(Format::Dbcop)
            }
            [b'"', ..] => Some(Format::Jsonl),
            [b':', ..] => Some(Format::Edn),
            _ => None,
        },
        _ => None,
    }
}

/// First keys of what dbcop writes, which are none of Jepsen's and none of ours.
const DBCOP: [&str; 3] = ["params\"", "info\"", "data\""];

/// White space, commas and `;` comments.
fn skip_blank(mut bytes: &[u8]) -> &[u8] {
    bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    loop {
        match bytes {
            [b' ' | b'\t' | b'\r' | b'\n' | b',', rest @ ..] => bytes = rest,
            [b';', ..] => {
                let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
                bytes = &bytes[end..];
            }
            _ => return bytes,
        }
    }
}

/// Reads a history in `format`, or in the format its content shows. What is packed with zstd or
/// gzip is unpacked first.
///
/// # Errors
/// Bytes in no known format, or that are not a history; the error says where.
pub fn read(
    bytes: &[u8],
    format: Option<Format>,
    options: &ReadOptions,
) -> Result<Read, CodecError> {
    let bytes = &*packed::unpacked(bytes, options.unpacked_bytes)?;
    read_input(Input::Bytes(bytes), format, options)
}

/// The same of what can be read and wound back, such as a file. Beside the history about a record
/// is in memory: of what is packed, of dbcop's JSON, and of events that are not in the order of
/// their index, all.
///
/// # Errors
/// As [`read`], and a source that fails.
pub fn read_from(
    source: &mut (impl std::io::Read + std::io::Seek),
    format: Option<Format>,
    options: &ReadOptions,
) -> Result<Read, CodecError> {
    let mut input = Input::Stream(source);
    let mut window = input.window()?;
    window.at_least(packed::HEAD)?;
    if packed::is_packed(window.data()) {
        return read(&input.all()?, format, options);
    }
    read_input(input, format, options)
}

fn read_input(
    mut input: Input<'_>,
    format: Option<Format>,
    options: &ReadOptions,
) -> Result<Read, CodecError> {
    let mut window = input.window()?;
    window.at_least(DETECTED)?;
    let Some(format) = format.or_else(|| detect(window.data())) else {
        return Err(CodecError::Unsupported(refusal(window.data())));
    };
    let text = |(history, warnings)| Read {
        history,
        format,
        jepsen: matches!(format, Format::Jsonl | Format::Edn),
        meta: None,
        ended: None,
        torn: None,
        late: Vec::new(),
        warnings,
    };
    match format {
        Format::Native => native(&mut window),
        Format::Jsonl if jsonl::is_ours(&mut window) => jsonl::read(&mut window),
        Format::Jsonl => jepsen::read(input, true, options).map(text),
        Format::Edn => jepsen::read(input, false, options).map(text),
        Format::Porcupine => porcupine::read(&mut window).map(text),
        Format::Awdit => awdit::read(window).map(text),
        Format::Polysi => polysi::read(window).map(text),
        Format::Dbcop => dbcop::read(&input.all()?).map(text),
        Format::Cobra => Err(CodecError::Unsupported(DIRECTORY.to_owned())),
    }
}

/// Why a file is neither read nor written as Cobra's logs.
const DIRECTORY: &str = "Cobra's logs are a directory, one for each client, and only read";

/// Bytes that are looked at to find the format.
const DETECTED: usize = 1 << 16;

fn native(window: &mut Window<'_>) -> Result<Read, CodecError> {
    let log = native::read_window(window)?;
    let mut warnings = Vec::new();
    if let Some(torn) = &log.torn {
        warnings.push(format!(
            "the log is torn at byte {}: {}; the {} events before it are kept",
            torn.at_byte, torn.reason, torn.kept_events
        ));
    }
    if log.ended.is_none() {
        warnings.push("the log has no end: the run was cut short".to_owned());
    }
    if log.skipped > 0 {
        warnings.push(format!("{} records of a newer release were skipped", log.skipped));
    }
    Ok(Read {
        history: log.history,
        format: Format::Native,
        jepsen: false,
        meta: log.meta,
        ended: log.ended,
        torn: log.torn,
        late: log.late,
        warnings,
    })
}

/// Why bytes in no known format are refused, and what to do.
fn refusal(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 2] = [
        (b"PAR1", "Parquet, which is only written"),
        (b"JEPSEN", "Jepsen's binary store; export its history.edn first"),
    ];
    let text = skip_blank(bytes);
    for (magic, what) in known {
        if bytes.starts_with(magic) || text.starts_with(magic) {
            return format!("this is {what}");
        }
    }
    let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
    format!("the content is in no known format; name one of {}", names.join(", "))
}

/// Writes a history, and says what the format could not hold.
///
/// # Errors
/// A history the format cannot hold at all, or a sink that fails.
pub fn write(
    history: &History,
    format: Format,
    out: &mut impl Write,
) -> Result<Vec<String>, CodecError> {
    match format {
        Format::Native => write_native(history, out).map(|()| Vec::new()),
        Format::Jsonl => jsonl::write(history, out).map(|()| Vec::new()),
        Format::Edn => edn::write(history, out),
        Format::Porcupine => porcupine::write(history, out),
        Format::Awdit => awdit::write(history, out),
        Format::Polysi => polysi::write(history, out),
        Format::Dbcop => dbcop::write(history, out),
        Format::Cobra => Err(CodecError::Unsupported(DIRECTORY.to_owned())),
    }
}

/// Events per frame of a written log.
const FRAME_EVENTS: u32 = 1024;

/// Events are written in the order of their rank, and the log says that this order counts: the
/// times of a history read from text may contradict it.
fn write_native(history: &History, out: &mut impl Write) -> Result<(), CodecError> {
    let mut encoder = FrameEncoder::new(&LogHeader::default());
    out.write_all(encoder.header_bytes())?;
    match history.has_real_time() {
        true => encoder.in_given_order()?,
        false => encoder.per_session()?,
    }
    let mut track = track(history).peekable();
    for id in 0..history.event_count() {
        let (operation, completion) = history.owner(EventId(id));
        let (asked, answered) = (operation.invoked_at(), operation.completed_at());
        let now = if completion { answered } else { asked };
        while let Some(entry) = track.next_if(|entry| entry.time() < now) {
            put_track(&mut encoder, &entry)?;
        }
        let (process, op) = (operation.process(), operation.op());
        match completion {
            false => {
                let session = Some(operation.session());
                encoder.invoke(process, session, operation.node(), &op, asked)?;
            }
            true => {
                let (outcome, error) = (operation.outcome(), operation.error());
                encoder.complete(process, outcome, Some(&op), error.as_ref(), asked, answered)?;
            }
        }
        if id % FRAME_EVENTS == FRAME_EVENTS - 1
            && let Some(frame) = encoder.frame()
        {
            out.write_all(frame)?;
        }
    }
    for entry in track {
        put_track(&mut encoder, &entry)?;
    }
    encoder.end(history.end(), "export")?;
    if let Some(frame) = encoder.frame() {
        out.write_all(frame)?;
    }
    Ok(())
}

fn put_track(encoder: &mut FrameEncoder, entry: &Track<'_>) -> Result<(), CodecError> {
    match entry {
        Track::Fault(fault) => encoder.fault(fault),
        Track::Mark(mark) => encoder.mark(mark),
    }
}
