//! The runner from outside: real loads, real sockets, real disks, real kills.

mod disk;
mod durability;
mod late;
mod load;
mod roam;
mod sockets;
mod support;
