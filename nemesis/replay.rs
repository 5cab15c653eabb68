//! A schedule that was kept, to be carried out again: whole, or without some of its windows.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tribunal_harness::nemesis::{ClusterView, Injection};

use crate::guard::Guard;
use crate::registry;
use crate::schedule::{HOLD_LEAST, Planned, WINDOWS_MAX};

const SCHEMA: &str = "tribunal.schedule";
const VERSION: u32 = 1;

/// A schedule as a file: `schedule.json` of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    schema: String,
    schema_version: u32,
    /// Nodes of the cluster it was made for.
    pub nodes: usize,
    /// In order of start.
    pub windows: Vec<Planned>,
}

impl Recorded {
    /// Of windows for a cluster of `nodes` nodes.
    pub fn new(nodes: usize, windows: Vec<Planned>) -> Recorded {
        Recorded { schema: SCHEMA.into(), schema_version: VERSION, nodes, windows }
    }

    /// From the text of a file.
    ///
    /// # Errors
    /// A text that is no such schedule: as a sentence, with line and column where there is one.
    pub fn parse(text: &str) -> Result<Recorded, String> {
        let found: Recorded = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match (found.schema.as_str(), found.schema_version) {
            (SCHEMA, VERSION) => Ok(found),
            (SCHEMA, other) => Err(format!("version {other} is not known; {VERSION} is")),
            (other, _) => Err(format!("{other:?} is no {SCHEMA}")),
        }
    }

    /// What the file says.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("windows are data")
    }

    /// The windows, if a cluster like `view` can carry them out within `limit` and the guard allows
    /// each beside the others.
    ///
    /// # Errors
    /// The first window that cannot happen, and why.
    pub fn windows(
        &self,
        guard: Guard,
        view: &ClusterView,
        limit: Duration,
    ) -> Result<Vec<Planned>, String> {
        if self.nodes != view.nodes {
            let (was, is) = (self.nodes, view.nodes);
            return Err(format!("it was made for {was} nodes, and there are {is}"));
        }
        if self.windows.len() > WINDOWS_MAX {
            let many = self.windows.len();
            return Err(format!("it has {many} windows, and {WINDOWS_MAX} is the most"));
        }
        let mut ids = BTreeSet::new();
        for Planned { injection, .. } in &self.windows {
            let id = injection.id;
            let problem = match possible(injection, view, limit) {
                _ if !ids.insert(id) => Some("its number is there twice".to_string()),
                _ if id as usize >= WINDOWS_MAX => Some("its number is too large".to_string()),
                found => found,
            };
            if let Some(problem) = problem {
                return Err(format!("F{id} ({}): {problem}", injection.kind));
            }
        }
        let mut windows = self.windows.clone();
        windows.sort_by_key(|planned| (planned.injection.at, planned.injection.id));
        guard.bears_all(&windows, view)?;
        Ok(windows)
    }
}

/// Why a window cannot happen by itself.
fn possible(it: &Injection, view: &ClusterView, limit: Duration) -> Option<String> {
    let Some(fault) = registry::find(&it.kind) else {
        return Some("no fault is called so; see `tribunal list faults`".into());
    };
    let ends = it.cuts.iter().flat_map(|(from, to)| [from, to]);
    if let Some(node) = it.targets.iter().chain(ends).find(|node| node.0 as usize >= view.nodes) {
        return Some(format!("there is no node {node}"));
    }
    if it.cuts.iter().any(|(from, to)| from == to) {
        return Some("a node cannot be cut off from itself".into());
    }
    let shapes = fault.shapes();
    if !it.shape.is_empty() && !shapes.contains(&it.shape.as_str()) {
        return Some(format!("it has no shape {:?}; it has {}", it.shape, shapes.join(", ")));
    }
    for (name, value) in &it.parameters {
        let known = fault.parameters();
        let known = known.iter().find(|parameter| parameter.name == *name);
        let Some((least, most)) = known.map(|parameter| parameter.possible) else {
            return Some(format!("it has no parameter {name:?}"));
        };
        if !(least..=most).contains(value) {
            return Some(format!("{name} = {value} is not possible; {least} to {most} are"));
        }
    }
    if it.hold < HOLD_LEAST {
        let found = it.hold;
        return Some(format!("hold {found:?} is too short; {HOLD_LEAST:?} is the least"));
    }
    let end = it.at.checked_add(it.hold);
    end.is_none_or(|end| end >= limit).then(|| {
        let end = end.map_or("never".into(), |end| format!("at {end:?}"));
        format!("it ends {end}, and the load after {limit:?}; make --time longer")
    })
}

#[cfg(test)]
mod tests {
    use tribunal_harness::seed::Seed;
    use tribunal_history::NodeId;

    use super::*;
    use crate::schedule::{Package, Range, plan};

    const LIMIT: Duration = Duration::from_secs(60);
    const VIEW: ClusterView = ClusterView { nodes: 5 };

    fn planned(seed: u64) -> Recorded {
        let seconds =
            |from, to| Range { from: Duration::from_secs(from), to: Duration::from_secs(to) };
        let package = |kind: &str, shapes: &[&str]| Package {
            kind: kind.into(),
            shapes: shapes.iter().map(|shape| shape.to_string()).collect(),
            chosen: false,
            parameters: Default::default(),
            hold: seconds(1, 3),
            recover: seconds(1, 4),
        };
        let packages = [
            package("partition", &["halves", "one-way", "flapping"]),
            package("kill", &["one", "primaries"]),
            package("skew", &["one"]),
        ];
        let stream = Seed(seed).root();
        let windows = plan(&packages, Guard::keep_quorum(5), &VIEW, &stream, LIMIT);
        Recorded::new(5, windows.expect("a plan"))
    }

    /// Whatever is planned can be kept and carried out again, and so can every part of it.
    #[test]
    fn every_plan_and_every_part_of_it_can_be_replayed() {
        for seed in 0..50 {
            let recorded = planned(seed);
            let again = Recorded::parse(&recorded.text()).expect("its own text");
            assert_eq!(again, recorded);
            let windows = again.windows(Guard::keep_quorum(5), &VIEW, LIMIT);
            assert_eq!(windows.as_ref(), Ok(&recorded.windows), "{seed}");
            for without in 0..recorded.windows.len() {
                let mut part = recorded.clone();
                part.windows.remove(without);
                let windows = part.windows(Guard::keep_quorum(5), &VIEW, LIMIT);
                assert_eq!(windows, Ok(part.windows.clone()), "{seed} without {without}");
            }
        }
    }

    fn refused(change: impl Fn(&mut Recorded)) -> String {
        let mut recorded = planned(1);
        recorded.windows.retain(|planned| planned.refused.is_none());
        change(&mut recorded);
        recorded.windows(Guard::keep_quorum(5), &VIEW, LIMIT).expect_err("it cannot happen")
    }

    #[test]
    fn what_cannot_happen_is_refused_by_its_number() {
        let first = |recorded: &mut Recorded, change: fn(&mut Injection)| {
            change(&mut recorded.windows[0].injection);
        };
        for (change, words) in [
            ((|it| it.kind = "quake".into()) as fn(&mut Injection), "no fault is called so"),
            (|it| it.targets = vec![NodeId(5)], "there is no node"),
            (|it| it.cuts = vec![(NodeId(1), NodeId(1))], "cut off from itself"),
            (|it| it.shape = "oval".into(), "it has no shape \"oval\""),
            (|it| it.parameters = [("far".into(), 1)].into(), "it has no parameter \"far\""),
            (|it| it.hold = Duration::ZERO, "is too short"),
            (|it| it.hold = LIMIT, "make --time longer"),
            (|it| it.at = Duration::MAX, "it ends never"),
            (|it| it.id = 200_000, "its number is too large"),
        ] {
            let found = refused(|recorded| first(recorded, change));
            assert!(found.contains(words) && found.starts_with('F'), "{found}");
        }
        let found = refused(|recorded| recorded.windows[1] = recorded.windows[0].clone());
        assert!(found.ends_with("its number is there twice"), "{found}");
        let found = refused(|recorded| recorded.nodes = 3);
        assert_eq!(found, "it was made for 3 nodes, and there are 5");
    }

    /// Windows that would take down more than a majority can lose are refused beside each other,
    /// and nothing is left out silently.
    #[test]
    fn the_guard_is_asked_of_windows_that_overlap() {
        let kill = |id: u32, at: u64, nodes: &[u16]| {
            let mut it = crate::schedule::empty("kill", "some");
            it.targets = nodes.iter().map(|node| NodeId(*node)).collect();
            (it.id, it.at, it.hold) = (id, Duration::from_secs(at), Duration::from_secs(5));
            Planned { injection: it, refused: None }
        };
        let windows = |second: u64| {
            let both = vec![kill(0, 1, &[0, 1]), kill(1, second, &[2])];
            Recorded::new(5, both).windows(Guard::keep_quorum(5), &VIEW, LIMIT)
        };
        assert!(windows(6).is_ok(), "one after the other");
        let found = windows(5).expect_err("three of five at once");
        assert!(found.starts_with("F1 (kill)"), "{found}");
        let beyond = Recorded::new(5, vec![kill(0, 1, &[0, 1]), kill(1, 5, &[2])]);
        assert!(beyond.windows(Guard::beyond_quorum(5), &VIEW, LIMIT).is_ok());
    }

    #[test]
    fn what_is_no_schedule_says_where() {
        let found = Recorded::parse("{\"schema\": 1}").expect_err("a number");
        assert!(found.contains("line 1 column"), "{found}");
        let other = planned(1).text().replace("tribunal.schedule", "tribunal.plan");
        let found = Recorded::parse(&other).expect_err("another schema");
        assert_eq!(found, "\"tribunal.plan\" is no tribunal.schedule");
    }
}
