//! As `crash`, and the last read found another value of the domain: the one that the fewest
//! operations left open could have put there. With many of them, every value is possible.

use super::falsify::{last_read, open_writes};
use super::family::{Expected, Family};
use super::{crash, small_register};

pub(super) const FAMILY: Family = Family {
    name: "crashstale",
    summary: "as crash, and a late read of a value that is probably not there any more",
    expected: Expected::Unstated,
    events: |shape, each| {
        let mut events = small_register::all(shape);
        let open = open_writes(&events);
        let read = last_read(&mut events);
        let truth = *read.value;
        let others = (0..small_register::DOMAIN as i64).filter(|value| *value != truth);
        let rarest = others.min_by_key(|value| open.iter().filter(|open| *open == value).count());
        *read.value = rarest.expect("a domain of several values");
        events.into_iter().for_each(each);
    },
    ..crash::FAMILY
};
