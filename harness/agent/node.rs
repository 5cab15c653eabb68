//! The launcher: becomes one local node.
//!
//! Single-threaded from start to exec, so it may fork and change namespaces. The order of the
//! steps is that of `cluster.md` 2.3; each is announced on stdout before it is done, so an error
//! names it. A node is no security boundary: the aim is that faults and files do not leak by
//! accident.

mod mounts;

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe, pivot_root, sethostname};

use crate::launch::LaunchPlan;
use crate::sys;

/// Most bytes of a plan.
const PLAN_LIMIT: u64 = 1 << 20;

/// Reads the plan from stdin and becomes that node; see [`crate::launch`].
pub(crate) fn main() -> ExitCode {
    let mut text = String::new();
    let read = io::stdin().lock().take(PLAN_LIMIT).read_to_string(&mut text);
    let plan = match read
        .map_err(io::Error::other)
        .and_then(|_| serde_json::from_str::<LaunchPlan>(&text).map_err(io::Error::other))
    {
        Ok(plan) => plan,
        Err(error) => {
            say(&format!("error node ?: read plan: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match launch(&plan) {
        Ok(code) => code,
        Err(failed) => {
            let line = format!("node {}: {}: {}", plan.name, failed.step, failed.error);
            eprintln!("{line}");
            say(&format!("error {line}"));
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, and where.
struct Failed {
    step: &'static str,
    error: io::Error,
}

/// Announces a step, does it, names it if it fails.
fn step<T>(name: &'static str, act: impl FnOnce() -> io::Result<T>) -> Result<T, Failed> {
    say(&format!("step {name}"));
    act().map_err(|error| Failed { step: name, error })
}

/// One line for the provider. It may have gone; the kernel then ends us.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn launch(plan: &LaunchPlan) -> Result<ExitCode, Failed> {
    step("check plan", || check(plan))?;
    step("die with provider", || {
        let parent = Pid::parent();
        set_pdeathsig(Signal::SIGKILL)?;
        // The signal is armed for the death of a parent that may already have happened.
        if Pid::parent() == parent { Ok(()) } else { Err(io::Error::other("provider is gone")) }
    })?;
    step("enter network namespace", || {
        let netns = fs::File::open(&plan.netns)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", plan.netns)))?;
        Ok(setns(netns, CloneFlags::CLONE_NEWNET)?)
    })?;
    step("make pid namespace", || Ok(unshare(CloneFlags::CLONE_NEWPID)?))?;
    let (wait, go) = step("make pipe", || Ok(pipe()?))?;
    match step("fork", sys::fork_single_threaded)? {
        Some(child) => {
            drop(wait);
            say(&format!("pid {child}"));
            step("let node begin", || fs::File::from(go).write_all(b"g"))?;
            // stdout now belongs to the child alone: its end means that the node has begun.
            step("watch node", || watch(child))
        }
        None => {
            drop(go);
            let begun = step("die with launcher", || {
                set_pdeathsig(Signal::SIGKILL)?;
                fs::File::from(wait).read_exact(&mut [0])
            });
            begun.and_then(|()| become_node(plan)).map(|never| match never {})
        }
    }
}

fn watch(child: Pid) -> io::Result<ExitCode> {
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(ExitCode::from(code as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Ok(ExitCode::from(128 + signal as i32 as u8));
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Everything that can be known to be wrong before anything is changed.
fn check(plan: &LaunchPlan) -> io::Result<()> {
    let absolute = |path: &str| {
        let plain = Path::new(path).components().all(|part| {
            matches!(part, std::path::Component::RootDir | std::path::Component::Normal(_))
        });
        if path.starts_with('/') && plain && !path.contains('\0') {
            return Ok(());
        }
        Err(io::Error::other(format!("path {path:?} is not absolute and plain")))
    };
    let own = [&plan.upper, &plan.work, &plan.root];
    let files = plan.files.iter().map(|file| &file.path);
    let links = plan.links.iter().map(|(link, _)| link);
    let paths = own.into_iter().chain(&plan.lower).chain(&plan.mask).chain(&plan.fresh);
    paths.chain(files).chain(links).chain(plan.exec.first()).try_for_each(|path| absolute(path))?;
    if let Some(bad) =
        own.into_iter().chain(&plan.lower).find(|path| path.contains([':', ',', '\\']))
    {
        return Err(io::Error::other(format!(
            "{bad:?}: local nodes cannot live below a path with a colon, comma or backslash; \
             choose another --runs-dir, --out or --dir"
        )));
    }
    if plan.lower.is_empty() || plan.exec.is_empty() {
        return Err(io::Error::other("no lower layer or no program"));
    }
    Ok(())
}

/// Steps 1 to 10 of PID 1. Never returns when all is well.
fn become_node(plan: &LaunchPlan) -> Result<std::convert::Infallible, Failed> {
    let root = PathBuf::from(&plan.root);
    step("make namespaces", || {
        let uts_and_more = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
        Ok(unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWCGROUP | uts_and_more)?)
    })?;
    step("make mounts private", mounts::private)?;
    step("mount overlay", || mounts::overlay(plan))?;
    step("mount proc and sys", || mounts::proc_and_sys(&root))?;
    step("protect /proc/sys", || mounts::protect_proc_sys(&root))?;
    step("make /dev", || mounts::dev(&root))?;
    step("mount scratch directories", || mounts::scratch(&root, &plan.mask))?;
    step("mount own directories", || mounts::fresh(&root, plan))?;
    step("set hostname", || Ok(sethostname(&plan.hostname)?))?;
    step("write files", || write_files(&root, plan))?;
    step("pivot root", || {
        fs::create_dir_all(root.join("mnt/.old"))?;
        std::env::set_current_dir(&root)?;
        pivot_root(".", "mnt/.old")?;
        std::env::set_current_dir("/")?;
        umount2("/mnt/.old", MntFlags::MNT_DETACH)?;
        fs::remove_dir("/mnt/.old")
    })?;
    step("drop capabilities", || {
        sys::clear_inheritable()?;
        plan.drop.iter().try_for_each(|capability| sys::drop_bounding(*capability))
    })?;
    step("leave the provider's descriptors", || {
        let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        nix::unistd::dup2_stdin(&null)?;
        Ok(nix::unistd::setsid().map(drop)?)
    })?;
    start(plan)
}

/// Says `ready`, closes stdout on exec, and becomes the node's PID 1.
fn start(plan: &LaunchPlan) -> Result<std::convert::Infallible, Failed> {
    let program = Path::new(&plan.exec[0]);
    step("find program", || match program.metadata() {
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(_) => Err(io::Error::other(format!("{} is not executable", program.display()))),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", program.display()))),
    })?;
    say("ready");
    let null = fs::OpenOptions::new().write(true).open("/dev/null");
    let kept = null.and_then(|null| Ok((nix::unistd::dup(io::stdout())?, null)));
    let error = kept.and_then(|(kept, null)| {
        // Kept for the error message only: CLOEXEC, so that a successful exec closes it.
        nix::fcntl::fcntl(&kept, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
        nix::unistd::dup2_stdout(&null)?;
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let error = sys::exec(&plan.exec, &[path, "HOME=/root", "LANG=C.UTF-8"]);
        nix::unistd::dup2_stdout(&kept)?;
        Err::<std::convert::Infallible, _>(error)
    });
    match error {
        Ok(never) => match never {},
        Err(error) => Err(Failed { step: "exec", error }),
    }
}

fn write_files(root: &Path, plan: &LaunchPlan) -> io::Result<()> {
    for file in &plan.files {
        let path = inside(root, &file.path);
        prepare(&path)?;
        fs::write(&path, &file.text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    for (link, target) in &plan.links {
        let path = inside(root, link);
        prepare(&path)?;
        symlink(target, path)?;
    }
    Ok(())
}

/// Makes the parent and removes what is there: a link in the image must not lead us out of it.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
