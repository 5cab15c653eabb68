//! `concat`: one after the other.

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct Concat {
    children: Vec<Gen>,
    at: usize,
}

/// Each child to its end, then the next at once: operations of the one may still be running when
/// the other begins. See `phases` for a barrier.
pub fn concat(children: Vec<Gen>) -> Gen {
    Box::new(Concat { children, at: 0 })
}

impl Generator for Concat {
    fn bind(&mut self, stream: &Stream) {
        for (at, child) in self.children.iter_mut().enumerate() {
            child.bind(&stream.child(&format!("concat/{at}")));
        }
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        while let Some(child) = self.children.get_mut(self.at) {
            match child.next(cx) {
                Next::Done => self.at += 1,
                next => return next,
            }
        }
        Next::Done
    }

    fn commit(&mut self) {
        self.children[self.at].commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.children.iter_mut().skip(self.at).for_each(|child| child.observe(cx, event));
    }

    plain!("concat");

    fn children(&self) -> Vec<&dyn Generator> {
        self.children.get(self.at).map(|child| &**child).into_iter().collect()
    }
}
