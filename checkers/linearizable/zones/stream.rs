//! The zone test while events come in: bytes per value, none per operation.
//!
//! Two values contradict each other iff each has an operation that returned before one of the
//! other was called. Values are listed by their first return, so those that may contradict the
//! one that was just seen stand before it, or a few places after.

use std::fmt;

const NEVER: u32 = u32::MAX;

/// Places looked at, or set right, for one event. What is further away is seen at the end.
const NEAR: usize = 256;

/// A value may be this much larger than twice the rank of its write: memory is by value.
const SPARSE: u32 = 1 << 20;

/// What happened to the register. Values are small numbers, each written at most once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A write was invoked. One that never returns, or whose outcome is unknown, has no other
    /// event.
    WriteCalled {
        /// What it writes.
        value: u32,
    },
    /// A write returned, successfully.
    WriteReturned {
        /// What it wrote.
        value: u32,
    },
    /// A read returned with an answer. Reads without one have no event.
    ReadReturned {
        /// What it saw.
        value: u32,
        /// Rank of its invocation.
        call: u32,
    },
}

/// Why the events are not linearizable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conflict {
    /// A read returned a value that no write had been asked to write by then.
    Unwritten {
        /// The value.
        value: u32,
        /// Rank of the return.
        rank: u32,
    },
    /// Each of two values was seen, or written, before an operation on the other was called.
    Crossed {
        /// Of each: the value, the rank of the first return and of the last call.
        zones: [(u32, u32, u32); 2],
    },
}

/// Why a stream takes no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// The events up to here are not linearizable, whatever comes.
    Refuted(Conflict),
    /// The events are outside what a stream decides; the reason.
    Outside(&'static str),
}

/// One value. 16 bytes, and 8 in the lists.
#[derive(Clone, Copy)]
struct Zone {
    first_ret: u32,
    last_call: u32,
    place: u32,
    written: bool,
}

/// Decides a register whose written values differ, event by event.
///
/// Memory is 24 bytes per value up to the largest, whatever the number of operations. An event
/// costs O(1).
pub struct Stream {
    zones: Vec<Zone>,
    /// Values by first return.
    listed: Vec<u32>,
    /// Of each place: the latest call of this value and those before, as far as it was set right.
    latest: Vec<u32>,
    rank: u32,
    stopped: Option<Stopped>,
}

impl Zone {
    const NONE: Zone = Zone { first_ret: NEVER, last_call: 0, place: NEVER, written: false };

    /// Whether either register value had to be there while the other was.
    fn crosses(&self, other: &Zone) -> bool {
        self.first_ret < other.last_call && other.first_ret < self.last_call
    }
}

impl Stream {
    /// A register that holds `initial`, below 2^20, at first; `None` is a value nobody sees.
    ///
    /// # Panics
    /// When `initial` is not below 2^20.
    pub fn new(initial: Option<u32>) -> Stream {
        assert!(initial.is_none_or(|value| value < SPARSE), "an initial value of {initial:?}");
        let mut stream = Stream {
            zones: Vec::new(),
            listed: Vec::new(),
            latest: Vec::new(),
            rank: 0,
            stopped: None,
        };
        if let Some(value) = initial {
            let zone = stream.zone(value);
            *zone = Zone { first_ret: 0, last_call: 0, place: 0, written: true };
            stream.listed.push(value);
            stream.latest.push(0);
        }
        stream
    }

    /// Takes the event of rank `rank`; ranks increase.
    ///
    /// # Errors
    /// A contradiction, as soon as it is certain, or what a stream cannot decide. Both are final.
    pub fn feed(&mut self, rank: u32, event: Event) -> Result<(), Stopped> {
        if let Some(stopped) = self.stopped {
            return Err(stopped);
        }
        let taken = self.take(rank, event);
        self.stopped = taken.err();
        taken
    }

    /// The verdict on all events. O(values).
    ///
    /// # Errors
    /// Why they are not linearizable.
    pub fn finish(self) -> Result<(), Stopped> {
        if let Some(stopped) = self.stopped {
            return Err(stopped);
        }
        let mut forward: Option<u32> = None;
        for value in &self.listed {
            let zone = &self.zones[*value as usize];
            if let Some(other) = forward
                && self.zones[other as usize].crosses(zone)
            {
                return Err(self.crossed(other, *value));
            }
            if zone.first_ret < zone.last_call {
                forward = Some(*value);
            }
        }
        Ok(())
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        let lists = (self.listed.capacity() + self.latest.capacity()) * size_of::<u32>();
        (self.zones.capacity() * size_of::<Zone>() + lists) as u64
    }

    #[inline]
    fn take(&mut self, rank: u32, event: Event) -> Result<(), Stopped> {
        // Rank 0 is the beginning, at which the initial value is there.
        let Some(now) = rank.checked_add(1).filter(|now| *now > self.rank && *now < NEVER) else {
            return Err(Stopped::Outside("ranks do not increase"));
        };
        self.rank = now;
        match event {
            Event::WriteCalled { value } => {
                if value > now.saturating_mul(2).saturating_add(SPARSE) {
                    return Err(Stopped::Outside("values are not small numbers"));
                }
                let zone = self.zone(value);
                if zone.written {
                    return Err(Stopped::Outside("a value is written twice"));
                }
                (zone.written, zone.last_call) = (true, now);
                Ok(())
            }
            Event::WriteReturned { value } => match self.zones.get(value as usize) {
                Some(zone) if zone.written => {
                    if zone.first_ret == NEVER {
                        self.list(value, now);
                    }
                    Ok(())
                }
                Some(_) | None => Err(Stopped::Outside("a write returned that nobody invoked")),
            },
            Event::ReadReturned { value, call } => self.read(value, call.saturating_add(1), rank),
        }
    }

    #[inline]
    fn read(&mut self, value: u32, call: u32, rank: u32) -> Result<(), Stopped> {
        if call > rank {
            return Err(Stopped::Outside("a read returned before it was invoked"));
        }
        let zone = match self.zones.get_mut(value as usize) {
            Some(zone) if zone.written => zone,
            Some(_) | None => return Err(Stopped::Refuted(Conflict::Unwritten { value, rank })),
        };
        let later = call > zone.last_call;
        zone.last_call = zone.last_call.max(call);
        if zone.first_ret == NEVER {
            self.list(value, rank + 1);
            return Ok(());
        }
        if later { self.extended(value) } else { Ok(()) }
    }

    fn zone(&mut self, value: u32) -> &mut Zone {
        let at = value as usize;
        if at >= self.zones.len() {
            self.zones.resize(at + 1, Zone::NONE);
        }
        &mut self.zones[at]
    }

    /// The value's first operation returned. All its calls were before: nothing to contradict.
    #[inline]
    fn list(&mut self, value: u32, now: u32) {
        let place = self.listed.len() as u32;
        let zone = &mut self.zones[value as usize];
        (zone.first_ret, zone.place) = (now, place);
        let before = self.latest.last().copied().unwrap_or(0);
        self.latest.push(before.max(zone.last_call));
        self.listed.push(value);
    }

    /// A later call than any before was seen to belong to `value`.
    #[inline]
    fn extended(&mut self, value: u32) -> Result<(), Stopped> {
        let Zone { first_ret, last_call, place, .. } = self.zones[value as usize];
        let place = place as usize;
        for slot in self.latest[place..].iter_mut().take(NEAR) {
            if *slot >= last_call {
                break;
            }
            *slot = last_call;
        }
        // Among those first seen before, one that was still called after.
        if place > 0 && self.latest[place - 1] > first_ret {
            let before = self.listed[..place].iter().rev().take(NEAR);
            let zone = self.zones[value as usize];
            let mut before = before.filter(|other| self.zones[**other as usize].crosses(&zone));
            if let Some(other) = before.next() {
                return Err(self.crossed(*other, value));
            }
        }
        // Among those first seen after, one that was called after it and seen before this call.
        for other in self.listed[place + 1..].iter().take(NEAR) {
            let zone = &self.zones[*other as usize];
            if zone.first_ret >= last_call {
                break;
            }
            if zone.last_call > first_ret {
                return Err(self.crossed(value, *other));
            }
        }
        Ok(())
    }

    fn crossed(&self, one: u32, other: u32) -> Stopped {
        let zone = |value: u32| {
            let zone = &self.zones[value as usize];
            // The beginning has no rank of its own and is told as the first.
            (value, zone.first_ret.saturating_sub(1), zone.last_call.saturating_sub(1))
        };
        Stopped::Refuted(Conflict::Crossed { zones: [zone(one), zone(other)] })
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.listed.len();
        f.debug_struct("Stream").field("values", &values).finish_non_exhaustive()
    }
}
