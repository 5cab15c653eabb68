//! The system calls that neither std nor nix offers, and the only `unsafe` of the workspace.

use std::ffi::{CString, c_int, c_long};
use std::io;

use nix::unistd::{ForkResult, Pid};

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

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
