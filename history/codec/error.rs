//! Why bytes are not a history, and where.

use crate::HistoryError;
use crate::brief::within;

/// Longest message about a place in a file, in bytes: whoever words it may quote what stands there.
const MESSAGE_LIMIT: usize = 1024;

/// Why bytes could not be read as a history, or a history not written. Every variant says where.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A text format broke its grammar, or says something that has no meaning here.
    #[error("line {line}, column {column}: {message}")]
    Text {
        /// From 1.
        line: u64,
        /// In bytes, from 1.
        column: u64,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A text format is readable, but what it tells is not a history.
    #[error("line {line}: {source}")]
    Events {
        /// Line of the offending event, from 1.
        line: u64,
        /// What is impossible about it.
        source: HistoryError,
    },
    /// The native log broke its grammar although its checksum holds.
    #[error("byte {at}: {message}")]
    Native {
        /// Offset in the file.
        at: u64,
        /// What is wrong.
        message: String,
    },
    /// The native log is intact, but what it tells is not a history.
    #[error("byte {at}: {source}")]
    NativeEvents {
        /// Offset of the offending record in the file.
        at: u64,
        /// What is impossible about it.
        source: HistoryError,
    },
    /// One of several logs that are a history together.
    #[error("{name}, byte {at}: {message}")]
    Log {
        /// Its name.
        name: String,
        /// Offset in it.
        at: u64,
        /// What is wrong.
        message: String,
    },
    /// The bytes are of a kind that is not read; the message says what to do instead.
    #[error("{0}")]
    Unsupported(String),
    /// The bytes are packed, and what they were is not to be had: damage, or a limit. The message
    /// says what to do.
    #[error("{0}")]
    Packed(String),
    /// One operation is larger than any record may be.
    #[error("a record of {bytes} bytes is larger than the limit of {limit}")]
    RecordTooLong {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A frame was never taken.
    #[error("a frame of {bytes} bytes is larger than the limit of {limit}; take frames oftener")]
    FrameTooLong {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The reader's source failed.
    #[error("read history: {0}")]
    Source(std::io::Error),
    /// The writer's sink failed.
    #[error("write history: {0}")]
    Io(#[from] std::io::Error),
}

impl CodecError {
    /// The error in the file `shown`, as editors understand it: `FILE:LINE:COLUMN: message`.
    pub fn in_file(&self, shown: &dyn std::fmt::Display) -> String {
        match self {
            CodecError::Text { line, column, message } => {
                format!("{shown}:{line}:{column}: {message}")
            }
            CodecError::Events { line, source } => format!("{shown}:{line}: {source}"),
            CodecError::Unsupported(_)
            | CodecError::Packed(_)
            | CodecError::Log { .. }
            | CodecError::Native { .. }
            | CodecError::NativeEvents { .. }
            | CodecError::RecordTooLong { .. }
            | CodecError::FrameTooLong { .. }
            | CodecError::Source(_)
            | CodecError::Io(_) => format!("{shown}: {self}"),
        }
    }

    pub(crate) fn native(at: usize, message: impl Into<String>) -> CodecError {
        CodecError::Native { at: at as u64, message: bounded(message.into()) }
    }

    pub(crate) fn log(name: &str, at: usize, message: String) -> CodecError {
        CodecError::Log { name: name.to_owned(), at: at as u64, message: bounded(message) }
    }

    pub(crate) fn text(line: u64, column: u64, message: impl Into<String>) -> CodecError {
        CodecError::Text { line, column, message: bounded(message.into()) }
    }
}

fn bounded(message: String) -> String {
    if message.len() <= MESSAGE_LIMIT { message } else { within(&message, MESSAGE_LIMIT) }
}
