//! Tests of weak levels: drawn histories, and random ones against the definitions.

mod drawn;
mod oracle;
mod predicates;
mod promises;
mod random;
mod scale;
mod sequential;
