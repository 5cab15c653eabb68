//! Remembers which objects a load has touched, for the final reads.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tribunal_harness::generator::{Context, Generator, Next, Observation};
use tribunal_harness::seed::Stream;
use tribunal_history::{Kind, Mop, Op, Value};

/// Keys seen, shared between the load and whoever reads them at the end.
pub(crate) type Seen = Arc<Mutex<BTreeSet<Value>>>;

/// Passes everything through and remembers the keys of every invocation.
pub(crate) struct Remember {
    inner: Box<dyn Generator>,
    seen: Seen,
}

impl Remember {
    pub(crate) fn new(inner: Box<dyn Generator>, seen: Seen) -> Remember {
        Remember { inner, seen }
    }
}

impl Generator for Remember {
    fn bind(&mut self, stream: &Stream) {
        self.inner.bind(stream);
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        self.inner.next(cx)
    }

    fn commit(&mut self) {
        self.inner.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        if event.kind == Kind::Invoke {
            let mut seen = self.seen.lock().expect("no panic while the keys are locked");
            for key in keys_of(event.op) {
                if !seen.contains(key) {
                    seen.insert(key.clone());
                }
            }
        }
        self.inner.observe(cx, event);
    }

    /// A copy remembers on its own: a plan must not add to what a run has touched.
    fn fork(&self) -> Box<dyn Generator> {
        let seen = self.seen.lock().expect("no panic while the keys are locked").clone();
        Box::new(Remember { inner: self.inner.fork(), seen: Arc::new(Mutex::new(seen)) })
    }
}

fn keys_of(op: &Op) -> impl Iterator<Item = &Value> {
    let mops: &[Mop] = match op {
        Op::Txn(txn) => &txn.mops,
        Op::Register(_) | Op::Set(_) | Op::Counter(_) | Op::Queue(_) | Op::Lock(_) | Op::Id(_) => {
            &[]
        }
    };
    op.key().into_iter().chain(mops.iter().filter_map(Mop::key))
}
