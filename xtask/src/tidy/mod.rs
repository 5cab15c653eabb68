//! The house rules a program can check. Each complaint says where, what, and what to do instead.

mod files;
mod layers;
mod words;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::steps::root;

/// One broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Complaint {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) instead: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Complaint { path, line, what, instead } = self;
        write!(f, "{path}:{line}: error: {what}, do {instead} instead")
    }
}

/// Prints every broken rule; fails if there is one.
pub(crate) fn run() -> Result<ExitCode> {
    let complaints = complaints()?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(ExitCode::SUCCESS),
        n => {
            eprintln!("tidy: {n} complaints");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn complaints() -> Result<Vec<Complaint>> {
    let mut all = Vec::new();
    let mut lines = Vec::new();
    for path in tracked()? {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        words::check(&path, &text, &mut all);
        if path.ends_with(".rs") {
            files::check(&path, &text, &mut all);
            if !files::is_test(&path) {
                lines.push(text.lines().count());
            }
        }
    }
    files::check_spread(&mut lines, &mut all);
    layers::check(&mut all)?;
    all.sort();
    Ok(all)
}

/// Files git tracks or would track.
fn tracked() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .context("asking git for the files of the tree")?;
    let mut paths: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let complaints = super::complaints().expect("the tree can be read");
        let text: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        assert!(complaints.is_empty(), "\n{}", text.join("\n"));
    }
}
