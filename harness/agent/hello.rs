//! Who this agent is and where it runs.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::statvfs::statvfs;

use crate::home::{Home, boot_id};
use crate::protocol::{Hello, PROTOCOL};

/// Answer to `Hello`.
pub(crate) fn hello(home: &Home, probe_port: u16) -> Hello {
    let kernel = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        text.trim().to_string()
    };
    let free = statvfs(&home.root).map_or(0, |fs| fs.blocks_available() * fs.fragment_size());
    Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").into(),
        hostname: kernel("hostname"),
        kernel: kernel("osrelease"),
        boot_id: boot_id(),
        addresses: addresses(),
        root: home.root.display().to_string(),
        ssh: ssh(&std::env::var("SSH_CONNECTION").unwrap_or_default()),
        probe_port,
        free_bytes: free,
    }
}

/// (Controller's address, our sshd's port) from `client port server port`.
pub(crate) fn ssh(connection: &str) -> Option<SocketAddr> {
    let mut words = connection.split(' ');
    let client = words.next()?.split('%').next()?.parse().ok()?;
    let port = words.nth(2)?.parse().ok()?;
    Some(SocketAddr::new(client, port))
}

/// Of every interface but loopback.
fn addresses() -> Vec<IpAddr> {
    let mut found = Vec::new();
    for interface in getifaddrs().into_iter().flatten() {
        if interface.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            continue;
        }
        let Some(address) = interface.address else { continue };
        found.extend(address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip())));
        found.extend(address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())));
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_path_is_the_client_and_our_own_port() {
        assert_eq!(ssh("192.0.2.1 5555 192.0.2.9 22"), Some("192.0.2.1:22".parse().unwrap()));
        assert_eq!(
            ssh("fe80::1%eth0 5 fe80::2%eth0 2222"),
            Some("[fe80::1]:2222".parse().unwrap())
        );
        for bad in ["", "x", "192.0.2.1", "192.0.2.1 5 192.0.2.9 99999"] {
            assert_eq!(ssh(bad), None, "{bad:?}");
        }
    }
}
