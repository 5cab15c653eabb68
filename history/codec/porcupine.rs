//! Porcupine's log of Jepsen's etcd tests: one line per event, one integer register, no times.
//!
//! `INFO  jepsen.util - 4<TAB>:invoke<TAB>:cas<TAB>[2 4]`

use std::io::Write;

use super::losses::Losses;
use super::sessions::LINE_LIMIT;
use super::window::Window;
use super::{CodecError, SOLE_KEY};
use crate::{
    Builder, ErrorClass, Event, FaultEdge, FaultEvent, History, Kind, Nanos, Observed, Op, Outcome,
    Process, RegisterOp, Value, brief,
};

const PREFIX: &str = "jepsen.util -";

/// Reads a log. An empty text is a history without operations.
pub(super) fn read(window: &mut Window<'_>) -> Result<(History, Vec<String>), CodecError> {
    let mut builder = Builder::as_given();
    let mut number = 0;
    while let Some(length) = window.line(LINE_LIMIT)? {
        number += 1;
        event(window, length, number, &mut builder)?;
        window.consume(length + 1);
    }
    let history = builder.finish();
    let warnings = match history.is_empty() {
        true => Vec::new(),
        false => vec!["the format has no times; only the order of events is known".to_owned()],
    };
    Ok((history, warnings))
}

/// Adds what the next `length` bytes say.
fn event(
    window: &Window<'_>,
    length: usize,
    number: u64,
    builder: &mut Builder,
) -> Result<(), CodecError> {
    let error = |offset: usize, message: &str| window.error(offset, message);
    let line = std::str::from_utf8(&window.data()[..length]).map_err(|bad| {
        error(bad.valid_up_to(), "a byte that is not UTF-8; is this a text file?")
    })?;
    let line = line.trim_end_matches('\r');
    if line.trim().is_empty() {
        return Ok(());
    }
    let Some((_, rest)) = line.split_once(PREFIX).filter(|_| line.starts_with("INFO")) else {
        return Err(error(0, "a line must start with `INFO  jepsen.util - `"));
    };
    let offset = line.len() - rest.len();
    let mut rest = rest.trim_start();
    let mut words = [""; 3];
    for word in &mut words {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        *word = &rest[..end];
        rest = rest[end..].trim_start();
    }
    let [process, kind, f] = words;
    let kind = match kind {
        ":invoke" => Kind::Invoke,
        ":ok" => Kind::Ok,
        ":fail" => Kind::Fail,
        ":info" => Kind::Info,
        _ => return Err(error(offset, "expected process, type, operation and value")),
    };
    let Ok(process) = process.parse().map(Process) else {
        builder.fault(nemesis(f, rest));
        return Ok(());
    };
    let op =
        || operation(f, rest.trim_end()).map_err(|message| error(line.len() - rest.len(), message));
    // A compare-and-set that failed in time found another value.
    let failed = || match rest.contains(":timed-out") {
        true => Some(ErrorClass::TIMEOUT),
        false => (kind == Kind::Fail && f == ":cas").then_some(ErrorClass::MISMATCH),
    };
    let done = match kind {
        Kind::Invoke => builder.invoke(Nanos(0), process, None, None, &op()?),
        Kind::Ok => builder.complete(Nanos(0), process, Outcome::Ok, Some(&op()?), None),
        Kind::Fail => builder.complete(Nanos(0), process, Outcome::Fail, None, failed().as_ref()),
        Kind::Info => builder.complete(Nanos(0), process, Outcome::Info, None, failed().as_ref()),
    };
    done.map(drop).map_err(|source| CodecError::Events { line: number, source })
}

fn nemesis(f: &str, value: &str) -> FaultEvent {
    FaultEvent {
        time: Nanos(0),
        fault: 0,
        edge: FaultEdge::Injected,
        kind: f.trim_start_matches(':').to_owned(),
        nodes: Vec::new(),
        detail: serde_json::json!({ "value": value }).to_string(),
    }
}

fn operation(f: &str, value: &str) -> Result<Op, &'static str> {
    let key = SOLE_KEY;
    let op = match f {
        ":read" => {
            let value = match int(value) {
                Some(Value::Nil) => Observed::Absent,
                Some(value) => Observed::Present(value),
                None => return Err("a read needs `nil` or an integer"),
            };
            RegisterOp::Read { key, value }
        }
        ":write" => match int(value) {
            Some(value) => RegisterOp::Write { key, value },
            None => return Err("a write needs an integer"),
        },
        ":cas" => {
            let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
            let mut parts = inner.unwrap_or_default().split_whitespace().map(int);
            match (parts.next(), parts.next(), parts.next()) {
                (Some(Some(from)), Some(Some(to)), None) => RegisterOp::Cas { key, from, to },
                _ => return Err("a cas needs `[from to]`"),
            }
        }
        _ => return Err("an operation must be :read, :write or :cas"),
    };
    Ok(Op::Register(op))
}

fn int(text: &str) -> Option<Value> {
    match text {
        "nil" => Some(Value::Nil),
        text => text.parse().ok().map(Value::Int),
    }
}

/// Writes the events of one register.
pub(super) fn write(history: &History, out: &mut impl Write) -> Result<Vec<String>, CodecError> {
    if !history.has_real_time() {
        return Err(CodecError::Unsupported(
            "the Porcupine log orders all of its events in real time, and this history does not; \
             write edn instead"
                .to_owned(),
        ));
    }
    let mut losses = Losses::default();
    let mut key: Option<Value> = None;
    for _ in history.faults() {
        losses.count("steps of faults dropped");
    }
    for _ in history.marks() {
        losses.count("marks dropped");
    }
    for event in history.events() {
        let Op::Register(op) = &event.op else {
            return Err(CodecError::Unsupported(
                "the Porcupine log holds one register and no transactions; write edn instead"
                    .to_owned(),
            ));
        };
        match &key {
            Some(key) if key != op.key() => {
                return Err(CodecError::Unsupported(format!(
                    "the log holds one register, not {key} and {}; write edn, or a file per key",
                    op.key()
                )));
            }
            Some(_) => {}
            None => {
                if *op.key() != SOLE_KEY {
                    losses.count("keys dropped");
                }
                key = Some(op.key().clone());
            }
        }
        line(&event, op, &mut losses, out)?;
    }
    Ok(losses.sentences())
}

fn line(
    event: &Event,
    op: &RegisterOp,
    losses: &mut Losses,
    out: &mut impl Write,
) -> Result<(), CodecError> {
    if event.time != Nanos(0) {
        losses.count("times dropped");
    }
    if event.node.is_some() {
        losses.count("node names dropped");
    }
    if event.session.0 != event.process.0 {
        losses.count("sessions dropped");
    }
    let failed_cas = event.kind == Kind::Fail && matches!(op, RegisterOp::Cas { .. });
    let timeout = match &event.error {
        Some(error) if event.kind != Kind::Ok && *error == ErrorClass::TIMEOUT => true,
        Some(error) if failed_cas && *error == ErrorClass::MISMATCH => false,
        // With its values it would say that it found another one.
        _ if failed_cas => {
            losses.count("failed compare-and-sets that found nothing written as :timed-out");
            true
        }
        None => false,
        Some(_) => {
            losses.count("error classes dropped");
            false
        }
    };
    let (process, kind, f) = (event.process.0, event.kind.name(), op.name());
    write!(out, "INFO  jepsen.util - {process}\t:{kind}\t:{f}\t")?;
    match op {
        _ if timeout => out.write_all(b":timed-out\n")?,
        RegisterOp::Read { value: Observed::Present(value), .. } if event.kind == Kind::Ok => {
            if *value == Value::Nil {
                losses.count("reads of an explicit nil, which read back as nothing there");
            }
            writeln!(out, "{}", plain(value)?)?;
        }
        RegisterOp::Read { value, .. } => {
            if event.kind == Kind::Ok && *value == Observed::Pending {
                return Err(CodecError::Unsupported(format!(
                    "event {} is an ok read without an answer, which a Porcupine log cannot say",
                    event.id
                )));
            }
            out.write_all(b"nil\n")?;
        }
        RegisterOp::Write { value, .. } => writeln!(out, "{}", plain(value)?)?,
        RegisterOp::Cas { from, to, .. } => writeln!(out, "[{} {}]", plain(from)?, plain(to)?)?,
        RegisterOp::Append { .. } => {
            return Err(CodecError::Unsupported(
                "the Porcupine log holds no appends; write edn instead".to_owned(),
            ));
        }
    }
    Ok(())
}

fn plain(value: &Value) -> Result<String, CodecError> {
    match value {
        Value::Nil => Ok("nil".to_owned()),
        Value::Int(int) => Ok(int.to_string()),
        Value::Text(_) | Value::Unparsed(_) => Err(CodecError::Unsupported(format!(
            "the Porcupine log holds integers, not {}; write edn instead",
            brief(value)
        ))),
    }
}
