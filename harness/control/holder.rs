//! Who listens where a daemon wanted to: `/proc` of this machine, for nodes that share it.
//!
//! A descriptor of another user's process is hidden without root; the socket itself never is.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// State `LISTEN` in `/proc/net/tcp` (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// Who listens at this address of this machine already, in words. IPv4 only. Linear in the
/// descriptors of all processes, and only if somebody listens.
pub(crate) fn holder(wanted: SocketAddr) -> Option<String> {
    let SocketAddr::V4(wanted) = wanted else { return None };
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let there = |(address, port, _): &(Ipv4Addr, u16, u64)| {
        *port == wanted.port() && (address == wanted.ip() || address.is_unspecified())
    };
    let (_, _, inode) = table.lines().filter_map(listener).find(there)?;
    let process = process_of(inode).map(|process| format!("process {process}"));
    let who = process.unwrap_or_else(|| "a process that only root can see".into());
    Some(format!("{wanted} is held by {who}"))
}

/// Address, port and inode of a line of `/proc/net/tcp` that describes a listening socket.
fn listener(line: &str) -> Option<(Ipv4Addr, u16, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    if *fields.get(3)? != LISTEN {
        return None;
    }
    // The address is the number as it lies in memory, the port is not.
    let address = Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_ne_bytes());
    Some((address, u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
}

/// Number and name of a process that has the socket open.
fn process_of(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.map(|entry| entry.path()).find(|process| has_open(process, &wanted)).map(|process| {
        let pid = process.file_name().unwrap_or_default().display().to_string();
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        format!("{pid} ({})", name.trim())
    })
}

fn has_open(process: &Path, wanted: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    let leads_there = |path: &Path| fs::read_link(path).is_ok_and(|to| to.as_os_str() == wanted);
    descriptors.filter_map(Result::ok).any(|entry| leads_there(&entry.path()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_of_ours_is_found_by_its_address() {
        let address = Ipv4Addr::new(127, 0, 77, 1);
        let socket = TcpListener::bind((address, 0)).expect("all of 127/8 is ours");
        let at = socket.local_addr().expect("it is bound");
        let said = holder(at).expect("somebody listens");
        let start = format!("{at} is held by process {} (", std::process::id());
        assert!(said.starts_with(&start), "{said}");
        let elsewhere = SocketAddr::new(Ipv4Addr::new(127, 0, 77, 2).into(), at.port());
        assert_eq!(holder(elsewhere), None);
    }
}
