//! Parts of one key that share no state, as the elements of a set that is never read whole. By
//! locality (Herlihy & Wing 1990, theorem 1) each is judged alone.

use std::collections::BTreeMap;

use tribunal_history::{Code, History, OpIndex};

use super::FromHistory;
use super::partition::Component;

/// The parts of `component`, by code; `None` if some operation touches all of it, or there is only
/// one part.
pub(super) fn parts<M: FromHistory>(
    model: &M,
    history: &History,
    component: &Component,
) -> Option<Vec<Component>> {
    let mut parts: BTreeMap<Code, Vec<OpIndex>> = BTreeMap::new();
    for index in &component.operations {
        let part = model.part(&history.operation(*index))?;
        parts.entry(part).or_default().push(*index);
    }
    let component = |operations| Component { key: component.key.clone(), operations };
    (parts.len() > 1).then(|| parts.into_values().map(component).collect())
}

/// Orders of parts as one order of the whole. Every operation stands at the latest call up to it
/// in its part, which is within its interval.
pub(super) fn interleaved(history: &History, orders: Vec<Vec<OpIndex>>) -> Vec<OpIndex> {
    let mut placed: Vec<(u32, usize, usize, OpIndex)> = Vec::new();
    for (part, order) in orders.into_iter().enumerate() {
        let mut instant = 0;
        for (place, index) in order.into_iter().enumerate() {
            instant = instant.max(history.operation(index).call().0);
            placed.push((instant, part, place, index));
        }
    }
    placed.sort_unstable();
    placed.into_iter().map(|(.., index)| index).collect()
}
