//! Which addresses of 127.0.0.0/8 are those of one cluster of plain processes.
//!
//! Servers have fixed ports, so two clusters at the same addresses would be one: a client of this
//! run would ask the other run's server. A cluster therefore holds a block of addresses while it
//! lives. The hold is a socket in the abstract namespace of Unix sockets: it exists once in each
//! network namespace, exactly as the addresses do, and the kernel lets go of it when its owner
//! dies, whatever kills it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::error::ClusterError;

/// Blocks there are: as many clusters may run at one time.
const BLOCKS: u8 = 100;

/// A block of addresses that nobody else has while this lives.
#[derive(Debug)]
pub(crate) struct Block {
    number: u8,
    _hold: UnixListener,
}

impl Block {
    /// The first that is free.
    ///
    /// # Errors
    /// All are taken, or the kernel says no.
    pub(crate) fn take() -> Result<Block, ClusterError> {
        for number in 0..BLOCKS {
            match hold(number) {
                Ok(hold) => return Ok(Block { number, _hold: hold }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    return Err(ClusterError::local(
                        "reserve addresses for processes",
                        error,
                        "allow Unix sockets to this program",
                    ));
                }
            }
        }
        Err(ClusterError::local(
            "reserve addresses for processes",
            format!("{BLOCKS} clusters of processes run already"),
            "wait until one has ended",
        ))
    }

    /// Address of node `node` (1 to N).
    pub(crate) fn address(&self, node: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, self.number, 10 + node))
    }
}

fn hold(number: u8) -> io::Result<UnixListener> {
    let name = format!("tribunal-processes-127.0.{number}");
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(test)]
mod tests {
    use super::Block;

    #[test]
    fn no_two_have_an_address_in_common_and_one_that_went_is_free_again() {
        let (one, other) = (Block::take().unwrap(), Block::take().unwrap());
        assert_ne!(one.address(1), other.address(1));
        let was = one.number;
        drop(one);
        // Other tests take blocks too: somebody has it again, or it can be had.
        let again = Block::take().unwrap();
        assert!(again.number >= was);
    }
}
