//! Sizes, line lengths, module docs, and words that hide an error.

use super::Complaint;

/// Longest file, tests apart.
const FILE_LIMIT: usize = 800;
/// Nine of ten files are at most this long.
const FILE_P90: usize = 500;
/// Half of the files are at most this long.
const FILE_MEDIAN: usize = 250;
/// Longest line.
const LINE_LIMIT: usize = 100;
/// Longest function.
const FUNCTION_LIMIT: usize = 70;

/// Whether a file holds tests, fuzzers or benchmarks only.
pub(super) fn is_test(path: &str) -> bool {
    if path.ends_with("_tests.rs") {
        return true;
    }
    let mut parts = path.split('/');
    parts.any(|part| matches!(part, "tests" | "fuzz" | "benches" | "tests.rs"))
}

/// Checks one Rust file.
pub(super) fn check(path: &str, text: &str, all: &mut Vec<Complaint>) {
    let mut complain = |line: usize, what: String, instead: &str| {
        all.push(Complaint { path: path.into(), line, what, instead: instead.into() });
    };
    let lines: Vec<&str> = text.lines().collect();
    if !is_test(path) {
        if lines.len() > FILE_LIMIT {
            let what = format!("{} lines (limit {FILE_LIMIT})", lines.len());
            complain(1, what, "a split along a seam");
        }
        if !lines.first().is_some_and(|line| line.starts_with("//!")) {
            complain(1, "no module doc".into(), "a first line `//! what this file decides`");
        }
    }
    for (at, line) in lines.iter().enumerate() {
        let number = at + 1;
        let width = line.chars().count();
        if width > LINE_LIMIT && !holds_text(line) {
            let what = format!("{width} columns (limit {LINE_LIMIT})");
            complain(number, what, "a break");
        }
        for (word, instead) in BANNED {
            if line.contains(word) && !path.starts_with("xtask/src/tidy/") {
                complain(number, format!("`{word}`"), instead);
            }
        }
    }
    for (line, length) in functions(&lines) {
        if length > FUNCTION_LIMIT && !is_test(path) {
            let what = format!("function of {length} lines (limit {FUNCTION_LIMIT})");
            complain(line, what, "smaller functions with names");
        }
    }
}

const BANNED: &[(&str, &str)] = &[
    ("#[allow(", "`#[expect(lint, reason = \"…\")]`"),
    ("thread_rng(", "a named stream of the seed"),
    ("StdRng", "a named stream of the seed"),
    ("todo!(", "the real thing"),
    ("unimplemented!(", "the real thing"),
    ("#[ignore", "a test that says `skipped: <reason>` aloud"),
];

/// Lines that hold one long literal (a snapshot, an address) cannot be broken.
fn holds_text(line: &str) -> bool {
    line.contains("expect![") || line.contains('"') || line.contains("http")
}

/// First line and length of every function, by indentation of its closing brace.
fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let head = code.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        let head = head.trim_start_matches("pub ").trim_start_matches("const ");
        let head = head.trim_start_matches("async ");
        if !head.starts_with("fn ") {
            continue;
        }
        let end = lines[at..].iter().position(|line| {
            line.len() == indent + 1 && line.ends_with('}') && line.trim_start() == "}"
        });
        let declared = lines[at..].iter().position(|line| line.trim_end().ends_with(';'));
        let opened = lines[at..].iter().position(|line| line.trim_end().ends_with('{'));
        if let (Some(end), Some(opened)) = (end, opened)
            && declared.is_none_or(|declared| opened <= declared)
        {
            found.push((at + 1, end + 1));
        }
    }
    found
}

/// The spread of file lengths over the tree.
pub(super) fn check_spread(lengths: &mut [usize], all: &mut Vec<Complaint>) {
    lengths.sort_unstable();
    let at = |part: f64| lengths.get((lengths.len() as f64 * part) as usize).copied().unwrap_or(0);
    for (part, limit, name) in [(0.5, FILE_MEDIAN, "median"), (0.9, FILE_P90, "90th percentile")] {
        if at(part) > limit {
            all.push(Complaint {
                path: "Cargo.toml".into(),
                line: 1,
                what: format!("{name} of file lengths is {} (limit {limit})", at(part)),
                instead: "splits along seams".into(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        check(path, text, &mut all);
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_needs_a_doc() {
        let found = complaints("a/b.rs", "fn main() {}\n");
        assert_eq!(
            found,
            [
                "a/b.rs:1: error: no module doc, do a first line `//! what this file decides` instead"
            ]
        );
    }

    #[test]
    fn long_functions_and_files_are_found() {
        let long = format!("//! Doc.\nfn f() {{\n{}}}\n", "    g();\n".repeat(70));
        assert!(complaints("a.rs", &long)[0].contains("function of 72 lines"));
        let huge = format!("//! Doc.\n{}", "\n".repeat(800));
        assert!(complaints("a.rs", &huge)[0].contains("801 lines (limit 800)"));
        assert!(complaints("a/tests/b.rs", &huge).is_empty());
    }

    #[test]
    fn hidden_errors_are_found() {
        let text = format!("//! Doc.\n{}dead_code)]\n", "#[allow(");
        assert!(complaints("a.rs", &text)[0].starts_with("a.rs:2: error: `#[allow(`"));
    }
}
