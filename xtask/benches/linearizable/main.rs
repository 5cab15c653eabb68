//! Ours and Porcupine by turns on the same inputs, in one run.
//!
//! `cargo xtask bench linearizable -- [--quick] [--minutes N] [--seed S] [ROW...]`: rows are L1,
//! L2, L3, L4, L5, L7, L8, L9, L10 of docs/BENCHMARKS.md; without one, all. Prints Markdown. Ours
//! runs on one thread; Porcupine has every processor (`GOMAXPROCS` says otherwise). Reading is not
//! timed, on either side. A time is the smaller of wall clock and processor time.

mod bench;
mod budget;
mod containers;
mod corpus;
mod crashes;
mod input;
mod kv;
mod memory;
mod ours;
mod registers;
mod rival;
mod table;

use std::process::ExitCode;

use bench::{Bench, Settings};

/// A group of rows: what it is called, and what measures it.
struct Group {
    id: &'static str,
    what: &'static str,
    run: fn(&mut Bench),
}

/// In the order of a run: what takes long comes last, so that a deadline hits it alone.
const GROUPS: &[Group] = &[
    Group { id: "L1", what: "Porcupine's etcd logs", run: corpus::etcd },
    Group {
        id: "L2",
        what: "its hardest two, and the worst of its hardest ten",
        run: corpus::hard,
    },
    Group { id: "L9", what: "Knossos' histories", run: corpus::knossos },
    Group { id: "L5", what: "registers of growing length", run: registers::growing },
    Group { id: "L8", what: "key-value stores", run: kv::rows },
    Group { id: "L7", what: "containers", run: containers::rows },
    Group { id: "L10", what: "limits of time and memory", run: budget::rows },
    Group { id: "L4", what: "ten million operations with distinct values", run: registers::huge },
    Group { id: "L3", what: "crashed operations", run: crashes::rows },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == memory::FLAG
    {
        return memory::child(rest);
    }
    let settings = match Settings::parse(&arguments) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("bench: error: {problem}");
            return ExitCode::from(64);
        }
    };
    let unknown = |row: &&String| !GROUPS.iter().any(|group| group.id == **row);
    if let Some(row) = settings.rows.iter().find(unknown) {
        let known: Vec<&str> = GROUPS.iter().map(|group| group.id).collect();
        eprintln!("bench: error: no row is called {row:?}; there are {}", known.join(", "));
        return ExitCode::from(64);
    }
    let mut bench = Bench::new(settings);
    bench.introduce();
    for group in GROUPS {
        if bench.wants(group.id) {
            println!("\n### {}: {}\n", group.id, group.what);
            table::head();
            (group.run)(&mut bench);
        }
    }
    bench.conclude()
}
