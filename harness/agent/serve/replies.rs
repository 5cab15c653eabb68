//! The last replies, so that a request sent again is answered and not repeated.

use std::collections::{BTreeMap, VecDeque};

use crate::protocol::{Reply, Response};

/// Most ids remembered.
pub(super) const IDS: usize = 1024;

/// Most bytes of output kept in all remembered replies.
const BYTES: usize = 16 << 20;

/// What is known about a request id.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    New,
    UnderWay,
    Answered(Box<Response>),
}

/// Bounded memory of ids.
#[derive(Default)]
pub(super) struct Replies {
    order: VecDeque<u64>,
    known: BTreeMap<u64, Option<Response>>,
    bytes: usize,
}

impl Replies {
    /// Notes an id; what is known about it.
    pub(super) fn see(&mut self, id: u64) -> Seen {
        match self.known.get(&id) {
            Some(Some(response)) => return Seen::Answered(Box::new(response.clone())),
            Some(None) => return Seen::UnderWay,
            None => {}
        }
        self.order.push_back(id);
        self.known.insert(id, None);
        while self.order.len() > IDS {
            self.forget_oldest();
        }
        Seen::New
    }

    /// Keeps a reply. Bytes of files are not kept: reading again is the same answer.
    pub(super) fn answered(&mut self, response: &Response) {
        if matches!(response.result, Ok(Reply::Bytes { .. })) {
            self.order.retain(|id| *id != response.id);
            self.known.remove(&response.id);
            return;
        }
        if let Some(place) = self.known.get_mut(&response.id) {
            *place = Some(response.clone());
            self.bytes += weight(response);
        }
        while self.bytes > BYTES && self.order.len() > 1 {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.order.pop_front().and_then(|id| self.known.remove(&id));
        if let Some(Some(response)) = oldest {
            self.bytes -= weight(&response);
        }
    }
}

fn weight(response: &Response) -> usize {
    match &response.result {
        Ok(Reply::Output { output, .. }) => output.len(),
        Ok(_) => 0,
        Err(failure) => failure.message.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(id: u64) -> Response {
        Response { id, result: Ok(Reply::Done) }
    }

    #[test]
    fn an_id_is_new_once_then_under_way_then_answered() {
        let mut replies = Replies::default();
        assert_eq!(replies.see(7), Seen::New);
        assert_eq!(replies.see(7), Seen::UnderWay);
        replies.answered(&done(7));
        assert_eq!(replies.see(7), Seen::Answered(Box::new(done(7))));
    }

    #[test]
    fn memory_is_bounded_in_ids_and_in_bytes() {
        let mut replies = Replies::default();
        for id in 0..3 * IDS as u64 {
            assert_eq!(replies.see(id), Seen::New);
            let output = "x".repeat(100_000);
            replies.answered(&Response { id, result: Ok(Reply::Output { code: 0, output }) });
        }
        assert!(replies.bytes <= BYTES && replies.known.len() <= IDS);
        assert_eq!(replies.see(0), Seen::New);
    }
}
