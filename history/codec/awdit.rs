//! The text of AWDIT: a line for each read or write, sessions one after the other.
//!
//! `r KEY VALUE`, `w KEY VALUE`; `-----` ends a transaction, `=====` a session. Every transaction
//! is committed; there are no times. What a read of 0 means is said in `sessions.rs`.

use std::io::Write;

use super::losses::Losses;
use super::sessions::{self, Holds, LINE_LIMIT, Step};
use super::window::Window;
use super::{CodecError, tape};
use crate::{Builder, History, Outcome, Process};

const HOLDS: Holds =
    Holds { name: "awdit", aborted: false, nothing: false, negative: true, numbers: false };

pub(super) fn read(mut window: Window<'_>) -> Result<(History, Vec<String>), CodecError> {
    let mut builder = Builder::per_session();
    let (mut steps, mut session, mut started) = (Vec::new(), 0_u32, 1);
    let mut number = 0;
    while let Some(length) = window.line(LINE_LIMIT)? {
        number += 1;
        match parse(&window, length)? {
            Line::Blank => {}
            Line::Step(step) => {
                if steps.is_empty() {
                    started = number;
                }
                steps.push(step);
            }
            Line::Transaction => end(&mut builder, session, &mut steps, started)?,
            Line::Session => {
                end(&mut builder, session, &mut steps, started)?;
                session = match session.checked_add(1) {
                    Some(session) => session,
                    None => return Err(window.error(0, "more than 2^32 sessions")),
                };
            }
        }
        window.consume(length + 1);
    }
    end(&mut builder, session, &mut steps, started)?;
    Ok(sessions::finish(builder))
}

fn end(
    builder: &mut Builder,
    session: u32,
    steps: &mut Vec<Step>,
    line: u64,
) -> Result<(), CodecError> {
    if !steps.is_empty() {
        sessions::add(builder, Process(session), Outcome::Ok, steps)
            .map_err(|source| CodecError::Events { line, source })?;
        steps.clear();
    }
    Ok(())
}

enum Line {
    Blank,
    Step(Step),
    Transaction,
    Session,
}

fn parse(window: &Window<'_>, length: usize) -> Result<Line, CodecError> {
    let line = &window.data()[..length];
    let trimmed = line.trim_ascii();
    match trimmed {
        [] => return Ok(Line::Blank),
        [b'-', b'-', b'-', rest @ ..] if rest.iter().all(|byte| *byte == b'-') => {
            return Ok(Line::Transaction);
        }
        [b'=', b'=', b'=', rest @ ..] if rest.iter().all(|byte| *byte == b'=') => {
            return Ok(Line::Session);
        }
        [..] => {}
    }
    let mut words = trimmed.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let at = |word: &[u8]| tape::offset_in(line, word);
    let writes = match words.next() {
        Some(b"r") => false,
        Some(b"w") => true,
        Some(_) | None => {
            let message = "a line must be `r KEY VALUE`, `w KEY VALUE`, `-----` or `=====`";
            return Err(window.error(at(trimmed), message));
        }
    };
    let mut int = |name: &str| match words.next() {
        None => Err(window.error(length, format!("the {name} is missing"))),
        Some(word) => tape::ascii_int(word).ok_or_else(|| {
            window.error(at(word), format!("the {name} must be an integer of 64 bits"))
        }),
    };
    let (key, value) = (int("key")?, int("value")?);
    match words.next() {
        None => Ok(Line::Step(Step { writes, key, value: Some(value) })),
        Some(word) => Err(window.error(at(word), "nothing may follow the value")),
    }
}

pub(super) fn write(history: &History, out: &mut impl Write) -> Result<Vec<String>, CodecError> {
    let mut losses = Losses::default();
    let all = sessions::told(history, HOLDS, &mut losses)?;
    for (at, (_, session)) in all.iter().enumerate() {
        if at > 0 {
            out.write_all(b"=====\n")?;
        }
        for (at, transaction) in session.iter().enumerate() {
            if at > 0 {
                out.write_all(b"-----\n")?;
            }
            for Step { writes, key, value } in &transaction.steps {
                let word = if *writes { 'w' } else { 'r' };
                writeln!(out, "{word} {key} {}", value.unwrap_or(sessions::INITIAL))?;
            }
        }
    }
    Ok(losses.sentences())
}
