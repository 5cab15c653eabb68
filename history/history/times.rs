//! When operations were sent and answered.

use rustc_hash::FxHashMap;

use crate::Nanos;

/// Invocation times, and durations as 32 bits with the long ones aside.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub(super) invoked: Vec<u64>,
    pub(super) duration: Vec<u32>,
    long: FxHashMap<u32, u64>,
}

impl Times {
    pub(super) fn new(invoked: &[Nanos], completed: &[Nanos]) -> Times {
        let mut long = FxHashMap::default();
        let mut duration = Vec::with_capacity(invoked.len());
        for (op, (from, to)) in invoked.iter().zip(completed).enumerate() {
            let nanos = to.saturating_sub(*from).0;
            duration.push(u32::try_from(nanos).unwrap_or_else(|_| {
                long.insert(op as u32, nanos);
                u32::MAX
            }));
        }
        Times { invoked: invoked.iter().map(|time| time.0).collect(), duration, long }
    }

    pub(super) fn completed(&self, op: usize) -> Nanos {
        let short = self.duration[op];
        let nanos = match short {
            u32::MAX => self.long.get(&(op as u32)).copied().unwrap_or(u64::from(short)),
            short => u64::from(short),
        };
        Nanos(self.invoked[op] + nanos)
    }
}
