//! Every family, one line each.

use super::family::Family;
use super::{
    append, crash, crashbad, crashed_elements, crashed_sums, crashlate, crashstale, five_value_cas,
    kv, long_texts, priority_queue, queue, set, stack, unique, wr,
};

/// Every family, in the order of the documentation.
pub static FAMILIES: &[Family] = &[
    unique::FAMILY,
    five_value_cas::FAMILY,
    crash::FAMILY,
    crashbad::FAMILY,
    crashlate::FAMILY,
    crashstale::FAMILY,
    kv::FAMILY,
    long_texts::FAMILY,
    crashed_sums::FAMILY,
    crashed_elements::FAMILY,
    queue::FAMILY,
    stack::FAMILY,
    priority_queue::FAMILY,
    set::FAMILY,
    append::FAMILY,
    append::STALE,
    wr::FAMILY,
];

/// The family called `name`.
pub fn find(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}
