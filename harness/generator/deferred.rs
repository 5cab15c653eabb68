//! `deferred`: a generator that is not known yet.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

/// The other end of a [`deferred`] generator. Delivers once; forks made before share the delivery.
#[derive(Clone)]
pub struct Promise(Arc<Mutex<Option<Gen>>>);

struct Deferred {
    promise: Promise,
    stream: Option<Stream>,
    child: Option<Gen>,
}

/// Pending until the promise is fulfilled, then whatever it was fulfilled with.
///
/// While unfulfilled it counts as armed: a run that waits for it is waiting, not stuck.
pub fn deferred() -> (Promise, Gen) {
    let promise = Promise(Arc::default());
    (promise.clone(), Box::new(Deferred { promise, stream: None, child: None }))
}

impl Promise {
    /// Delivers `generator`. The second delivery is refused and answers `false`.
    pub fn fulfil(&self, generator: Gen) -> bool {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = slot.is_none();
        if first {
            *slot = Some(generator);
        }
        first
    }

    fn get(&self) -> Option<Gen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Generator for Deferred {
    fn bind(&mut self, stream: &Stream) {
        self.stream = Some(stream.child("deferred"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.child.is_none() {
            self.child = self.promise.get();
            let stream = self.stream.as_ref().expect("bind a generator before asking it");
            self.child.iter_mut().for_each(|child| child.bind(stream));
        }
        match &mut self.child {
            Some(child) => child.next(cx),
            None => Next::Pending { until: None },
        }
    }

    fn commit(&mut self) {
        self.child.iter_mut().for_each(|child| child.commit());
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.iter_mut().for_each(|child| child.observe(cx, event));
    }

    fn fork(&self) -> Gen {
        let (promise, stream, child) =
            (self.promise.clone(), self.stream.clone(), self.child.clone());
        Box::new(Deferred { promise, stream, child })
    }

    fn name(&self) -> &'static str {
        "deferred"
    }

    fn children(&self) -> Vec<&dyn Generator> {
        self.child.iter().map(|child| &**child).collect()
    }

    fn armed(&self) -> bool {
        self.child.as_ref().is_none_or(|child| child.armed())
    }
}
