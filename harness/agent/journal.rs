//! Undo records: what is needed to remove a fault, on the disk before the fault.
//!
//! Order of writing: temporary file, fsync, rename, fsync of the directory, then the fault. Order
//! of removing: undo, measure, unlink, fsync of the directory. So a record without its fault is
//! possible and a fault without its record is not; undoing is therefore idempotent everywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::home::{Home, boot_id, remove_durably, write_durably};
use crate::protocol::Flap;

/// Format of the records.
const VERSION: u32 = 1;

/// How to undo one fault: `{ KIND: what is needed }`, so that a record outlives the release that
/// wrote it wherever its kind does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Value>", into = "BTreeMap<String, Value>")]
pub(crate) enum Undo {
    /// A fault of [`crate::links`]: let these packets through again.
    Link(LinkUndo),
    /// A fault of [`crate::kinds`] on the daemon that the state names.
    Daemon {
        /// Which.
        kind: String,
        /// As the kind wrote it.
        state: Value,
    },
}

/// What a fault on links does to whose packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkUndo {
    /// Which of [`crate::links`].
    #[serde(default = "partition", skip_serializing_if = "is_partition")]
    pub(crate) kind: String,
    pub(crate) from: Vec<IpAddr>,
    pub(crate) to: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ports: Vec<u16>,
    pub(crate) flap: Option<Flap>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parameters: BTreeMap<String, i64>,
    pub(crate) mechanism: String,
}

/// Faults on links, in records; and partitions, which were the only ones.
const CUT: &str = "cut";

fn partition() -> String {
    "partition".into()
}

fn is_partition(kind: &str) -> bool {
    kind == "partition"
}

impl Undo {
    /// Fault family, in the field's words.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Undo::Link(link) if is_partition(&link.kind) => CUT,
            Undo::Link(link) => &link.kind,
            Undo::Daemon { kind, .. } => kind,
        }
    }

    /// The fault on links, if it is one.
    pub(crate) fn as_link(&self) -> Option<&LinkUndo> {
        match self {
            Undo::Link(link) => Some(link),
            Undo::Daemon { .. } => None,
        }
    }
}

impl TryFrom<BTreeMap<String, Value>> for Undo {
    type Error = String;

    fn try_from(map: BTreeMap<String, Value>) -> Result<Undo, String> {
        let mut entries = map.into_iter();
        let (Some((kind, state)), None) = (entries.next(), entries.next()) else {
            return Err("an undo is of one kind".into());
        };
        if kind != CUT {
            return Ok(Undo::Daemon { kind, state });
        }
        serde_json::from_value(state).map(Undo::Link).map_err(|error| error.to_string())
    }
}

impl From<Undo> for BTreeMap<String, Value> {
    fn from(undo: Undo) -> BTreeMap<String, Value> {
        let (key, state) = match undo {
            // Addresses, numbers and texts are data.
            Undo::Link(link) => (CUT.into(), serde_json::to_value(link).unwrap_or_default()),
            Undo::Daemon { kind, state } => (kind, state),
        };
        BTreeMap::from([(key, state)])
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) v: u32,
    /// Position in the journal: records are undone from the last to the first.
    pub(crate) id: u64,
    pub(crate) fault: u32,
    pub(crate) run: String,
    pub(crate) epoch: u64,
    pub(crate) kind: String,
    pub(crate) undo: Undo,
    pub(crate) boot_id: String,
    pub(crate) armed_boottime_ns: u64,
    pub(crate) deadline_boottime_ns: u64,
}

/// The record as it was written, byte by byte: a release that would write it otherwise still
/// finds the checksum right.
#[derive(Serialize, Deserialize)]
struct Sealed {
    record: Box<RawValue>,
    crc: u32,
}

/// The records of one run.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    run: String,
}

impl Journal {
    /// Of a run; the directory is made at the first record.
    pub(crate) fn new(home: &Home, run: &str) -> Journal {
        Journal { directory: home.run(run).join("undo.d"), run: run.into() }
    }

    /// Makes the record durable. The fault may be brought about after this has returned.
    pub(crate) fn arm(&self, fault: u32, epoch: u64, undo: Undo, at: [u64; 2]) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let id = self.list()?.last().map_or(1, |last| last.id + 1);
        let [armed_boottime_ns, deadline_boottime_ns] = at;
        let record = Record {
            v: VERSION,
            id,
            fault,
            run: self.run.clone(),
            epoch,
            kind: undo.kind().into(),
            undo,
            boot_id: boot_id(),
            armed_boottime_ns,
            deadline_boottime_ns,
        };
        let record = serde_json::value::to_raw_value(&record)?;
        let crc = crc32c::crc32c(record.get().as_bytes());
        let text = serde_json::to_vec(&Sealed { record, crc })?;
        write_durably(&self.path(id), &text)
    }

    /// All records, oldest first. One that cannot be read is set aside as `.bad`, so that it
    /// never hides the others, and named in an error: a person must look at it.
    pub(crate) fn list(&self) -> io::Result<Vec<Record>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                // Unlinked between the listing and the reading: undone, nothing to do.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let aside = path.with_extension("bad");
                    fs::rename(&path, &aside)?;
                    let aside = aside.display();
                    return Err(io::Error::other(format!("undo record {aside}: {error}")));
                }
                Ok(record) => records.push(record),
            }
        }
        records.sort_by_key(|record| record.id);
        Ok(records)
    }

    /// The record of a fault, if it is armed.
    pub(crate) fn find(&self, fault: u32) -> io::Result<Option<Record>> {
        Ok(self.list()?.into_iter().find(|record| record.fault == fault))
    }

    /// Drops a record whose undoing was measured.
    pub(crate) fn remove(&self, record: &Record) -> io::Result<()> {
        remove_durably(&self.path(record.id))
    }

    /// Records that were set aside because they could not be read.
    pub(crate) fn damaged(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let bad = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "bad");
        paths.filter(|path| path.as_ref().map_or(true, bad)).collect()
    }

    fn path(&self, id: u64) -> PathBuf {
        self.directory.join(format!("{id:08}.json"))
    }
}

fn read(path: &std::path::Path) -> io::Result<Record> {
    let sealed: Sealed = serde_json::from_slice(&fs::read(path)?)?;
    if crc32c::crc32c(sealed.record.get().as_bytes()) != sealed.crc {
        return Err(io::Error::other("checksum differs"));
    }
    Ok(serde_json::from_str(sealed.record.get())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempdir::Dir, Home) {
        let dir = tempdir::Dir::new();
        let home = Home::open(&dir.sub("root"), &dir.sub("run")).unwrap();
        (dir, home)
    }

    use crate::testing as tempdir;

    fn kill(daemon: &str) -> Undo {
        let state = serde_json::json!({ "daemon": daemon, "was": { "pid": 7, "start": 9 } });
        Undo::Daemon { kind: "kill".into(), state }
    }

    #[test]
    fn a_record_of_an_earlier_release_is_read() {
        let (_dir, home) = home();
        let journal = Journal::new(&home, "0000abcd");
        fs::create_dir_all(&journal.directory).unwrap();
        let record = |undo: &str| {
            format!(
                "{{\"v\":1,\"id\":1,\"fault\":4,\"run\":\"0000abcd\",\"epoch\":2,\"kind\":\"x\",\
                 \"undo\":{undo},\"boot_id\":\"b\",\"armed_boottime_ns\":1,\
                 \"deadline_boottime_ns\":2}}"
            )
        };
        for (undo, kind) in [
            (r#"{"kill":{"daemon":"db","was":{"pid":7,"start":9}}}"#, "kill"),
            (r#"{"pause":{"daemon":"db","processes":[{"pid":7,"start":9}]}}"#, "pause"),
            (r#"{"cut":{"from":["10.0.0.1"],"to":[],"flap":null,"mechanism":"nft"}}"#, "cut"),
        ] {
            let record = record(undo);
            let crc = crc32c::crc32c(record.as_bytes());
            let text = format!("{{\"record\":{record},\"crc\":{crc}}}");
            fs::write(journal.path(1), text).unwrap();
            let read = journal.find(4).unwrap().expect("the record");
            assert_eq!(read.undo.kind(), kind);
            assert_eq!(serde_json::to_string(&read.undo).unwrap().len(), undo.len());
        }
    }

    #[test]
    fn records_come_back_in_order_and_go_one_by_one() {
        let (_dir, home) = home();
        let journal = Journal::new(&home, "0000abcd");
        for fault in [5, 3, 9] {
            journal.arm(fault, 1, kill("db"), [1, 2]).unwrap();
        }
        let faults = |list: Vec<Record>| list.iter().map(|record| record.fault).collect::<Vec<_>>();
        assert_eq!(faults(journal.list().unwrap()), [5, 3, 9]);
        journal.remove(&journal.find(3).unwrap().unwrap()).unwrap();
        assert_eq!(faults(journal.list().unwrap()), [5, 9]);
    }

    #[test]
    fn a_damaged_record_is_named_and_does_not_hide_the_others() {
        let (_dir, home) = home();
        let journal = Journal::new(&home, "0000abcd");
        journal.arm(1, 1, kill("a"), [1, 2]).unwrap();
        journal.arm(2, 1, kill("b"), [1, 2]).unwrap();
        let path = journal.path(1);
        let text = fs::read_to_string(&path).unwrap().replace("\"pid\":7", "\"pid\":8");
        fs::write(&path, text).unwrap();
        let error = journal.list().unwrap_err().to_string();
        assert!(error.contains("00000001.bad") && error.contains("checksum"), "{error}");
        assert_eq!(journal.list().unwrap().len(), 1);
        assert_eq!(journal.damaged().unwrap().len(), 1, "it is not forgotten");
    }
}
