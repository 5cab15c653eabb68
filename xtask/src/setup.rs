//! Installs Debian packages that are missing, without starting any server, and says so.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

/// What is about to happen, and so what must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Building the product and running it on local nodes.
    Run,
    /// Also testing it against real servers and in a real browser.
    Everything,
}

/// A thing that must exist, and the package that brings it.
struct Tool {
    /// Any of these paths.
    paths: &'static [&'static str],
    package: &'static str,
    why: &'static str,
    need: Need,
}

const TOOLS: &[Tool] = &[
    Tool {
        paths: &["/usr/bin/cc"],
        package: "gcc",
        why: "links, and compiles libssh2",
        need: Need::Run,
    },
    Tool {
        paths: &["/usr/include/stdio.h"],
        package: "libc6-dev",
        why: "headers to link against",
        need: Need::Run,
    },
    Tool {
        paths: &["/usr/bin/pkg-config"],
        package: "pkg-config",
        why: "finds OpenSSL",
        need: Need::Run,
    },
    Tool {
        paths: &["/usr/include/openssl/ssl.h"],
        package: "libssl-dev",
        why: "libssh2's cryptography",
        need: Need::Run,
    },
    Tool {
        paths: &["/usr/sbin/sshd"],
        package: "openssh-server",
        why: "every local node runs a real sshd",
        need: Need::Run,
    },
    Tool {
        paths: &["/usr/bin/ssh-keygen"],
        package: "openssh-client",
        why: "makes the keys of a local cluster",
        need: Need::Run,
    },
    Tool {
        paths: &["/usr/sbin/ip", "/sbin/ip", "/bin/ip"],
        package: "iproute2",
        why: "networks of local nodes",
        need: Need::Run,
    },
    Tool { paths: &["/usr/sbin/nft"], package: "nftables", why: "network faults", need: Need::Run },
    Tool {
        paths: &["/usr/sbin/iptables"],
        package: "iptables",
        why: "network faults where nft is missing",
        need: Need::Everything,
    },
    Tool {
        paths: &["/usr/sbin/ipset", "/sbin/ipset"],
        package: "ipset",
        why: "network faults where nft is missing",
        need: Need::Everything,
    },
    Tool {
        paths: &["/usr/bin/etcd"],
        package: "etcd-server",
        why: "a real server to test",
        need: Need::Everything,
    },
    Tool {
        paths: &["/usr/bin/chromium"],
        package: "chromium",
        why: "opens the report in tests",
        need: Need::Everything,
    },
];

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing for `need`.
pub(crate) fn run(need: Need) -> Result<ExitCode> {
    let there = |tool: &Tool| tool.paths.iter().any(|path| Path::new(path).exists());
    let wanted = |tool: &&Tool| need == Need::Everything || tool.need == Need::Run;
    let missing: Vec<&Tool> = TOOLS.iter().filter(wanted).filter(|tool| !there(tool)).collect();
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for tool in &missing {
        eprintln!("setup: {} is missing: {}", tool.package, tool.why);
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() || !is_root()? {
        bail!("install them as root: {by_hand}");
    }
    eprintln!("setup: {by_hand}");
    without_starting_servers(|| {
        apt(&["update", "-q"])?;
        let mut args = vec!["install", "-q", "-y", "--no-install-recommends"];
        args.extend(&packages);
        apt(&args)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `install` while a policy forbids packages to start servers; an older policy comes back.
fn without_starting_servers(install: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = fs::read(POLICY).ok();
    write_policy(b"#!/bin/sh\nexit 101\n")?;
    let result = install();
    match before {
        Some(before) => write_policy(&before)?,
        None => fs::remove_file(POLICY).with_context(|| format!("removing {POLICY}"))?,
    }
    result
}

fn write_policy(text: &[u8]) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(POLICY, text).with_context(|| format!("writing {POLICY}"))?;
    fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {POLICY} executable"))
}

fn apt(args: &[&str]) -> Result<()> {
    let mut command = Command::new("/usr/bin/apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    command.stdout(std::process::Stdio::null());
    let status = command.status().context("starting apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed ({status}); run it by hand to see why", args.join(" "));
    }
    Ok(())
}

/// Whether this process may install packages and make namespaces.
pub(crate) fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(uid.and_then(|uid| uid.split_whitespace().nth(1)) == Some("0"))
}
