//! A switch for tests: a mistake one could make in a rule, made on purpose, to see the tests find
//! it. Every family of rules lists its own.

/// What an algorithm is made to do wrong; nothing, outside tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planted<T> {
    #[cfg(test)]
    pub(crate) trap: Option<T>,
    #[cfg(not(test))]
    trap: std::marker::PhantomData<T>,
}

impl<T> Default for Planted<T> {
    fn default() -> Planted<T> {
        Planted { trap: Default::default() }
    }
}

impl<T: PartialEq> Planted<T> {
    /// Whether this mistake is to be made.
    #[inline]
    pub(crate) fn has(self, trap: T) -> bool {
        #[cfg(test)]
        return self.trap == Some(trap);
        #[cfg(not(test))]
        {
            let _ = trap;
            false
        }
    }

    /// Whether a mistake was planted at all.
    pub(crate) fn is_set(&self) -> bool {
        #[cfg(test)]
        return self.trap.is_some();
        #[cfg(not(test))]
        false
    }
}
