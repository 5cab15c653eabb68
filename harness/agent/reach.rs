//! Reachability between nodes: a server that answers fixed bytes, and fresh probes of others.
//!
//! Probes are fresh connections: one that was open before a cut tells about retransmission
//! timers, not about the network now.

mod look;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use crate::protocol::Reached;
pub(crate) use look::{NUMBERED, hold, look};

const QUESTION: &[u8] = b"tribunal probe?";
const ANSWER: &[u8] = b"tribunal probe!";

/// Most targets of one request, and most probed at one time.
pub(crate) const TARGETS: usize = 1024;
const PARALLEL: usize = 64;

/// Most connections that the server holds: beyond them it closes at once, which is an answer, too.
const LINES: usize = 1024;

/// Longest silence on one of them.
const IDLE: Duration = Duration::from_secs(3600);

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Starts the server on one port for both protocols; the port. 0 asks for any.
pub(crate) fn serve(port: u16) -> io::Result<u16> {
    let (tcp, udp) = bind(port)?;
    let port = tcp.local_addr()?.port();
    thread::Builder::new().name("probe-tcp".into()).spawn(move || {
        for connection in tcp.incoming() {
            match connection {
                Ok(stream) => answer_on(stream),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    })?;
    receive_much(&udp);
    thread::Builder::new().name("probe-udp".into()).spawn(move || {
        let mut buffer = [0; 2048];
        loop {
            match udp.recv_from(&mut buffer) {
                Ok((count, from)) => {
                    if let Some(answer) = answer(&buffer[..count]) {
                        // A lost answer looks like a cut and is asked again.
                        let _ = udp.send_to(&answer, from);
                    }
                }
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    })?;
    Ok(port)
}

/// A question is answered as it is, or with its number; never with more bytes than it has.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let plain = (question == QUESTION).then(|| ANSWER.to_vec());
    plain.or_else(|| number(QUESTION, question).map(|number| numbered(ANSWER, number)))
}

/// Answers numbered questions on a connection until it ends; one that says anything else does.
fn answer_on(mut stream: TcpStream) {
    if HELD.fetch_add(1, Ordering::Relaxed) < LINES {
        let serving = move || {
            let mut question = [0; QUESTION.len() + 4];
            let _ = stream.set_read_timeout(Some(IDLE));
            while stream.read_exact(&mut question).is_ok() {
                let Some(answer) = answer(&question) else { break };
                if stream.write_all(&answer).is_err() {
                    break;
                }
            }
            HELD.fetch_sub(1, Ordering::Relaxed);
        };
        let thread = thread::Builder::new().name("probe-line".into()).stack_size(64 << 10);
        if thread.spawn(serving).is_ok() {
            return;
        }
    }
    HELD.fetch_sub(1, Ordering::Relaxed);
}

fn numbered(text: &[u8], number: u32) -> Vec<u8> {
    [text, &number.to_le_bytes()].concat()
}

/// What `numbered` put behind a text; more bytes may follow.
fn number(text: &[u8], bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(text)?.first_chunk()?;
    Some(u32::from_le_bytes(*digits))
}

/// Room for what comes while a busy node does something else; without the right to it, less.
fn receive_much(socket: &UdpSocket) {
    let _ = setsockopt(socket, sockopt::RcvBufForce, &(1 << 20))
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &(1 << 20)));
}

/// All addresses of both families, or of IPv4 where there is no IPv6.
fn bind(port: u16) -> io::Result<(TcpListener, UdpSocket)> {
    let mut last = io::Error::other("no port tried");
    for _ in 0..16 {
        for any in
            [SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), (Ipv4Addr::UNSPECIFIED, port).into()]
        {
            let both = TcpListener::bind(any).and_then(|tcp| {
                let same = SocketAddr::new(any.ip(), tcp.local_addr()?.port());
                Ok((tcp, UdpSocket::bind(same)?))
            });
            match both {
                Ok(both) => return Ok(both),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

/// Probes all targets, in parallel, in the order asked.
pub(crate) fn probe(targets: &[SocketAddr], patience: Duration) -> Vec<Reached> {
    let mut reached = Vec::with_capacity(targets.len());
    for group in targets.chunks(PARALLEL) {
        thread::scope(|scope| {
            let udp: Vec<_> = group
                .iter()
                .map(|at| scope.spawn(|| udp_answers(*at, patience, QUESTION)))
                .collect();
            let tcp: Vec<_> = group
                .iter()
                .map(|at| scope.spawn(move || TcpStream::connect_timeout(at, patience).is_ok()))
                .collect();
            for (tcp, udp) in tcp.into_iter().zip(udp) {
                // A probe that panicked reached nothing.
                let (tcp, udp) = (tcp.join().unwrap_or(false), udp.join().unwrap_or(false));
                reached.push(Reached { tcp, udp });
            }
        });
    }
    reached
}

/// Asks up to four times: one lost datagram is no cut.
fn udp_answers(at: SocketAddr, patience: Duration, question: &[u8]) -> bool {
    let Some(wanted) = answer(question) else { return false };
    let any = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let start = Instant::now();
    let ask = || -> io::Result<bool> {
        let socket = UdpSocket::bind(any)?;
        socket.connect(at)?;
        socket.set_read_timeout(Some((patience / 4).max(Duration::from_millis(1))))?;
        let mut buffer = [0; 64];
        while start.elapsed() < patience {
            if socket.send(question).is_err() {
                thread::sleep((patience / 4).min(Duration::from_millis(50)));
            }
            if let Ok(count) = socket.recv(&mut buffer)
                && buffer[..count] == wanted
            {
                return Ok(true);
            }
        }
        Ok(false)
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_answers_and_a_closed_port_does_not() {
        let port = serve(0).unwrap();
        let open = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let closed = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let reached = probe(&[open, closed], Duration::from_millis(500));
        assert_eq!(reached[0], Reached { tcp: true, udp: true });
        assert_eq!(reached[1], Reached { tcp: false, udp: false });
    }

    #[test]
    fn the_server_says_nothing_to_other_words() {
        let port = serve(0).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        socket.send_to(b"tribunal probe!", ("127.0.0.1", port)).unwrap();
        assert!(socket.recv(&mut [0; 64]).is_err());
    }
}
