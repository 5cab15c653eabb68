//! Role: a client makes exactly one attempt at one operation.

use async_trait::async_trait;
use tribunal_history::{ErrorClass, Op};

/// A connection of one process to one node.
///
/// One call of [`Client::invoke`] is **one attempt**: no retry, no hedging, no failover, no
/// sharing between processes. A client that retries by itself destroys truth.
#[async_trait]
pub trait Client: Send {
    /// Asks for `op`; the answer is `op` with what was observed filled in. The executor owns the
    /// deadline: when it passes, or a grace for a late reply after it, the future is dropped, and
    /// the client with it.
    ///
    /// # Errors
    /// See [`ClientError`].
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError>;

    /// Leaves in good order.
    async fn close(self: Box<Self>) {}
}

/// How an attempt failed. What it means for the history is decided in one place, the executor:
/// `Definite` is `fail`; `Indefinite` is `info`, or `fail` if the operation only reads.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It did not happen and never will: refused before any byte of the request was written, or an
    /// answer that the target's error table lists as "not applied".
    #[error("{class}: {detail}")]
    Definite {
        /// Stable word.
        class: ErrorClass,
        /// For people.
        detail: String,
    },
    /// It may have happened, or may still happen.
    #[error("{class}: {detail}")]
    Indefinite {
        /// Stable word.
        class: ErrorClass,
        /// For people.
        detail: String,
    },
    /// The reply makes no sense. Indefinite; the raw bytes are kept.
    #[error("unparseable reply: {detail}")]
    Unparseable {
        /// The first bytes of the reply.
        raw: Vec<u8>,
        /// For people.
        detail: String,
    },
}

impl ClientError {
    /// It did not happen.
    pub fn definite(class: ErrorClass, detail: impl Into<String>) -> ClientError {
        ClientError::Definite { class, detail: detail.into() }
    }

    /// It may have happened.
    pub fn indefinite(class: ErrorClass, detail: impl Into<String>) -> ClientError {
        ClientError::Indefinite { class, detail: detail.into() }
    }
}

/// `?` on an I/O error is always the safe answer.
impl From<std::io::Error> for ClientError {
    fn from(error: std::io::Error) -> ClientError {
        ClientError::Indefinite { class: ErrorClass::new("io"), detail: error.to_string() }
    }
}
