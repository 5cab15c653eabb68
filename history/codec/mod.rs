//! Readers and writers of histories, one format per file.

mod error;
pub mod native;

pub use error::CodecError;
