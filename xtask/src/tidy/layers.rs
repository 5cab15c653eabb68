//! Dependencies point down, and light crates stay light: read from `cargo metadata`.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Complaint;
use crate::steps::root;

/// A member, the members it may name, and the foreign crates it may name; an empty list of foreign
/// crates means any.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    (
        "tribunal-history",
        &[],
        &[
            "serde",
            "serde_json",
            "thiserror",
            "rustc-hash",
            "foldhash",
            "ruzstd",
            "flate2",
            "crc32c",
        ],
    ),
    (
        "tribunal-checkers",
        &["tribunal-history"],
        &["thiserror", "rustc-hash", "foldhash", "fixedbitset", "roaring", "rayon"],
    ),
    ("tribunal-agent", &[], &["nix", "libc", "serde", "serde_json", "crc32c"]),
    ("tribunal-harness", &["tribunal-history", "tribunal-agent"], &[]),
    ("tribunal-nemesis", &["tribunal-harness", "tribunal-history", "tribunal-agent"], &[]),
    ("tribunal-workloads", &["tribunal-harness", "tribunal-checkers", "tribunal-history"], &[]),
    ("tribunal-targets", &["tribunal-harness", "tribunal-history", "tribunal-agent"], &[]),
    ("tribunal-servers", &[], &[]),
    ("tribunal-results", &["tribunal-checkers", "tribunal-history"], &[]),
    ("xtask", &["tribunal-history"], &[]),
];

/// Never in the tree, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "rustls with ring"),
    ("aws-lc-sys", "rustls with ring"),
    ("cmake", "a crate that needs no cmake"),
    ("native-tls", "rustls with ring"),
    ("edn-rs", "history/codec/edn"),
    ("simd-json", "serde_json"),
    ("sonic-rs", "serde_json"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

/// Checks every member.
pub(super) fn check(all: &mut Vec<Complaint>) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .context("starting cargo metadata")?;
    anyhow::ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    for package in &metadata.packages {
        let member = metadata.workspace_members.contains(&package.id);
        let mut complain = |what: String, instead: String| {
            let path = package.manifest_path.clone();
            let path = path
                .strip_prefix(&format!("{}/", root().display()))
                .map_or(path.clone(), String::from);
            all.push(Complaint { path, line: 1, what, instead });
        };
        match member {
            true => check_member(package, &mut complain),
            false => check_foreign(package, &mut complain),
        }
    }
    Ok(())
}

fn check_member(package: &Package, complain: &mut impl FnMut(String, String)) {
    if package.name == "tribunal" {
        return;
    }
    let Some((_, members, foreign)) = LAYERS.iter().find(|layer| layer.0 == package.name) else {
        let what = format!("crate {} has no layer", package.name);
        complain(what, "a line in xtask/src/tidy/layers.rs".into());
        return;
    };
    for dependency in package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev")) {
        let name = dependency.name.as_str();
        let allowed = match dependency.path {
            Some(_) => members.contains(&name),
            None => foreign.is_empty() || foreign.contains(&name),
        };
        if !allowed {
            let what = format!("{} names {name}", package.name);
            complain(what, "a dependency that points down (docs/ARCHITECTURE.md)".into());
        }
    }
}

fn check_foreign(package: &Package, complain: &mut impl FnMut(String, String)) {
    for (name, instead) in BANNED {
        if package.name == *name {
            complain(format!("crate {name} in Cargo.lock"), (*instead).into());
        }
    }
    let release = package.version.split('+').next().unwrap_or_default();
    if release.contains('-') {
        let what = format!("pre-release {} {} in Cargo.lock", package.name, package.version);
        complain(what, "a stable version".into());
    }
}
