//! The node's clocks. Leases are counted on CLOCK_BOOTTIME: it is never set and counts suspension.

use nix::time::{ClockId, clock_gettime};

use crate::protocol::Clocks;

/// Nanoseconds since boot, suspension included.
pub(crate) fn boottime_ns() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// All three, read back to back.
pub(crate) fn clocks() -> Clocks {
    Clocks {
        realtime_ns: read(ClockId::CLOCK_REALTIME),
        monotonic_ns: read(ClockId::CLOCK_MONOTONIC),
        boottime_ns: boottime_ns(),
    }
}

/// Milliseconds from now until an instant on CLOCK_BOOTTIME; 0 when it has passed.
pub(crate) fn remaining_ms(at_boottime_ns: u64) -> u64 {
    at_boottime_ns.saturating_sub(boottime_ns()).div_ceil(1_000_000)
}

/// The instant so many milliseconds from now.
pub(crate) fn in_ms(ms: u64) -> u64 {
    boottime_ns().saturating_add(ms.saturating_mul(1_000_000))
}

/// Seconds that this process sees CLOCK_REALTIME and CLOCK_MONOTONIC ahead of what the kernel says.
pub(crate) fn ahead() -> std::io::Result<(f64, f64)> {
    let of = |seen: u64, clock: ClockId| -> std::io::Result<f64> {
        Ok((seen as i64 - crate::sys::kernel_clock(clock.as_raw())?) as f64 / 1e9)
    };
    let (day, monotonic) = (ClockId::CLOCK_REALTIME, ClockId::CLOCK_MONOTONIC);
    Ok((of(read(day), day)?, of(read(monotonic), monotonic)?))
}

fn read(clock: ClockId) -> u64 {
    // Cannot fail: the three clocks exist on every kernel that has pidfds (5.3), which we need.
    let time = clock_gettime(clock).expect("clock_gettime on a fixed clock");
    time.tv_sec().max(0) as u64 * 1_000_000_000 + time.tv_nsec().max(0) as u64
}
