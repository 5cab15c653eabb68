//! The system calls that neither std nor nix offers: with `vdso/blob.rs` the only `unsafe` of the
//! workspace.

use std::ffi::{CString, c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::unistd::{ForkResult, Pid};

/// A descriptor of the process itself, immune to reuse of its number.
#[expect(unsafe_code, reason = "nix 0.31 has no pidfd_open")]
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let result: c_long = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = check(result)?;
    // SAFETY: the kernel has just returned this descriptor; nobody else knows or owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

/// Sends a signal to the process behind a pidfd.
#[expect(unsafe_code, reason = "nix 0.31 has no pidfd_send_signal")]
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let (fd, number) = (pidfd.as_raw_fd(), signal as c_int);
    // SAFETY: siginfo may be null, the other arguments are integers; the descriptor is borrowed,
    // so it stays open during the call.
    let result = unsafe {
        let nothing: *const libc::siginfo_t = std::ptr::null();
        libc::syscall(libc::SYS_pidfd_send_signal, fd, number, nothing, 0)
    };
    check(result).map(drop)
}

/// A clock in nanoseconds, asked of the kernel itself and not through the vDSO.
#[expect(unsafe_code, reason = "std and nix read clocks through the vDSO")]
pub(crate) fn kernel_clock(clock: libc::clockid_t) -> io::Result<i64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to the address of a live one of ours.
    check(unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) })?;
    Ok(time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

/// Most open files that a process may have, its soft limit.
pub(crate) fn file_limit(pid: i32) -> io::Result<u64> {
    limits(pid, None).map(|limits| limits.rlim_cur)
}

/// Changes it; the hard limit stays, and is the most that it can be.
pub(crate) fn set_file_limit(pid: i32, soft: u64) -> io::Result<()> {
    let rlim_max = limits(pid, None)?.rlim_max;
    limits(pid, Some(libc::rlimit64 { rlim_cur: soft, rlim_max })).map(drop)
}

/// The limits of open files as they were; changed to `new`.
#[expect(unsafe_code, reason = "nix 0.31 has no prlimit of another process")]
fn limits(pid: i32, new: Option<libc::rlimit64>) -> io::Result<libc::rlimit64> {
    let mut old = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `new` is null or points to a value that outlives the call, `old` likewise is ours to
    // be written to; the kernel reads and writes one rlimit64 each.
    let result = unsafe { libc::prlimit64(pid, libc::RLIMIT_NOFILE, new, &mut old) };
    check(c_long::from(result)).map(|_| old)
}

/// Lets the child begin a session and process group of its own with no signal blocked: it then
/// outlives this process, no terminal reaches it, and all of it is found by its session number.
#[expect(unsafe_code, reason = "std has no setsid for children")]
pub(crate) fn own_session(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; setsid and
    // sigprocmask are, and the closure allocates nothing.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
            Ok(())
        })
    }
}

/// Forks a process that has one thread: the launcher of a node, before it has started any.
#[expect(unsafe_code, reason = "fork is unsafe in programs with threads")]
pub(crate) fn fork_single_threaded() -> io::Result<Option<Pid>> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("fork with {threads} threads")));
    }
    // SAFETY: there is one thread (checked above), so no lock can be held by a thread that does
    // not exist in the child.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Removes a capability, for this process and all it will start, for good.
#[expect(unsafe_code, reason = "nix 0.31 has no capability calls")]
pub(crate) fn drop_bounding(capability: u8) -> io::Result<()> {
    // SAFETY: PR_CAPBSET_DROP takes one integer; unused arguments are zero as the call demands.
    let result =
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, u64::from(capability), 0u64, 0u64, 0u64) };
    check(c_long::from(result)).map(drop)
}

/// Clears the inheritable and ambient capability sets of this thread.
#[expect(unsafe_code, reason = "nix 0.31 has no capability calls")]
pub(crate) fn clear_inheritable() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Set {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut sets = [Set::default(); 2];
    // SAFETY: header and sets have the layout of `struct __user_cap_header_struct` and of the two
    // `struct __user_cap_data_struct` that version 3 reads and writes, and outlive both calls.
    unsafe {
        check(libc::syscall(libc::SYS_capget, &mut header, sets.as_mut_ptr()))?;
        for set in &mut sets {
            set.inheritable = 0;
        }
        check(libc::syscall(libc::SYS_capset, &mut header, sets.as_ptr()))?;
        let clear_all = libc::PR_CAP_AMBIENT_CLEAR_ALL as u64;
        check(libc::prctl(libc::PR_CAP_AMBIENT, clear_all, 0u64, 0u64, 0u64).into())?;
    }
    Ok(())
}

/// Replaces this process. Returns only on failure.
pub(crate) fn exec(argv: &[String], env: &[&str]) -> io::Error {
    let text = |text: &str| CString::new(text).map_err(io::Error::other);
    let build = || -> io::Result<(Vec<CString>, Vec<CString>)> {
        let argv = argv.iter().map(|arg| text(arg)).collect::<io::Result<_>>()?;
        let env = env.iter().map(|entry| text(entry)).collect::<io::Result<_>>()?;
        Ok((argv, env))
    };
    match build() {
        Err(error) => error,
        Ok((argv, _)) if argv.is_empty() => io::Error::other("no program"),
        Ok((argv, env)) => match nix::unistd::execve(&argv[0], &argv, &env) {
            Err(error) => error.into(),
        },
    }
}

/// Keeps the reaper in memory and away from the OOM killer, as far as its rights go.
#[expect(unsafe_code, reason = "nix without its mman feature has no mlockall")]
pub(crate) fn lock_memory() -> io::Result<()> {
    // SAFETY: mlockall takes one integer and changes no contents of memory.
    check(c_long::from(unsafe { libc::mlockall(libc::MCL_CURRENT) })).map(drop)
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
