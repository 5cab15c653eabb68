//! As `crash`, and the last read found what nobody ever wrote.

use super::falsify::last_read;
use super::family::{Expected, Family};
use super::{crash, small_register};

pub(super) const FAMILY: Family = Family {
    name: "crashbad",
    summary: "as crash, and a late read of a value never written",
    expected: Expected::Invalid,
    events: |shape, each| {
        let mut events = small_register::all(shape);
        *last_read(&mut events).value = small_register::DOMAIN as i64;
        events.into_iter().for_each(each);
    },
    ..crash::FAMILY
};
