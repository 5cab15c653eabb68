//! When which fault happens: a pure function of the suite's packages and the seed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tribunal_harness::nemesis::{ClusterView, Injection, Nemesis};
use tribunal_harness::seed::{Draw, Stream};

pub use crate::guard::Guard;
use crate::registry;

/// Longest time a fault outlives the last renewal of its lease.
pub const LEASE: Duration = Duration::from_secs(10);

/// Shortest hold of a window: in less, nothing can be injected and measured.
pub const HOLD_LEAST: Duration = Duration::from_millis(100);

/// Most windows of a plan: a run of a week with three kinds of faults has fewer.
pub const WINDOWS_MAX: usize = 100_000;

/// Times are drawn to this.
pub(crate) const STEP: Duration = Duration::from_millis(1);

/// Tries of drawing a window that the guard allows when nothing else happens.
const DRAWS: usize = 16;

/// A range of durations, drawn uniformly to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// Shortest.
    pub from: Duration,
    /// Longest.
    pub to: Duration,
}

/// One line of a suite's fault list: windows of one kind, one after the other. Packages run beside
/// each other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Package {
    /// Fault kind, as in the registry.
    pub kind: String,
    /// Shapes or target choices, one of which is drawn for each window.
    pub shapes: Vec<String>,
    /// Whether somebody chose the shapes. Then each must fit the cluster; otherwise those that do
    /// not are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen: bool,
    /// Parameters of the kind that somebody set; the others are drawn.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, i64>,
    /// How long a window lasts.
    pub hold: Range,
    /// Pause before each window. At least some seconds, or nothing recovers in between.
    pub recover: Range,
}

/// A planned window, or the reason why there is none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// What happens.
    pub injection: Injection,
    /// Why it will not: a guard or a shape the cluster cannot carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Range {
    fn draw(self, draw: &mut Draw) -> Duration {
        let (from, to) = (self.from.as_millis() as u64, self.to.as_millis() as u64);
        Duration::from_millis(from + draw.below(to.saturating_sub(from) + 1))
    }
}

/// Every window of a run of length `limit`, in order of start, numbered from 0.
///
/// Every window ends before `limit`, and every package has one that the guard allows. Removing a
/// package or a window does not change the draws of the others: each package has its own stream,
/// and so has each of its windows. Only when they happen, and which of their targets are left out,
/// depends on the others, through the guard.
///
/// # Errors
/// A kind nobody knows, a chosen shape or a package that the cluster, the guard or `limit` cannot
/// carry, more than [`WINDOWS_MAX`] windows: as a sentence, and the same one for every seed but
/// for the last.
pub fn plan(
    packages: &[Package],
    guard: Guard,
    view: &ClusterView,
    stream: &Stream,
    limit: Duration,
) -> Result<Vec<Planned>, String> {
    let mut drawn = Vec::new();
    for (index, package) in packages.iter().enumerate() {
        let stream = stream.child(&package.kind).child(&index.to_string());
        drawn.push(package_windows(package, guard, view, &stream, limit)?);
        if drawn.iter().map(Vec::len).sum::<usize>() > WINDOWS_MAX {
            return Err(too_many(limit));
        }
    }
    let mut windows = guard.arrange(packages, drawn, view, limit)?;
    windows.sort_by_key(|planned| planned.injection.at);
    for (id, planned) in windows.iter_mut().enumerate() {
        planned.injection.id = id as u32;
    }
    Ok(windows)
}

fn package_windows(
    package: &Package,
    guard: Guard,
    view: &ClusterView,
    stream: &Stream,
    limit: Duration,
) -> Result<Vec<Planned>, String> {
    let Some(nemesis) = registry::find(&package.kind) else {
        return Err(format!("no fault is called {:?}; see `tribunal list faults`", package.kind));
    };
    let fitting = fitting(package, nemesis, guard, view, stream)?;
    fits_into(package, limit)?;
    let mut windows = Vec::new();
    let mut now = Duration::ZERO;
    for n in 0u64.. {
        let window = stream.child(&n.to_string());
        let mut draw = window.draw(0, 0);
        now += package.recover.draw(&mut draw);
        let mut hold = package.hold.draw(&mut draw);
        if now + hold >= limit {
            if n > 0 {
                break;
            }
            // What was asked for happens under every seed: the first window as long as it can be.
            hold = hold.min(limit - STEP - package.recover.from);
            now = now.min(limit - STEP - hold);
        }
        if windows.len() == WINDOWS_MAX {
            return Err(too_many(limit));
        }
        let injection = one_window(package, &fitting, nemesis, guard, view, &window, &mut draw);
        let (injection, refused) = match injection {
            Ok(injection) => (injection, None),
            Err(reason) if n == 0 => {
                return Err(format!("no window of {} can be planned: {reason}", package.kind));
            }
            Err(reason) => (empty(nemesis.name(), ""), Some(reason)),
        };
        let injection = Injection { at: now, hold, lease: LEASE, ..injection };
        windows.push(Planned { injection, refused });
        now += hold;
    }
    Ok(windows)
}

/// What happens in a window, to whom: the first of some draws that the guard allows by itself.
fn one_window(
    package: &Package,
    fitting: &[&str],
    nemesis: &dyn Nemesis,
    guard: Guard,
    view: &ClusterView,
    window: &Stream,
    draw: &mut Draw,
) -> Result<Injection, String> {
    let mut last = String::new();
    for n in 0..DRAWS {
        let drawn = package.shapes[draw.below(package.shapes.len() as u64) as usize].as_str();
        // A shape that does not fit is drawn again: the draws of those that fit stay as they are.
        let shape = match fitting.contains(&drawn) {
            true => drawn,
            false => fitting[draw.below(fitting.len() as u64) as usize],
        };
        let targets = window.child("targets");
        let targets = if n == 0 { targets } else { targets.child(&n.to_string()) };
        match nemesis.plan(shape, view, &targets) {
            Ok(mut injection) if guard.allows(&injection, view) => {
                injection.parameters.extend(package.parameters.clone());
                return Ok(injection);
            }
            Ok(_) => last = guard.refusal(view),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

/// The shapes of a package that the cluster can carry.
fn fitting<'p>(
    package: &'p Package,
    nemesis: &dyn Nemesis,
    guard: Guard,
    view: &ClusterView,
    stream: &Stream,
) -> Result<Vec<&'p str>, String> {
    let (mut fitting, mut last) = (Vec::new(), None);
    for shape in &package.shapes {
        match nemesis.plan(shape, view, &stream.child("fits")) {
            Ok(drawn) => match guard.diminishes(&drawn, view) {
                Some(reason) if package.chosen => return Err(reason),
                Some(_) | None => fitting.push(shape.as_str()),
            },
            Err(reason) if package.chosen => return Err(reason),
            Err(reason) => last = Some(reason),
        }
    }
    match (fitting.is_empty(), last) {
        (false, _) => Ok(fitting),
        (true, Some(reason)) => Err(format!("{} has no shape that fits: {reason}", package.kind)),
        (true, None) => Err(format!("{} has no shape to choose from", package.kind)),
    }
}

/// A window of the package fits into `limit`, under every seed.
fn fits_into(package: &Package, limit: Duration) -> Result<(), String> {
    let Package { kind, hold, recover, .. } = package;
    if hold.from < HOLD_LEAST {
        let found = hold.from;
        return Err(format!("{kind}: hold {found:?} is too short; {HOLD_LEAST:?} is the least"));
    }
    let least = recover.from + hold.from;
    if least + STEP <= limit {
        return Ok(());
    }
    Err(format!(
        "no window of {kind} fits into {limit:?}: it takes {:?} before it and {:?} of its own; \
         make --time at least {} s, or `recover` and `hold` shorter",
        recover.from,
        hold.from,
        least.as_secs() + 1,
    ))
}

fn too_many(limit: Duration) -> String {
    format!(
        "more than {WINDOWS_MAX} windows of faults in {limit:?}; make --time shorter, or `recover` \
         and `hold` longer"
    )
}

/// An injection that concerns nobody yet.
pub(crate) fn empty(kind: &str, shape: &str) -> Injection {
    Injection {
        id: 0,
        kind: kind.into(),
        shape: shape.into(),
        targets: Vec::new(),
        cuts: Vec::new(),
        parameters: BTreeMap::new(),
        flap: None,
        at: Duration::ZERO,
        hold: Duration::ZERO,
        lease: LEASE,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tribunal_harness::seed::Seed;
    use tribunal_history::NodeId;

    use super::*;
    use crate::guard::{down, runtime, span};

    fn seconds(from: u64, to: u64) -> Range {
        Range { from: Duration::from_secs(from), to: Duration::from_secs(to) }
    }

    fn packages() -> Vec<Package> {
        let package = |kind: &str, shapes: &[&str]| Package {
            kind: kind.into(),
            shapes: shapes.iter().map(|shape| shape.to_string()).collect(),
            chosen: false,
            parameters: BTreeMap::new(),
            hold: seconds(2, 6),
            recover: seconds(1, 4),
        };
        vec![
            package("partition", &["halves", "one", "majorities-ring", "one-way", "primaries"]),
            package("kill", &["one", "minority"]),
            package("pause", &["one", "primaries"]),
        ]
    }

    fn planned(seed: u64, packages: &[Package], guard: Guard) -> Vec<Planned> {
        let stream = Seed(seed).root().child("schedule");
        let view = ClusterView { nodes: 5 };
        plan(packages, guard, &view, &stream, Duration::from_secs(60)).expect("known kinds")
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let bytes = |seed| {
            let plan = planned(seed, &packages(), Guard::keep_quorum(5));
            serde_json::to_string(&plan).expect("plans are data")
        };
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }

    fn of(seed: u64, package: Package, nodes: usize, limit: Duration) -> Result<usize, String> {
        let stream = Seed(seed).root();
        let (guard, view) = (Guard::beyond_quorum(nodes), ClusterView { nodes });
        let windows = plan(&[package], guard, &view, &stream, limit)?;
        assert!(windows.iter().all(|window| window.refused.is_none()), "{windows:?}");
        Ok(windows.len())
    }

    #[test]
    fn a_kind_that_cannot_happen_is_refused_under_every_seed_or_under_none() {
        let partition = || packages().remove(0);
        let words = "no window of partition fits into 3s: it takes 1s before it and 2s of its \
                     own; make --time at least 4 s, or `recover` and `hold` shorter";
        for seed in 0..200 {
            let found = of(seed, partition(), 5, Duration::from_secs(3));
            assert_eq!(found.unwrap_err(), words, "{seed}");
            let found = of(seed, partition(), 5, Duration::from_secs(4));
            assert!(found.unwrap() >= 1, "{seed}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_left_out_unless_somebody_chose_them() {
        let all = || Package {
            shapes: crate::shape::Shape::ALL.map(|shape| shape.name().to_owned()).to_vec(),
            ..packages().remove(0)
        };
        for seed in 0..200 {
            assert!(of(seed, all(), 3, Duration::from_secs(60)).is_ok(), "{seed}");
            assert!(of(seed, all(), 2, Duration::from_secs(60)).is_ok(), "{seed}");
            let chosen = Package { chosen: true, ..all() };
            let error = of(seed, chosen, 3, Duration::from_secs(60)).unwrap_err();
            let words = "shape minority-third needs 4 nodes, the cluster has 3: bring up more";
            assert!(error.starts_with(words), "{error}");
            let error = of(seed, all(), 1, Duration::from_secs(60)).unwrap_err();
            assert!(error.contains("the cluster has 1"), "{error}");
        }
    }

    #[test]
    fn parameters_are_drawn_or_set() {
        let skew = |parameters: &[(&str, i64)]| {
            let parameters = parameters.iter().map(|(name, value)| (name.to_string(), *value));
            let parameters = parameters.collect();
            let package = Package {
                kind: "skew".into(),
                shapes: vec!["one".into()],
                parameters,
                ..packages().remove(1)
            };
            let (guard, view) = (Guard::keep_quorum(5), ClusterView { nodes: 5 });
            let limit = Duration::from_secs(60);
            let windows = plan(&[package], guard, &view, &Seed(1).root(), limit).unwrap();
            let all = windows.iter().map(|window| window.injection.parameters["offset_ms"]);
            all.collect::<Vec<i64>>()
        };
        let drawn = skew(&[]);
        assert!(drawn.len() > 3 && drawn.iter().any(|offset| *offset != drawn[0]), "{drawn:?}");
        assert!(drawn.iter().all(|offset| offset.abs() <= 300_000), "{drawn:?}");
        let set = skew(&[("offset_ms", 3_600_000)]);
        assert!(set.len() == drawn.len() && set.iter().all(|offset| *offset == 3_600_000));
    }

    #[test]
    fn all_is_all_where_somebody_chose_it() {
        for (shape, down) in [("all", 5), ("majority", 3)] {
            let kill =
                |chosen| Package { shapes: vec![shape.into()], chosen, ..packages().remove(1) };
            let (guard, view) = (Guard::keep_quorum(5), ClusterView { nodes: 5 });
            let planned = |chosen, guard| {
                let limit = Duration::from_secs(60);
                plan(&[kill(chosen)], guard, &view, &Seed(1).root(), limit)
            };
            let error = planned(true, guard).unwrap_err();
            let words = format!("kill of {shape} takes {down} of 5 nodes down, 2 may be; allow");
            assert!(error.starts_with(&words), "{error}");
            assert!(planned(false, guard).is_ok());
            let windows = planned(true, Guard::beyond_quorum(5)).unwrap();
            assert!(windows.iter().all(|window| window.injection.targets.len() == down));
        }
    }

    #[test]
    fn plans_are_bounded() {
        let range = |ms| Range { from: Duration::from_millis(ms), to: Duration::from_millis(ms) };
        let short = |hold| Package { hold: range(hold), recover: range(0), ..packages().remove(1) };
        for hold in [0, 1, 99] {
            let error = of(1, short(hold), 5, Duration::from_secs(60)).unwrap_err();
            assert!(error.ends_with("is too short; 100ms is the least"), "{error}");
        }
        assert_eq!(of(1, short(100), 5, Duration::from_secs(60)), Ok(599));
        let error = of(1, short(100), 5, Duration::from_secs(36_000)).unwrap_err();
        assert!(error.starts_with("more than 100000 windows of faults in 36000s"), "{error}");
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        let package = Package { kind: "earthquake".into(), ..packages().remove(0) };
        let stream = Seed(1).root();
        let view = ClusterView { nodes: 5 };
        let guard = Guard::keep_quorum(5);
        let error = plan(&[package], guard, &view, &stream, Duration::from_secs(9)).unwrap_err();
        assert_eq!(error, "no fault is called \"earthquake\"; see `tribunal list faults`");
    }

    proptest! {
        #[test]
        fn every_window_ends_within_the_run(seed: u64) {
            for planned in planned(seed, &packages(), Guard::keep_quorum(5)) {
                prop_assert!(span(&planned.injection).1 < Duration::from_secs(60));
            }
        }

        #[test]
        fn never_more_nodes_down_than_allowed(seed: u64) {
            let windows = planned(seed, &packages(), Guard::keep_quorum(5));
            let live: Vec<&Injection> = windows
                .iter()
                .filter(|window| window.refused.is_none())
                .map(|window| &window.injection)
                .collect();
            for at in &live {
                let now = at.at;
                let open = live.iter().filter(|w| span(w).0 <= now && now < span(w).1);
                let mut down_now: Vec<NodeId> = Vec::new();
                let mut unknown = 0;
                for window in open {
                    down_now.extend(down(window, 5));
                    unknown += usize::from(runtime(window));
                }
                down_now.sort_unstable();
                down_now.dedup();
                prop_assert!(down_now.len() + unknown <= 2, "{down_now:?} + {unknown}");
            }
        }

        #[test]
        fn removing_a_package_changes_no_other(seed: u64) {
            let guard = Guard::beyond_quorum(5);
            let mut three = packages();
            // A second fault of the same processes would have to leave some of them out.
            three[2] = Package { shapes: vec!["bridge".into()], ..packages().remove(0) };
            let strip = |packages: &[Package]| -> Vec<Injection> {
                let windows = planned(seed, packages, guard).into_iter();
                windows.map(|window| Injection { id: 0, ..window.injection }).collect()
            };
            let (all, less) = (strip(&three), strip(&three[..2]));
            for window in &less {
                prop_assert!(all.contains(window), "{window:?}");
            }
            let more = all.iter().filter(|window| !less.contains(window));
            prop_assert!(more.into_iter().all(|window| window.shape == "bridge"));
        }
    }
}
