//! What a member must find again after a crash: hard state and entries in a log of frames, the
//! snapshot in a file of its own.
//!
//! A frame is `u32 length | u32 crc32c | JSON`, little endian. At recovery the first bad frame
//! ends the log. Bytes that were never synced may reach the disk in any order, so good frames
//! behind a bad one prove nothing, and nothing beyond the last sync was ever promised to anybody.

use std::io;

use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::raft::{Entry, HardState, Recovered, Snapshot};

const LOG: &str = "raft.wal";
const SNAPSHOT: &str = "raft.snapshot";

/// Longest frame; longer lengths are garbage.
const FRAME_LIMIT: usize = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record {
    /// Term and vote from here on.
    Hard(HardState),
    /// An entry; those stored at its index and beyond are void.
    Entry(Entry),
}

/// The write-ahead log on a disk.
#[derive(Debug)]
pub struct Wal<D> {
    disk: D,
    buffer: Vec<u8>,
}

impl<D: Disk> Wal<D> {
    /// Opens the log, cuts a torn tail, and gives back what it holds.
    ///
    /// # Errors
    /// The disk's errors, and `InvalidData` for a snapshot or log that no crash can leave behind.
    pub fn open(mut disk: D) -> io::Result<(Wal<D>, Recovered)> {
        let snapshot = match disk.read(SNAPSHOT)? {
            None => Snapshot::default(),
            Some(bytes) => match next_frame(&bytes) {
                Some((payload, _)) => serde_json::from_slice(payload)?,
                None => return Err(invalid("raft.snapshot: bad checksum; restore the data")),
            },
        };
        let bytes = disk.read(LOG)?.unwrap_or_default();
        let (mut hard, entries, good) = read_log(&bytes)?;
        if good < bytes.len() {
            disk.replace(LOG, &bytes[..good])?;
        }
        let entries = after(&snapshot, entries)?;
        // A leader's snapshot may be there without the term it came with, if the crash came before
        // the log. No vote was given in that term: it would have been stored first.
        let newest = entries.last().map_or(snapshot.term, |entry| entry.term);
        if hard.term < newest {
            hard = HardState { term: newest, vote: None };
        }
        Ok((Wal { disk, buffer: Vec::new() }, Recovered { hard, snapshot, entries }))
    }

    /// Stores term and vote with the next [`Wal::sync`].
    ///
    /// # Errors
    /// What does not fit a frame.
    pub fn save(&mut self, hard: HardState) -> io::Result<()> {
        frame(&mut self.buffer, &Record::Hard(hard))
    }

    /// Stores an entry with the next [`Wal::sync`].
    ///
    /// # Errors
    /// What does not fit a frame.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        frame(&mut self.buffer, &Record::Entry(entry.clone()))
    }

    /// Makes everything durable. Answers whether there was anything.
    ///
    /// # Errors
    /// The disk's; the member must then stop, since it does not know what it has promised.
    pub fn sync(&mut self) -> io::Result<bool> {
        if self.buffer.is_empty() {
            return Ok(false);
        }
        self.disk.append(LOG, &self.buffer)?;
        self.disk.sync(LOG)?;
        self.buffer.clear();
        Ok(true)
    }

    /// Stores a snapshot and rewrites the log to what follows it. Durable on return.
    ///
    /// The snapshot goes first: a crash in between leaves entries that it covers, and recovery
    /// skips them.
    ///
    /// # Errors
    /// The disk's; the member must then stop.
    pub fn compact<'a>(
        &mut self,
        hard: HardState,
        snapshot: &Snapshot,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame(&mut bytes, snapshot)?;
        self.disk.replace(SNAPSHOT, &bytes)?;
        let mut bytes = Vec::new();
        frame(&mut bytes, &Record::Hard(hard))?;
        for entry in entries {
            frame(&mut bytes, &Record::Entry(entry.clone()))?;
        }
        self.disk.replace(LOG, &bytes)?;
        self.buffer.clear();
        Ok(())
    }
}

fn frame(buffer: &mut Vec<u8>, record: &impl Serialize) -> io::Result<()> {
    let payload = serde_json::to_vec(record)?;
    if payload.len() > FRAME_LIMIT {
        return Err(invalid("a record is longer than 64 MiB"));
    }
    buffer.extend((payload.len() as u32).to_le_bytes());
    buffer.extend(crc32c::crc32c(&payload).to_le_bytes());
    buffer.extend(payload);
    Ok(())
}

/// The first frame's payload and what is behind it; `None` when it is bad.
fn next_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    // An empty frame has checksum 0: a tail of zeros would be read as frames.
    if length == 0 || length > FRAME_LIMIT {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(length)?;
    (crc32c::crc32c(payload) == u32::from_le_bytes(*crc)).then_some((payload, rest))
}

/// Hard state, entries, and the length of the good part.
fn read_log(bytes: &[u8]) -> io::Result<(HardState, Vec<Entry>, usize)> {
    let (mut hard, mut entries, mut rest) = (HardState::default(), Vec::<Entry>::new(), bytes);
    while let Some((payload, tail)) = next_frame(rest) {
        rest = tail;
        match serde_json::from_slice(payload)? {
            Record::Hard(newer) => hard = newer,
            Record::Entry(entry) => {
                while entries.last().is_some_and(|last| last.index >= entry.index) {
                    entries.pop();
                }
                entries.push(entry);
            }
        }
    }
    Ok((hard, entries, bytes.len() - rest.len()))
}

/// The entries that continue `snapshot`.
fn after(snapshot: &Snapshot, entries: Vec<Entry>) -> io::Result<Vec<Entry>> {
    // A snapshot from a leader voids a log that conflicts with it. The crash came between the two
    // files when the entry it ends with has another term.
    let conflict = |entry: &Entry| entry.index == snapshot.index && entry.term != snapshot.term;
    if entries.iter().any(conflict) {
        return Ok(Vec::new());
    }
    let entries: Vec<Entry> =
        entries.into_iter().filter(|entry| entry.index > snapshot.index).collect();
    let gap = entries.iter().zip(snapshot.index + 1..).any(|(entry, index)| entry.index != index);
    match gap {
        true => Err(invalid("raft.wal: entries are missing; restore the data directory")),
        false => Ok(entries),
    }
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::Wal;
    use crate::kv::Command;
    use crate::raft::{Entry, HardState, Snapshot};
    use crate::sim::SimDisk;

    fn entry(index: u64, term: u64) -> Entry {
        Entry {
            index,
            term,
            command: Command::Put { key: "k".into(), value: (index as i64).into() },
        }
    }

    #[test]
    fn a_torn_tail_is_cut_and_voided_entries_are_gone() {
        let disk = SimDisk::default();
        let (mut wal, empty) = Wal::open(disk.clone()).unwrap();
        assert_eq!(empty, Default::default());
        let hard = HardState { term: 2, vote: Some(1) };
        wal.save(hard).unwrap();
        for e in [entry(1, 1), entry(2, 1), entry(3, 1), entry(2, 2)] {
            wal.append(&e).unwrap();
        }
        assert!(wal.sync().unwrap());
        wal.append(&entry(3, 2)).unwrap();
        let whole = disk.bytes("raft.wal").len();
        disk.write_unsynced("raft.wal", &[9, 0, 0, 0, 1, 2]);
        drop(wal);
        let (_, found) = Wal::open(disk.clone()).unwrap();
        assert_eq!((found.hard, found.entries), (hard, vec![entry(1, 1), entry(2, 2)]));
        assert_eq!(disk.bytes("raft.wal").len(), whole);
    }

    #[test]
    fn every_prefix_of_a_log_recovers() {
        let disk = SimDisk::default();
        let (mut wal, _) = Wal::open(disk.clone()).unwrap();
        for index in 1..=5 {
            wal.append(&entry(index, 1)).unwrap();
        }
        wal.sync().unwrap();
        let bytes = disk.bytes("raft.wal");
        for length in 0..=bytes.len() {
            let cut = SimDisk::default();
            cut.write_unsynced("raft.wal", &bytes[..length]);
            let (_, found) = Wal::open(cut).unwrap();
            assert!(found.entries.iter().zip(1..).all(|(e, index)| e.index == index));
            assert_eq!(found.entries.len() == 5, length == bytes.len());
        }
    }

    #[test]
    fn a_flipped_bit_never_recovers_as_data() {
        let disk = SimDisk::default();
        let (mut wal, _) = Wal::open(disk.clone()).unwrap();
        wal.append(&entry(1, 1)).unwrap();
        wal.sync().unwrap();
        let bytes = disk.bytes("raft.wal");
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let other = SimDisk::default();
            other.write_unsynced("raft.wal", &bad);
            assert_eq!(Wal::open(other).unwrap().1.entries, [], "bit {bit}");
        }
    }

    #[test]
    fn a_crash_between_snapshot_and_log_loses_nothing() {
        let disk = SimDisk::default();
        let (mut wal, _) = Wal::open(disk.clone()).unwrap();
        for index in 1..=4 {
            wal.append(&entry(index, 1)).unwrap();
        }
        wal.sync().unwrap();
        let log = disk.bytes("raft.wal");
        let snapshot = Snapshot { index: 2, term: 1, data: "{}".into() };
        wal.compact(HardState::default(), &snapshot, [entry(3, 1), entry(4, 1)].iter()).unwrap();
        let after = Wal::open(disk.clone()).unwrap().1;
        disk.put("raft.wal", &log);
        let between = Wal::open(disk.clone()).unwrap().1;
        assert_eq!(after, between);
        assert_eq!(after.entries, [entry(3, 1), entry(4, 1)]);
        let other = Snapshot { index: 2, term: 2, data: "{}".into() };
        wal.compact(HardState { term: 2, vote: None }, &other, [].iter()).unwrap();
        disk.put("raft.wal", &log);
        let found = Wal::open(disk).unwrap().1;
        assert_eq!(found.entries, [], "the old log conflicts");
        assert_eq!(found.hard.term, 2, "the snapshot's term is known");
    }
}
