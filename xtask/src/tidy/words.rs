//! The product speaks of itself only: no path of a machine it was built on.

use super::Complaint;

const BANNED: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path relative to the repository"),
    (concat!("/fa", "rm/"), "a path relative to the repository"),
];

/// Checks one text file.
pub(super) fn check(path: &str, text: &str, all: &mut Vec<Complaint>) {
    if path.ends_with(".lock") || path.starts_with("xtask/src/tidy/") {
        return;
    }
    for (at, line) in text.lines().enumerate() {
        for (word, instead) in BANNED.iter().filter(|(word, _)| line.contains(word)) {
            all.push(Complaint {
                path: path.into(),
                line: at + 1,
                what: format!("`{word}`"),
                instead: (*instead).into(),
            });
        }
    }
}
