//! The JSON of dbcop: sessions of transactions of reads and writes of integers.
//!
//! `{"params":..,"info":..,"start":..,"end":..,"data":[SESSION..]}` or the sessions alone; a session
//! is an array of `{"events":[EVENT..],"committed":BOOL}`; an event is
//! `{"Read":{"variable":K,"version":V}}`, `{"Write":{..}}`, or `["r",K,V]`, `["w",K,V]`. The version
//! of a read of nothing is `null`, or 0 as `sessions.rs` says. There are no times.

use std::fmt;
use std::io::Write;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::CodecError;
use super::losses::Losses;
use super::sessions::{self, Holds, Step};
use crate::{Builder, History, Outcome, Process};

const HOLDS: Holds =
    Holds { name: "dbcop", aborted: true, nothing: true, negative: false, numbers: false };

pub(super) fn read(bytes: &[u8]) -> Result<(History, Vec<String>), CodecError> {
    let mut builder = Builder::per_session();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    File(&mut builder).deserialize(&mut json).and_then(|()| json.end()).map_err(|error| {
        let (line, column) = (error.line().max(1) as u64, error.column().max(1) as u64);
        let message = error.to_string();
        let end = message.rfind(" at line ").unwrap_or(message.len());
        CodecError::text(line, column, &message[..end])
    })?;
    Ok(sessions::finish(builder))
}

/// The file, or its sessions.
struct File<'b>(&'b mut Builder);

impl<'de> DeserializeSeed<'de> for File<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for File<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of sessions, or an object with one as its \"data\"")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut session = 0;
        while seq.next_element_seed(SessionSeed { builder: self.0, session })?.is_some() {
            session += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(name) = map.next_key::<String>()? {
            if name != "data" {
                map.next_value::<IgnoredAny>()?;
            } else if std::mem::replace(&mut found, true) {
                return Err(A::Error::duplicate_field("data"));
            } else {
                map.next_value_seed(File(&mut *self.0))?;
            }
        }
        if found { Ok(()) } else { Err(A::Error::missing_field("data")) }
    }
}

struct SessionSeed<'b> {
    builder: &'b mut Builder,
    session: u32,
}

impl<'de> DeserializeSeed<'de> for SessionSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for SessionSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session: an array of transactions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(Transaction { events, committed }) = seq.next_element()? {
            let outcome = if committed { Outcome::Ok } else { Outcome::Fail };
            let steps: Vec<Step> = events.into_iter().map(|EventStep(step)| step).collect();
            sessions::add(self.builder, Process(self.session), outcome, &steps)
                .map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Transaction {
    events: Vec<EventStep>,
    committed: bool,
}

struct EventStep(Step);

#[derive(Deserialize)]
struct Access {
    variable: i64,
    version: Option<i64>,
}

impl<'de> Deserialize<'de> for EventStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EventStep, D::Error> {
        deserializer.deserialize_any(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = EventStep;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event like {\"Read\":{\"variable\":1,\"version\":2}} or [\"r\",1,2]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EventStep, A::Error> {
        let name = map.next_key::<String>()?.unwrap_or_default();
        let writes = match name.as_str() {
            "Read" => false,
            "Write" => true,
            other => return Err(A::Error::unknown_variant(other, &["Read", "Write"])),
        };
        let Access { variable, version } = map.next_value()?;
        match map.next_key::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom("an event is one read or one write")),
            None => step(writes, variable, version),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<EventStep, A::Error> {
        let short = |length| move || A::Error::invalid_length(length, &"an event of three parts");
        let name: String = seq.next_element()?.ok_or_else(short(0))?;
        let writes = match name.as_str() {
            "r" => false,
            "w" => true,
            other => return Err(A::Error::unknown_variant(other, &["r", "w"])),
        };
        let variable = seq.next_element()?.ok_or_else(short(1))?;
        let version = seq.next_element()?.ok_or_else(short(2))?;
        match seq.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom("an event has three parts")),
            None => step(writes, variable, version),
        }
    }
}

fn step<E: Error>(writes: bool, key: i64, value: Option<i64>) -> Result<EventStep, E> {
    match (writes, value) {
        (true, None) => Err(E::custom("a write needs a version")),
        (_, value) => Ok(EventStep(Step { writes, key, value })),
    }
}

/// Writes the form that its command line reads. What it says of times is not ours to know.
pub(super) fn write(history: &History, out: &mut impl Write) -> Result<Vec<String>, CodecError> {
    let mut losses = Losses::default();
    let all = sessions::told(history, HOLDS, &mut losses)?;
    let sessions = all.iter().map(|(_, session)| session);
    let longest = sessions.clone().map(Vec::len).max().unwrap_or(0);
    let transactions = sessions.flatten();
    let events = transactions.clone().map(|txn| txn.steps.len()).max().unwrap_or(0);
    let steps = transactions.flat_map(|txn| &txn.steps);
    let keys: std::collections::BTreeSet<i64> = steps.map(|step| step.key).collect();
    const START: &str = "1970-01-01T00:00:00+00:00";
    write!(
        out,
        "{{\"params\":{{\"id\":0,\"n_node\":{},\"n_variable\":{},\"n_transaction\":{longest},\
         \"n_event\":{events}}},\"info\":\"tribunal\",\"start\":\"{START}\",\"end\":\"{START}\",\
         \"data\":[",
        all.len(),
        keys.len(),
    )?;
    for (at, (_, session)) in all.iter().enumerate() {
        out.write_all(if at == 0 { b"\n[" } else { b",\n[" })?;
        for (at, transaction) in session.iter().enumerate() {
            out.write_all(if at == 0 { b"{\"events\":[" } else { b",\n {\"events\":[" })?;
            for (at, Step { writes, key, value }) in transaction.steps.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let name = if *writes { "Write" } else { "Read" };
                write!(out, "{comma}{{\"{name}\":{{\"variable\":{key},\"version\":")?;
                match value {
                    Some(value) => write!(out, "{value}}}}}")?,
                    None => out.write_all(b"null}}")?,
                }
            }
            write!(out, "],\"committed\":{}}}", transaction.committed)?;
        }
        out.write_all(b"]")?;
    }
    out.write_all(b"]}\n")?;
    Ok(losses.sentences())
}
