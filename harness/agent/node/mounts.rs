//! The file systems of a node, in the order of `cluster.md` 2.3.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::inside;
use crate::launch::LaunchPlan;

const NOTHING: Option<&str> = None;

/// Nothing that is mounted here is seen outside.
pub(super) fn private() -> io::Result<()> {
    Ok(mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?)
}

/// The root: lower layers under the node's own upper.
pub(super) fn overlay(plan: &LaunchPlan) -> io::Result<()> {
    for directory in [&plan.upper, &plan.work, &plan.root] {
        fs::create_dir_all(directory)?;
    }
    let lower = plan.lower.join(":");
    let options = format!("lowerdir={lower},upperdir={},workdir={}", plan.upper, plan.work);
    let flags = MsFlags::empty();
    mount(Some("overlay"), plan.root.as_str(), Some("overlay"), flags, Some(options.as_str()))
        .map_err(|error| {
            let hint = "is the upper layer on an overlay or network file system? put the state \
                        directory on ext4, xfs or tmpfs";
            io::Error::other(format!("{error} ({options}); {hint}"))
        })
}

/// Fresh ones, so that they show this node's processes and interfaces only.
pub(super) fn proc_and_sys(root: &Path) -> io::Result<()> {
    let none = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for name in ["proc", "sys"] {
        fs::create_dir_all(root.join(name))?;
    }
    mount(Some("proc"), &root.join("proc"), Some("proc"), none, NOTHING)?;
    mount(Some("sysfs"), &root.join("sys"), Some("sysfs"), none | MsFlags::MS_RDONLY, NOTHING)?;
    Ok(())
}

/// `/proc/sys` read-only except `net`, which is the node's own: vm, kernel and fs are the host's.
pub(super) fn protect_proc_sys(root: &Path) -> io::Result<()> {
    let aside = root.join("mnt");
    fs::create_dir_all(&aside)?;
    let sys = root.join("proc/sys");
    bind(&sys.join("net"), &aside)?;
    bind(&sys, &sys)?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(NOTHING, &sys, NOTHING, read_only, NOTHING)?;
    mount(Some(&aside), &sys.join("net"), NOTHING, MsFlags::MS_MOVE, NOTHING)?;
    let sysrq = root.join("proc/sysrq-trigger");
    if sysrq.exists() {
        bind(Path::new("/dev/null"), &sysrq)?;
    }
    Ok(())
}

/// A `/dev` without the host's disks.
pub(super) fn dev(root: &Path) -> io::Result<()> {
    let dev = root.join("dev");
    tmpfs(&dev, "mode=755")?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let (outside, within) = (Path::new("/dev").join(name), dev.join(name));
        if outside.exists() {
            fs::write(&within, "")?;
            bind(&outside, &within)?;
        }
    }
    fs::create_dir(dev.join("pts"))?;
    let options = Some("newinstance,ptmxmode=0666,mode=0620");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), &dev.join("pts"), Some("devpts"), flags, options)?;
    tmpfs(&dev.join("shm"), "mode=1777")?;
    let links = [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    links.iter().try_for_each(|(link, target)| symlink(target, dev.join(link)))
}

/// Empty directories: what the host keeps there is no business of the node. A clean home matters
/// twice: the controller's key may lie in it, and shell start-up files cost time per command.
pub(super) fn scratch(root: &Path, mask: &[String]) -> io::Result<()> {
    tmpfs(&root.join("tmp"), "mode=1777")?;
    tmpfs(&root.join("run"), "mode=755")?;
    fs::create_dir(root.join("run/sshd"))?;
    tmpfs(&root.join("root"), "mode=700")?;
    for hidden in mask {
        let within = inside(root, hidden);
        if within.is_dir() {
            tmpfs(&within, "mode=755")?;
        }
    }
    Ok(())
}

/// Directories of the node's own on the file system of the upper layer, but not through the
/// overlay: databases keep their files there, and fsync should mean what it means on the disk.
pub(super) fn fresh(root: &Path, plan: &LaunchPlan) -> io::Result<()> {
    for path in &plan.fresh {
        let outside = format!("{}-own/{}", plan.upper, path.trim_start_matches('/'));
        fs::create_dir_all(&outside)?;
        let within = inside(root, path);
        fs::create_dir_all(&within)?;
        bind(Path::new(&outside), &within)?;
        fs::set_permissions(&within, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn tmpfs(target: &Path, options: &str) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let flags = MsFlags::MS_NOSUID;
    Ok(mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options))?)
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    Ok(mount(Some(from), to, NOTHING, MsFlags::MS_BIND, NOTHING)?)
}
