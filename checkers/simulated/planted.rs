//! One anomaly in the history of a store that has none is found among everything else, and named.

use tribunal_history::{History, Kind, Process, Session};

use super::store::{Kept, Sees, Size, run};
use crate::testing::{Random, drawn};
use crate::txn::ListAppend;
use crate::weak::RwRegister;
use crate::{Budget, Checker, Consistency as C, Verdict};

/// An anomaly and its name.
type Plant = (&'static str, &'static str);

const LISTS: &[Plant] = &[
    ("p0 |-[a(x)=1 a(y)=1]-|\np1 |-[a(x)=2 a(y)=2]-|\np2 |-[r(x)=[1 2] r(y)=[2 1]]-|", "G0"),
    ("p0 |-[a(x)=1]-x\np1 |-[r(x)=[1]]-|", "G1a"),
    ("p0 |-[a(x)=1 a(x)=2]-|\np1 |-[r(x)=[1]]-|", "G1b"),
    ("p0 |-[a(x)=1 r(y)=[1]]-|\np1 |-[a(y)=1 r(x)=[1]]-|", "G1c"),
    ("p0 |-[a(x)=1 a(y)=1]-|\np1 |-[r(x)=[1] r(y)=[]]-|", "G-single"),
    ("p0 |-[r(x)=[] a(x)=1]-|\np1 |-[r(x)=[] a(x)=2]-|\np2 |-[r(x)=[1 2]]-|", "lost-update"),
    (
        "p0 |-[a(x)=1]-|\np1 |-[a(y)=1]-|\np2 |-[r(x)=[1] r(y)=[]]-|\np3 |-[r(x)=[] r(y)=[1]]-|",
        "G-nonadjacent",
    ),
    (
        "p0 |-[r(x)=[] a(y)=1]-|\np1 |-[r(y)=[] a(x)=1]-|\np2                  |-[r(x)=[1] r(y)=[1]]-|",
        "G2-item",
    ),
    ("p0 |-[a(x)=1]-|  |-[r(x)=[]]-|", "G-single-process"),
    ("p0 |-[a(x)=1]-|\np1                 |-[r(x)=[]]-|", "G-single-realtime"),
    ("p0 |-[a(x)=1]-| |-[a(x)=2]-|\np1 |-[r(x)=[1 2]]-|\np2 |-[r(x)=[2]]-|", "incompatible-order"),
    ("p0 |-[r(x)=[7]]-|", "thin-air-read"),
    ("p0 |-[a(x)=1 r(x)=[]]-|", "internal"),
    ("p0 |-[a(x)=1]-| |-[r(x)=[1 1]]-|", "duplicate-elements"),
];

const REGISTERS: &[Plant] = &[
    ("p0 |-[w(x)=1]-x\np1 |-[r(x)=1]-|", "G1a"),
    ("p0 |-[w(x)=1 w(x)=2]-|\np1 |-[r(x)=1]-|", "G1b"),
    ("p0 |-[w(x)=1 r(y)=1]-|\np1 |-[w(y)=1 r(x)=1]-|", "G1c"),
    ("p0 |-[w(x)=1 w(y)=1]-|\np1 |-[r(x)=1 r(y)=nil]-|", "non-monotonic-view"),
    ("p0 |-[w(x)=1 w(y)=1]-|\np1 |-[r(y)=nil r(x)=1]-|", "fractured-read"),
    ("p0 |-[r(x)=nil w(x)=1]-|\np1 |-[r(x)=nil w(x)=2]-|", "lost-update"),
    ("p0 |-[r(x)=7]-|", "thin-air-read"),
    ("p0 |-[w(x)=1 r(x)=2]-|\np1 |-[w(x)=2]-|", "internal"),
];

/// `plant`, drawn out, in the midst of `history`, by clients of its own.
fn planted(history: &History, plant: &str, random: &mut Random) -> History {
    let last = history.events().last().map_or(0, |event| event.time.0);
    let start = random.below(last + 1);
    let mut events: Vec<_> = history.events().collect();
    let clients = 1 + events.iter().map(|event| event.process.0).max().unwrap_or(0);
    events.extend(drawn(plant).events().map(|mut event| {
        // A column is a millisecond, and 40 of the store's units.
        event.time.0 = start + event.time.0 / 1_000_000 * 40;
        event.process = Process(event.process.0 + clients);
        event.session = Session(event.session.0 + clients);
        event
    }));
    events.sort_by_key(|event| (event.time, event.kind != Kind::Invoke));
    History::new(events, Vec::new()).expect("both are histories")
}

fn found(kept: Kept, plants: &[Plant], checker: &dyn Checker) {
    let mut random = Random(kept as u64 + 1);
    for (plant, name) in plants {
        for _ in 0..20 {
            let size = Size { transactions: 60, sessions: 4, keys: 3 };
            let history = run(Sees::All, kept, size, true, &mut random);
            let clean = checker.check(&history, &Budget::unlimited()).expect("transactions");
            assert_eq!(clean.verdict, Verdict::Valid);
            let history = planted(&history, plant, &mut random);
            let report = checker.check(&history, &Budget::unlimited()).expect("transactions");
            assert_eq!(report.verdict, Verdict::Invalid, "{name}");
            let kinds: Vec<&str> = report.anomalies.iter().map(|it| it.kind.0).collect();
            assert!(kinds.contains(name), "{name} is called {kinds:?}");
        }
    }
}

#[test]
fn what_is_planted_among_lists_is_named() {
    found(Kept::Lists, LISTS, &ListAppend::new(C::StrictSerializable));
}

#[test]
fn what_is_planted_among_registers_is_named() {
    found(Kept::Registers, REGISTERS, &RwRegister::new(C::StrictSerializable));
}
