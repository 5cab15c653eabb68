//! A compare-and-set register of five values, nobody crashes.

use super::family::{Expected, Family};
use super::small_register;

pub(super) const FAMILY: Family = Family {
    name: "five-value-cas",
    summary: "a register of five values, a third each of reads, writes and compare-and-set",
    model: "cas-register",
    initial: "0",
    expected: Expected::Valid,
    clients: 10,
    crashes_per_mille: 0,
    events: small_register::events,
};
