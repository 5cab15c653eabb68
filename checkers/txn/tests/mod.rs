//! Drawn histories with their anomalies, and random ones against the definitions.

mod drawn;
mod oracle;
mod random;
mod timeless;
