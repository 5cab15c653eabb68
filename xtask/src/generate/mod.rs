//! Histories made to order, for benchmarks and for trying `tribunal check`. A family is one file.
//!
//! The same family, number of operations and seed give the same bytes, everywhere. Knows nothing
//! of checkers: what a history shows is so by construction, or is not said.

mod append;
mod container;
mod crash;
mod crashbad;
mod crashed_elements;
mod crashed_sums;
mod crashlate;
mod crashstale;
mod event;
mod falsify;
mod family;
mod five_value_cas;
mod kv;
mod long_texts;
mod porcupine;
mod priority_queue;
mod queue;
mod random;
mod registry;
mod schedule;
mod set;
mod small_register;
mod stack;
mod unique;
mod wr;

pub use event::{Event, Step, history};
pub use family::{Expected, Family, Shape};
pub use porcupine::{Unsayable, porcupine_kv, porcupine_register};
pub use registry::{FAMILIES, find};
