//! Values that share what they have in common: a state with a thousand elements costs what the
//! last operation changed. Equal contents are equal and hash alike, however they came about.

mod map;
mod sequence;

pub(crate) use map::Map;
pub(crate) use sequence::Sequence;
