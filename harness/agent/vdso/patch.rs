//! Writes the bend into a process, and takes it out again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::blob::{Blob, HEADER, MAGIC, NAMES, blob};
use super::image::{Layout, layout};
use super::stop::Stopped;
use super::{Bend, Found, Order};
use crate::proc;
use crate::protocol::Identity;

/// Attempts to find no thread where bytes are to change, a millisecond apart.
const ATTEMPTS: u32 = 100;

/// Bytes of an entry that are written at once: a jump takes five of them.
const WRITTEN: usize = 8;

/// A process's memory, and what is known of its vDSO.
struct Place {
    memory: File,
    base: u64,
    image: Vec<u8>,
    layout: Layout,
    blob: Blob,
}

pub(super) fn carry_out(identity: Identity, order: &Order) -> io::Result<Found> {
    let blob = blob().ok_or_else(|| io::Error::other("times are bent on x86-64 only"))?;
    for _ in 0..ATTEMPTS {
        let start = Instant::now();
        let stopped = Stopped::all(identity.pid)?;
        if proc::stat_of(identity).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let place = Place::open(identity.pid, &blob)?;
        let next = stopped.instructions()?;
        if !next.iter().any(|at| place.is_touched(*at, order)) {
            let bend = match order {
                Order::Set(bend) => place.set(*bend).map(|()| Some(*bend)),
                Order::Clear => place.clear().map(|()| None),
                Order::Look => place.bend(),
            }?;
            let since_ns = place.long(place.layout.slack + 24);
            drop(stopped);
            let stopped_us = start.elapsed().as_micros() as u64;
            return Ok(Found { identity, bend, since_ns, stopped_us });
        }
        drop(stopped);
        thread::sleep(Duration::from_millis(1));
    }
    Err(io::Error::other("a thread was always where its vDSO is to change"))
}

/// First and last address of the vDSO, the latter excluded.
pub(super) fn vdso(maps: &str) -> Option<(u64, u64)> {
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let (from, to) = line.split(' ').next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (from, to) = (number(from)?, number(to)?);
    (from < to && to - from <= 1 << 20).then_some((from, to))
}

impl Place {
    fn open(pid: i32, blob: &Blob) -> io::Result<Place> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let (base, end) = vdso(&maps).ok_or_else(|| io::Error::other("it has no vDSO"))?;
        let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
        let mut image = vec![0; (end - base) as usize];
        memory.read_exact_at(&mut image, base)?;
        let layout = layout(&image)?;
        let blob = Blob { bytes: blob.bytes, starts: blob.starts };
        let place = Place { memory, base, image, layout, blob };
        let slot = place.slot()?;
        if !place.is_ours() && slot.iter().any(|byte| *byte != 0) {
            return Err(io::Error::other("the end of its vDSO is in use"));
        }
        Ok(place)
    }

    fn slot(&self) -> io::Result<&[u8]> {
        let (from, length) = (self.layout.slack, self.blob.bytes.len());
        let room = self.image.len().saturating_sub(from);
        self.image.get(from..from + length).ok_or_else(|| {
            io::Error::other(format!("its vDSO has {room} bytes to spare, {length} are needed"))
        })
    }

    fn long(&self, at: usize) -> u64 {
        let bytes = self.image.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    }

    /// Whether the slot was written by us, now or before.
    fn is_ours(&self) -> bool {
        self.long(self.layout.slack) == MAGIC
    }

    /// Whether a thread that goes on there could meet half of a change. Code of ours that is left
    /// alone may be run to its end: undoing does not wait for threads that ask for the time.
    fn is_touched(&self, next: u64, order: &Order) -> bool {
        let within = |from: u64, length: usize| next > from && next < from + length as u64;
        let entries = self.layout.entries.iter().flatten();
        let mut entries = entries.map(|entry| self.base + *entry as u64);
        let slot = self.base + self.layout.slack as u64;
        match order {
            Order::Look => false,
            Order::Clear => entries.any(|entry| within(entry, WRITTEN)),
            Order::Set(_) => {
                entries.any(|entry| within(entry, WRITTEN)) || within(slot, self.blob.bytes.len())
            }
        }
    }

    /// What was in an entry before it was patched.
    fn saved(&self, function: usize, entry: usize) -> [u8; WRITTEN] {
        let mut bytes = [0; WRITTEN];
        let at = match self.is_ours() {
            true => self.layout.slack + 32 + 16 * function + 8,
            false => entry,
        };
        bytes.copy_from_slice(&self.image[at..at + WRITTEN]);
        bytes
    }

    /// What a patched entry holds: a jump of five bytes, and three that were there.
    fn jump(&self, function: usize, entry: usize) -> [u8; WRITTEN] {
        let target = self.layout.slack + self.blob.starts[function];
        // Both are in one image of at most a mebibyte.
        let distance = target as i64 - (entry as i64 + 5);
        let mut bytes = self.saved(function, entry);
        bytes[0] = 0xe9;
        bytes[1..5].copy_from_slice(&(distance as i32).to_le_bytes());
        bytes
    }

    fn functions(&self) -> impl Iterator<Item = (usize, usize)> {
        let entries = (0..NAMES.len()).zip(self.layout.entries);
        entries.filter_map(|(function, entry)| Some((function, entry?)))
    }

    /// Code and header first, then the jumps to it.
    fn set(&self, bend: Bend) -> io::Result<()> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let since = since.map_err(io::Error::other)?.as_nanos() as u64;
        let mut bytes = self.blob.bytes.to_vec();
        let mut put = |at: usize, value: u64| {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        };
        put(0, MAGIC);
        put(8, bend.offset_ns as u64);
        put(16, bend.drift_ppb as u64);
        put(24, since);
        for (function, entry) in self.functions() {
            put(32 + 16 * function, self.base + entry as u64);
            put(40 + 16 * function, u64::from_le_bytes(self.saved(function, entry)));
        }
        debug_assert!(self.blob.starts.iter().all(|start| *start >= HEADER));
        self.write(self.layout.slack, &bytes)?;
        for (function, entry) in self.functions() {
            self.write(entry, &self.jump(function, entry))?;
        }
        Ok(())
    }

    /// The entries as they were. What lies behind the image stays: nothing leads to it.
    fn clear(&self) -> io::Result<()> {
        if !self.is_ours() {
            return Ok(());
        }
        self.functions()
            .try_for_each(|(function, entry)| self.write(entry, &self.saved(function, entry)))
    }

    /// `None`: nothing leads to our code.
    ///
    /// # Errors
    /// Entries that are neither ours nor what they were.
    fn bend(&self) -> io::Result<Option<Bend>> {
        if !self.is_ours() {
            return Ok(None);
        }
        let held = |entry: usize| &self.image[entry..entry + WRITTEN];
        let all = |is: &dyn Fn(usize, usize) -> bool| {
            self.functions().all(|(function, entry)| is(function, entry))
        };
        if all(&|function, entry| held(entry) == self.saved(function, entry)) {
            return Ok(None);
        }
        if !all(&|function, entry| held(entry) == self.jump(function, entry)) {
            return Err(io::Error::other("its vDSO was changed by somebody else"));
        }
        let slack = self.layout.slack;
        let (offset_ns, drift_ppb) = (self.long(slack + 8) as i64, self.long(slack + 16) as i64);
        Ok(Some(Bend { offset_ns, drift_ppb }))
    }

    /// Writes through what the mapping allows, and reads it back.
    fn write(&self, at: usize, bytes: &[u8]) -> io::Result<()> {
        let address = self.base + at as u64;
        self.memory.write_all_at(bytes, address)?;
        let mut back = vec![0; bytes.len()];
        self.memory.read_exact_at(&mut back, address)?;
        match back == bytes {
            true => Ok(()),
            false => Err(io::Error::other("what was written to its vDSO is not there")),
        }
    }
}
