//! Time, memory and size of the report of a large run. Arguments: operations, output directory
//! (`-` for none), clients, faults.

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::time::Instant;

use tribunal_results::{assemble, html};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let ops = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(1_000_000);
    let directory = arguments.next().filter(|it| it != "-");
    let mut number = |default| arguments.next().and_then(|it| it.parse().ok()).unwrap_or(default);
    let (clients, faults) = (number(40), number(8));
    let shape = common::Shape { ops, seconds: 60.0, clients, keys: 64, faults };
    let (info, history, answers) = common::invalid(&shape);
    let before = resident_kb("VmRSS");
    let clock = Instant::now();
    let report = assemble(&info, &history, &answers);
    let assembled = clock.elapsed();
    let page = html(&report, &history);
    let rendered = clock.elapsed();
    println!("report of {} operations ({} events)", history.len(), history.event_count());
    println!("  assemble   {:8.3} s", assembled.as_secs_f64());
    println!("  render     {:8.3} s", (rendered - assembled).as_secs_f64());
    let bytes = page.text.len();
    println!("  html       {:8.3} MB, {:.2} B/op", bytes as f64 / 1e6, bytes as f64 / ops as f64);
    println!("  memory     {:8.1} MB before, peak {:.1} MB", before, resident_kb("VmHWM"));
    for note in &page.notes {
        println!("  note       {note}");
    }
    if let Some(directory) = directory {
        let path = format!("{directory}/report-{ops}.html");
        match fs::write(&path, &page.text) {
            Ok(()) => println!("  wrote      {path}"),
            Err(error) => println!("  write {path}: {error}"),
        }
    }
}

/// A line of this process' status, in megabytes.
fn resident_kb(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let number = line.split_whitespace().nth(1).and_then(|it| it.parse::<f64>().ok());
    number.unwrap_or(0.0) / 1e3
}
