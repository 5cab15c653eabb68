//! A register of five values whose clients crash.

use super::family::{Expected, Family};
use super::small_register;

pub(super) const FAMILY: Family = Family {
    name: "crash",
    summary: "a register of five values; 15 % of what writes crashes",
    model: "cas-register",
    initial: "0",
    expected: Expected::Valid,
    clients: 5,
    crashes_per_mille: 150,
    events: small_register::events,
};
