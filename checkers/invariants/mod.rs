//! What must be true of the data whatever order the operations had: rules that a history keeps or
//! breaks, each with the one operation or two that show it.

mod bank;

pub use bank::{Bank, Opening, Options as BankOptions};
