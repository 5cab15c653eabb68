//! Which process listens at an address of this machine, as far as `/proc` tells.
//!
//! A port that accepts says nothing about who answers. Where node and controller share a machine
//! and its network (plain processes), the socket's owner can be seen; elsewhere nothing is said,
//! and nothing is concluded from silence.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tribunal_agent::protocol::Identity;

use crate::control::Network;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A process that has a listening socket open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Holder {
    pid: i32,
    line: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.line)
    }
}

/// Processes with the socket that answers at `address`; none where that cannot be seen.
pub(crate) fn holders(network: &Network, address: SocketAddr) -> Vec<Holder> {
    if !network.is_here() || !address.ip().is_loopback() {
        return Vec::new();
    }
    let inodes = inodes(address);
    if inodes.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let holds = |pid: &i32| {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let links = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        links.into_iter().any(|link| names.iter().any(|name| link.as_os_str() == name.as_str()))
    };
    processes().into_iter().filter(holds).map(|pid| Holder { pid, line: line(pid) }).collect()
}

/// A process that answers at `address` and is neither the daemon nor below it; `None` also where
/// that cannot be seen.
pub(crate) fn other_than(
    network: &Network,
    address: SocketAddr,
    daemon: Identity,
) -> Option<Holder> {
    // A pid of another machine, or of another space of pids, means nothing here.
    if started(daemon.pid) != Some(daemon.start) {
        return None;
    }
    let found = holders(network, address);
    match found.iter().any(|holder| below(holder.pid, daemon.pid)) {
        true => None,
        false => found.into_iter().next(),
    }
}

/// Listening sockets that answer at `address`: those bound to it, or else those bound to all.
fn inodes(address: SocketAddr) -> Vec<u64> {
    let mut all = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}"));
        all.extend(text.unwrap_or_default().lines().filter_map(listening));
    }
    all.retain(|(at, _)| at.port() == address.port());
    let exact = all.iter().any(|(at, _)| at.ip() == address.ip());
    let answers = |at: &SocketAddr| match exact {
        true => at.ip() == address.ip(),
        false => at.ip().is_unspecified(),
    };
    all.iter().filter(|(at, _)| answers(at)).map(|(_, inode)| *inode).collect()
}

/// Address and inode of a line about a listening socket.
fn listening(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != LISTEN {
        return None;
    }
    let (ip, port) = local.split_once(':')?;
    let address = SocketAddr::new(ip_of(ip)?, u16::from_str_radix(port, 16).ok()?);
    Some((address, inode.parse().ok()?))
}

/// The kernel prints words as they lie in memory.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<i32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    all.sort_unstable();
    all
}

fn line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    text.trim().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Whether `pid` is `root` or descends from it.
fn below(pid: i32, root: i32) -> bool {
    let mut at = pid;
    while at > 1 {
        if at == root {
            return true;
        }
        let Some(parent) = field(at, 4).and_then(|parent| i32::try_from(parent).ok()) else {
            return false;
        };
        at = parent;
    }
    false
}

fn started(pid: i32) -> Option<u64> {
    field(pid, 22)
}

/// A numeric field of `/proc/PID/stat`, counted from 1 as in proc(5).
fn field(pid: i32, number: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_owner_of_a_port_is_seen() {
        let own = std::process::id() as i32;
        for at in ["127.0.0.1:0", "0.0.0.0:0"] {
            let listener = TcpListener::bind(at).unwrap();
            let port = listener.local_addr().unwrap().port();
            let address: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
            let found = holders(&Network::here(), address);
            assert_eq!(found.iter().map(|holder| holder.pid).collect::<Vec<_>>(), [own], "{at}");
            let me = Identity { pid: own, start: started(own).unwrap() };
            assert_eq!(other_than(&Network::here(), address, me), None);
            let child = std::process::Command::new("/bin/sleep").arg("60").spawn();
            let mut child = child.unwrap();
            let pid = child.id() as i32;
            let other = Identity { pid, start: started(pid).unwrap() };
            assert_eq!(other_than(&Network::here(), address, other).unwrap().pid, own);
            let gone = Identity { pid, start: 0 };
            assert_eq!(other_than(&Network::here(), address, gone), None, "nothing is known");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line = "   1: 0B00007F:1CE8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     \
                    0        0 5512 1 0000000000000000 100 0 0 10 0";
        let (address, inode) = listening(line).unwrap();
        assert_eq!((address.to_string().as_str(), inode), ("127.0.0.11:7400", 5512));
        assert_eq!(listening(&line.replace(" 0A ", " 01 ")), None);
        let mapped = ip_of("0000000000000000FFFF00000B00007F").unwrap();
        assert_eq!(mapped.to_string(), "127.0.0.11");
    }
}
