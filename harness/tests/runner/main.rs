//! The runner from outside: real loads, real sockets, real disks, real kills.

mod load;
mod support;
