//! Tests of banks: golden histories, and random ones against the definitions.

mod golden;
mod oracle;
mod random;
