//! What may happen at the same time: windows that together would take down more nodes than a
//! schedule allows are moved, made smaller or refused. A pure function of what was drawn.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tribunal_harness::nemesis::{ClusterView, Injection};
use tribunal_history::NodeId;

use crate::registry;
use crate::schedule::{Package, Planned, STEP};
use crate::shape::cut_off;
use crate::targets::Choice;

/// What to do where more should go down.
const ALLOW: &str = "allow more with --beyond-quorum, or `beyond_quorum = true` below [check]";

/// Guards of a schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Guard {
    /// Most nodes that may be killed, paused or cut off from a majority at one time.
    pub max_down: usize,
}

impl Guard {
    /// Progress stays possible: a majority of `n` is left alone.
    pub fn keep_quorum(n: usize) -> Guard {
        Guard { max_down: n.saturating_sub(1) / 2 }
    }

    /// Everything may go down at once.
    pub fn beyond_quorum(n: usize) -> Guard {
        Guard { max_down: n }
    }

    /// Whether a window may happen when nothing else does. Targets can be left out, cuts cannot.
    pub(crate) fn allows(self, injection: &Injection, view: &ClusterView) -> bool {
        match injection.cuts.is_empty() {
            true => self.max_down > 0,
            false => down(injection, view.nodes).len() <= self.max_down,
        }
    }

    /// Why a window does not happen.
    pub(crate) fn refusal(self, view: &ClusterView) -> String {
        let (most, n) = (self.max_down, view.nodes);
        format!("more than {most} of {n} nodes would be down; {ALLOW}")
    }

    /// Why a shape that somebody chose would not be what its name says, if so: with targets left
    /// out, `all` is not all.
    pub(crate) fn diminishes(self, drawn: &Injection, view: &ClusterView) -> Option<String> {
        let named = matches!(Choice::parse(&drawn.shape), Some(Choice::All | Choice::Majority));
        let (down, n) = (drawn.targets.len(), view.nodes);
        (named && down > self.max_down).then(|| {
            let (kind, shape, most) = (&drawn.kind, &drawn.shape, self.max_down);
            format!("{kind} of {shape} takes {down} of {n} nodes down, {most} may be; {ALLOW}")
        })
    }

    /// The windows of all packages, those of one in the order in which they were drawn.
    ///
    /// The first window of every package comes to pass: as it was drawn where the guard allows it
    /// beside the others, else at the first moment when it does, with what follows it in its
    /// package that much later. The other windows happen as drawn or are refused. Where targets
    /// are too many, those at the end are left out.
    ///
    /// # Errors
    /// The first windows do not even fit into `limit` one after the other.
    ///
    /// `packages[i]` is what `drawn[i]` was drawn of, and `drawn[i][0]` exists.
    pub(crate) fn arrange(
        self,
        packages: &[Package],
        mut drawn: Vec<Vec<Planned>>,
        view: &ClusterView,
        limit: Duration,
    ) -> Result<Vec<Planned>, String> {
        let mut first: Vec<usize> = (0..drawn.len()).collect();
        first.sort_by_key(|package| drawn[*package][0].injection.at);
        let mut placed = Placed { guard: self, nodes: view.nodes, windows: Vec::new() };
        let firsts = placed.firsts(packages, &drawn, &first, limit);
        let firsts = match firsts {
            Some(firsts) => firsts,
            None => placed.one_by_one(packages, &drawn, limit)?,
        };
        for (package, moved) in firsts {
            postpone(&mut drawn[package], moved, limit);
        }
        let mut rest: Vec<Planned> = Vec::new();
        let mut windows: Vec<Planned> = Vec::new();
        for package in drawn {
            let mut package = package.into_iter();
            windows.extend(package.next());
            rest.extend(package);
        }
        rest.sort_by_key(|planned| planned.injection.at);
        for mut planned in rest {
            if planned.refused.is_some() {
                windows.push(planned);
                continue;
            }
            // Windows are in order of start: what is over stays over.
            placed.windows.retain(|other| planned.injection.at < span(other).1);
            match placed.fit(&planned.injection) {
                Some(injection) => {
                    placed.windows.push(injection.clone());
                    planned.injection = injection;
                }
                None => planned.refused = Some(self.refusal(view)),
            }
            windows.push(planned);
        }
        Ok(windows)
    }

    /// Whether windows that are to happen as they are, in order of start, may do so beside each
    /// other.
    ///
    /// # Errors
    /// The first that may not, with what to do.
    pub(crate) fn bears_all(self, windows: &[Planned], view: &ClusterView) -> Result<(), String> {
        let mut placed = Placed { guard: self, nodes: view.nodes, windows: Vec::new() };
        for Planned { injection, refused } in windows {
            if refused.is_some() {
                continue;
            }
            placed.windows.retain(|other| injection.at < span(other).1);
            if placed.fit(injection).as_ref() != Some(injection) {
                let (id, kind, refusal) = (injection.id, &injection.kind, self.refusal(view));
                return Err(format!("F{id} ({kind}): beside other faults {refusal}"));
            }
            placed.windows.push(injection.clone());
        }
        Ok(())
    }
}

/// Windows that will happen.
struct Placed {
    guard: Guard,
    nodes: usize,
    windows: Vec<Injection>,
}

impl Placed {
    /// A place for the first window of every package, `order` giving who chooses first.
    fn firsts(
        &mut self,
        packages: &[Package],
        drawn: &[Vec<Planned>],
        order: &[usize],
        limit: Duration,
    ) -> Option<Vec<(usize, Injection)>> {
        let mut firsts = Vec::new();
        for &package in order {
            let wanted = &drawn[package][0].injection;
            let Some(moved) = self.moved(wanted, &packages[package], limit) else {
                self.windows.clear();
                return None;
            };
            self.windows.push(moved.clone());
            firsts.push((package, moved));
        }
        Some(firsts)
    }

    /// The first windows one after the other, each as short as it may be.
    fn one_by_one(
        &mut self,
        packages: &[Package],
        drawn: &[Vec<Planned>],
        limit: Duration,
    ) -> Result<Vec<(usize, Injection)>, String> {
        let mut firsts = Vec::new();
        let mut order: Vec<usize> = (0..packages.len()).collect();
        order.sort_by_key(|package| packages[*package].recover.from);
        let mut now = Duration::ZERO;
        for package in order {
            let Package { recover, hold, .. } = packages[package];
            let at = now.max(recover.from);
            let window = Injection { at, hold: hold.from, ..drawn[package][0].injection.clone() };
            // By itself it is allowed; targets that are too many are left out.
            let window = self.fit(&window).unwrap_or(window);
            now = at + window.hold;
            self.windows.push(window.clone());
            firsts.push((package, window));
        }
        if now + STEP <= limit {
            return Ok(firsts);
        }
        let kinds: Vec<&str> = packages.iter().map(|package| package.kind.as_str()).collect();
        Err(format!(
            "no room for a window of each of {} in {limit:?} where at most {} of {} nodes may be \
             down; make --time at least {} s, `recover` and `hold` shorter, or {ALLOW}",
            kinds.join(", "),
            self.guard.max_down,
            self.nodes,
            now.as_secs() + 1,
        ))
    }

    /// The window at the first moment that is allowed: as drawn, when another one ends, as early
    /// as its package lets it; if need be as short.
    fn moved(&self, wanted: &Injection, package: &Package, limit: Duration) -> Option<Injection> {
        let mut moments: Vec<Duration> = self.windows.iter().map(|window| span(window).1).collect();
        moments.retain(|moment| *moment >= package.recover.from);
        moments.push(package.recover.from);
        moments.sort_unstable();
        moments.insert(0, wanted.at);
        [wanted.hold, package.hold.from.min(wanted.hold)].into_iter().find_map(|hold| {
            let fitting = moments.iter().filter(|at| **at + hold < limit);
            fitting
                .map(|at| Injection { at: *at, hold, ..wanted.clone() })
                .find_map(|window| self.fit(&window))
        })
    }

    /// The window as it may happen beside those that will: with targets left out from the end; if
    /// nobody is left, hitting a node that is cut off, for which nobody else goes down.
    fn fit(&self, window: &Injection) -> Option<Injection> {
        let (start, end) = span(window);
        let beside: Vec<&Injection> = self
            .windows
            .iter()
            .filter(|other| span(other).0 < end && start < span(other).1)
            .collect();
        let mut window = window.clone();
        if window.cuts.is_empty() && !window.targets.is_empty() {
            while !window.targets.is_empty() && !self.bears(&window, &beside) {
                window.targets.pop();
            }
            if window.targets.is_empty() {
                window.targets.push(self.cut_off_throughout(&window, &beside)?);
            }
            return Some(window);
        }
        self.bears(&window, &beside).then_some(window)
    }

    /// A node that is down all the time and whose process nobody kills or pauses.
    fn cut_off_throughout(&self, window: &Injection, beside: &[&Injection]) -> Option<NodeId> {
        (0..self.nodes).map(|node| NodeId(node as u16)).find(|node| {
            let target = Injection { targets: vec![*node], ..window.clone() };
            self.bears(&target, beside)
        })
    }

    /// Whether the guard holds at every moment of the window, and no process of a node is to bear
    /// two faults at once: who is killed cannot be paused.
    fn bears(&self, window: &Injection, beside: &[&Injection]) -> bool {
        let hit = |node: &NodeId| beside.iter().any(|other| other.targets.contains(node));
        if window.targets.iter().any(hit) {
            return false;
        }
        let (start, end) = span(window);
        let moments = beside.iter().map(|other| span(other).0).filter(|at| *at > start);
        moments.chain([start]).filter(|at| *at < end).all(|at| {
            let open = beside.iter().filter(|other| span(other).0 <= at && at < span(other).1);
            let mut busy = down(window, self.nodes);
            let mut unknown = usize::from(runtime(window));
            for other in open {
                busy.extend(down(other, self.nodes));
                unknown += usize::from(runtime(other));
            }
            busy.sort_unstable();
            busy.dedup();
            busy.len() + unknown <= self.guard.max_down
        })
    }
}

/// The first window of a package where it was put, and what follows it as much later.
fn postpone(windows: &mut Vec<Planned>, first: Injection, limit: Duration) {
    let (was, is) = (span(&windows[0].injection).1, span(&first).1);
    let later = is.saturating_sub(was);
    for planned in windows.iter_mut().skip(1) {
        planned.injection.at += later;
    }
    windows[0].injection = first;
    let fits = |planned: &Planned| span(&planned.injection).1 < limit;
    let fitting = windows.iter().take_while(|planned| fits(planned)).count();
    windows.truncate(fitting.max(1));
}

/// Nodes a window takes down. Primaries are not known yet: one is assumed, and it may be any.
pub(crate) fn down(injection: &Injection, n: usize) -> Vec<NodeId> {
    let fault = registry::find(&injection.kind);
    match injection.cuts.is_empty() {
        _ if fault.is_some_and(|fault| !fault.takes_down()) => Vec::new(),
        true => injection.targets.clone(),
        false => cut_off(&injection.cuts, n),
    }
}

/// When a window begins, and when it is over.
pub(crate) fn span(injection: &Injection) -> (Duration, Duration) {
    (injection.at, injection.at + injection.hold)
}

/// Whether whom it hits is decided when it happens.
pub(crate) fn runtime(injection: &Injection) -> bool {
    injection.targets.is_empty() && injection.cuts.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tribunal_harness::seed::Seed;

    use super::*;
    use crate::schedule::{Range, plan};

    fn ms(from: u64, to: u64) -> Range {
        Range { from: Duration::from_millis(from), to: Duration::from_millis(to) }
    }

    /// As the program asks for them when no suite says otherwise.
    fn packages(kinds: &[&str]) -> Vec<Package> {
        let package = |kind: &&str| Package {
            kind: kind.to_string(),
            shapes: match *kind {
                "partition" => crate::shape::Shape::ALL.map(|shape| shape.name().into()).to_vec(),
                _ => ["one", "minority", "primaries"].map(String::from).to_vec(),
            },
            chosen: false,
            parameters: std::collections::BTreeMap::new(),
            hold: ms(3000, 6000),
            recover: ms(2000, 4000),
        };
        kinds.iter().map(package).collect()
    }

    fn planned(seed: u64, nodes: usize, seconds: u64) -> Result<Vec<Planned>, String> {
        let packages = packages(&["partition", "kill", "pause"]);
        let (guard, view) = (Guard::keep_quorum(nodes), ClusterView { nodes });
        plan(&packages, guard, &view, &Seed(seed).root(), Duration::from_secs(seconds))
    }

    fn happen<'p>(windows: &'p [Planned], kind: &str) -> Vec<&'p Planned> {
        let it = |window: &&Planned| window.injection.kind == kind && window.refused.is_none();
        windows.iter().filter(it).collect()
    }

    #[test]
    fn every_kind_happens_under_every_seed_where_there_is_room_for_one_of_each() {
        for (nodes, seconds) in [(3, 12), (3, 13), (4, 12), (5, 12), (3, 60)] {
            for seed in 0..100 {
                let windows = planned(seed, nodes, seconds).unwrap();
                for kind in ["partition", "kill", "pause"] {
                    assert!(!happen(&windows, kind).is_empty(), "{kind}, {seed}: {windows:?}");
                }
            }
        }
    }

    #[test]
    fn without_room_for_one_of_each_the_plan_says_how_much_is_missing() {
        let error = planned(1, 2, 60).unwrap_err();
        let words = "no window of partition can be planned: more than 0 of 2 nodes would be down";
        assert!(error.starts_with(words), "{error}");
        let mut kills = packages(&["kill", "kill", "kill"]);
        // Each may hit another leader.
        kills.iter_mut().for_each(|package| package.shapes = vec!["primaries".into()]);
        let (guard, view) = (Guard::keep_quorum(3), ClusterView { nodes: 3 });
        for seed in 0..100 {
            let limit = |s| plan(&kills, guard, &view, &Seed(seed).root(), Duration::from_secs(s));
            let error = limit(11).unwrap_err();
            assert!(error.contains("make --time at least 12 s"), "{seed}: {error}");
            assert!(limit(12).is_ok(), "{seed}");
        }
    }

    #[test]
    fn links_that_only_lose_packets_take_nobody_down() {
        let cuts = crate::shape::isolate(&[NodeId(0), NodeId(1), NodeId(2)], 5);
        let of = |kind: &str| Injection { cuts: cuts.clone(), ..crate::schedule::empty(kind, "") };
        let (guard, view) = (Guard::keep_quorum(5), ClusterView { nodes: 5 });
        assert_eq!(down(&of("loss"), 5), []);
        assert!(guard.allows(&of("loss"), &view));
        for kind in ["partition", "reset", "new-connections", "large-packets"] {
            assert_eq!(down(&of(kind), 5).len(), 5, "{kind}");
            assert!(!guard.allows(&of(kind), &view), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn no_process_bears_two_faults_at_once(
            seed: u64, nodes in 3usize..8, seconds in 12u64..90, beyond: bool
        ) {
            let packages = packages(&["kill", "pause", "stop", "storm"]);
            let all = Guard::beyond_quorum(nodes);
            let guard = if beyond { all } else { Guard::keep_quorum(nodes) };
            let (view, stream) = (ClusterView { nodes }, Seed(seed).root());
            let Ok(windows) = plan(&packages, guard, &view, &stream, Duration::from_secs(seconds))
            else {
                return Ok(());
            };
            let happen = windows.iter().filter(|window| window.refused.is_none());
            let happen: Vec<&Injection> = happen.map(|window| &window.injection).collect();
            for (at, one) in happen.iter().enumerate() {
                for other in &happen[..at] {
                    let apart = span(one).0 >= span(other).1 || span(other).0 >= span(one).1;
                    let shared = one.targets.iter().any(|node| other.targets.contains(node));
                    prop_assert!(apart || !shared, "{one:?} {other:?}");
                }
            }
        }

        #[test]
        fn windows_of_a_package_never_overlap_and_end_in_time(
            seed: u64, nodes in 3usize..8, seconds in 12u64..90
        ) {
            let windows = planned(seed, nodes, seconds).unwrap();
            for kind in ["partition", "kill", "pause"] {
                let of: Vec<_> = windows.iter().filter(|w| w.injection.kind == kind).collect();
                let mut now = Duration::ZERO;
                for window in of {
                    let (start, end) = span(&window.injection);
                    prop_assert!(start >= now + Duration::from_secs(2), "{windows:?}");
                    prop_assert!(end < Duration::from_secs(seconds), "{windows:?}");
                    now = end;
                }
            }
        }
    }
}
