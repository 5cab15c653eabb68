//! When an operation was sent and answered, written as what a completion says after its outcome.
//!
//! Both instants are near the last event, most of the time: within microseconds of a fast client,
//! within milliseconds of a slow database. Varints are small for the first. For the second six
//! bytes hold what varints need seven or eight for: *packed* times, which have tags of their own.

use super::wire::{Cursor, put_varint, zigzag};
use crate::Nanos;
use crate::codec::CodecError;

/// Bytes of packed times.
const PACKED_BYTES: u32 = 6;

/// Packed, from the last event to when it was sent: the answer may be 134 ms after the event.
const AFTER_BITS: u32 = 20;

/// Packed, from when it was sent to the answer, which may be 8 ms after the last event.
const BEFORE_BITS: u32 = 24;

/// How the times of a completion are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Times {
    /// The answer as a zigzag varint from the last event, then when it was sent as a varint.
    Varints { received: i64, sent: u64 },
    /// Both in one number of six bytes.
    Packed(u64),
}

impl Times {
    /// The shorter form of an operation sent at `t_send` and answered at `t_recv`, where `base` is
    /// the time of the last event. A `t_send` that cannot be believed, or not be written, is left
    /// out: the time of the invocation stays in force.
    #[inline]
    pub(super) fn of(base: u64, t_send: u64, t_recv: u64) -> Times {
        let before = t_recv.checked_sub(t_send);
        let after = t_send.checked_sub(base).filter(|_| before.is_some());
        let form = |distance: u64, form: u64| distance.checked_mul(2)?.checked_add(1 + form);
        let told = match (before.and_then(|it| form(it, 0)), after.and_then(|it| form(it, 1))) {
            (Some(before), Some(after)) => before.min(after),
            (before, after) => before.or(after).unwrap_or(0),
        };
        let received = t_recv.wrapping_sub(base) as i64;
        let varints = Times::Varints { received, sent: told };
        if told == 0 || varint_bytes(zigzag(received)) + varint_bytes(told) <= PACKED_BYTES {
            return varints;
        }
        pack(t_recv.checked_sub(base), before, after).map_or(varints, Times::Packed)
    }

    /// Whether the tag is that of a completion with packed times.
    #[inline]
    pub(super) fn are_packed(self) -> bool {
        matches!(self, Times::Packed(_))
    }

    #[inline]
    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self {
            Times::Varints { received, sent } => {
                put_varint(out, zigzag(received));
                put_varint(out, sent);
            }
            Times::Packed(packed) => {
                out.extend_from_slice(&packed.to_le_bytes()[..PACKED_BYTES as usize]);
            }
        }
    }
}

fn varint_bytes(value: u64) -> u32 {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7)
}

/// Both distances in 48 bits, if they fit.
#[inline]
fn pack(received: Option<u64>, before: Option<u64>, after: Option<u64>) -> Option<u64> {
    let received = received?;
    let pack = |distance: Option<u64>, bits: u32, form: u64| {
        let distance = distance.filter(|distance| distance >> bits == 0)?;
        (received >> (47 - bits) == 0).then_some((received << (1 + bits)) | (distance << 1) | form)
    };
    pack(after, AFTER_BITS, 1).or_else(|| pack(before, BEFORE_BITS, 0))
}

/// Packed times: when it was answered and when it was sent.
///
/// # Errors
/// A record that ends before, instants outside the run.
pub(super) fn packed(base: u64, cursor: &mut Cursor<'_>) -> Result<(Nanos, Nanos), CodecError> {
    let mut bytes = [0; 8];
    bytes[..PACKED_BYTES as usize].copy_from_slice(cursor.take(PACKED_BYTES.into())?);
    let packed = u64::from_le_bytes(bytes);
    let bits = if packed & 1 == 1 { AFTER_BITS } else { BEFORE_BITS };
    let distance = (packed >> 1) & ((1 << bits) - 1);
    let Some(received) = base.checked_add(packed >> (1 + bits)) else {
        return Err(cursor.error("answered after the end of time"));
    };
    let sent = match packed & 1 {
        1 => base.checked_add(distance).filter(|sent| *sent <= received),
        _ => received.checked_sub(distance),
    };
    match sent {
        Some(sent) => Ok((Nanos(received), Nanos(sent))),
        None => Err(outside(cursor)),
    }
}

/// When an operation answered at `t_recv` was sent, as a varint says; `None` if it does not.
/// `latencies`: in the way of version 1.
///
/// # Errors
/// A record that ends before, an instant outside the run.
pub(super) fn sent(
    base: u64,
    t_recv: u64,
    latencies: bool,
    cursor: &mut Cursor<'_>,
) -> Result<Option<Nanos>, CodecError> {
    let Some(told) = cursor.varint()?.checked_sub(1) else {
        return Ok(None);
    };
    let sent = match (latencies, told & 1, told >> 1) {
        (true, ..) => t_recv.checked_sub(told),
        (false, 0, before) => t_recv.checked_sub(before),
        (false, _, after) => base.checked_add(after).filter(|sent| *sent <= t_recv),
    };
    sent.map(|sent| Some(Nanos(sent))).ok_or_else(|| outside(cursor))
}

fn outside(cursor: &Cursor<'_>) -> CodecError {
    cursor.error("sent before the run began, or after it was answered")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number within eight of a power of two, of every size.
    fn near_an_edge(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let edge = 1_u64 << ((*state >> 32) % 64);
        edge.wrapping_add(*state >> 60).wrapping_sub(8)
    }

    /// On both sides of the last event and of every bound: read as written, unless it cannot be
    /// believed, and in six bytes wherever varints need more.
    #[test]
    fn times_are_read_as_they_were_written() {
        let (mut state, mut packed_ones, mut refused) = (7, [0; 2], 0);
        for _ in 0..200_000 {
            let base = near_an_edge(&mut state);
            let received = base.wrapping_add(near_an_edge(&mut state));
            let sent = match state >> 40 & 1 {
                0 => received.wrapping_sub(near_an_edge(&mut state)),
                _ => base.wrapping_add(near_an_edge(&mut state)),
            };
            let times = Times::of(base, sent, received);
            let mut bytes = Vec::new();
            times.put(&mut bytes);
            let mut cursor = Cursor::new(&bytes, 0);
            let read = if times.are_packed() {
                packed_ones[usize::from(bytes[0] & 1)] += 1;
                assert_eq!(bytes.len(), 6);
                let (time, sent) = packed(base, &mut cursor).expect("written by us");
                (time, Some(sent))
            } else {
                let time = base.wrapping_add(cursor.zigzag().expect("written by us") as u64);
                let sent = super::sent(base, time, false, &mut cursor).expect("written by us");
                (Nanos(time), sent)
            };
            assert!(cursor.is_empty());
            let near = |from: u64, to: u64, bits: u32| to >= from && (to - from) >> bits == 0;
            let after =
                near(base, sent, 20) && near(sent, received, 63) && near(base, received, 27);
            let before = near(sent, received, 24) && near(base, received, 23);
            assert!(bytes.len() <= 6 || !after && !before, "{base} {sent} {received}");
            assert_eq!(read.0, Nanos(received));
            let believed = sent <= received && (received - sent < 1 << 62 || sent >= base);
            refused += u32::from(read.1.is_none());
            match read.1 {
                Some(read) => assert_eq!(read, Nanos(sent), "{base} {sent} {received}"),
                None => assert!(!believed, "{base} {sent} {received}"),
            }
        }
        assert!(packed_ones.iter().all(|count| *count > 1_000) && refused > 1_000);
    }

    /// Instants that no writer means are refused, whatever the bytes.
    #[test]
    fn packed_times_outside_the_run_are_refused() {
        let read = |base, packed: u64| {
            let bytes = packed.to_le_bytes();
            super::packed(base, &mut Cursor::new(&bytes[..6], 0))
                .map(|(time, sent)| (time.0, sent.0))
        };
        assert_eq!(read(100, 50 << 21 | 20 << 1 | 1).expect("after the event"), (150, 120));
        assert_eq!(read(100, 50 << 25 | 70 << 1).expect("before it"), (150, 80));
        for (base, packed) in [
            (100, 50 << 21 | 51 << 1 | 1),
            (100, 50 << 25 | 151 << 1),
            (u64::MAX - 49, 50 << 21 | 1),
            (u64::MAX - 49, 50 << 25),
        ] {
            assert!(read(base, packed).is_err(), "{packed:#x} after {base}");
        }
        assert!(super::packed(0, &mut Cursor::new(&[1; 5], 0)).is_err(), "a record that ends");
    }
}
