//! Looks along links: what a fresh connection, one that was kept, and datagrams of several sizes
//! meet. Every question has a number, so that a late answer is not taken for that to another one.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::iter::repeat;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{ANSWER, PARALLEL, QUESTION, number, numbered, receive_much, udp_answers};
use crate::failure::Outcome;
use crate::protocol::{Failure, Line, Look};

/// Most connections kept.
const KEPT: usize = 1024;

/// Length of a large datagram: more than any fault lets through, less than any link does not carry.
const LARGE: usize = 1_200;

/// Between two numbered datagrams: what a busy node still answers.
const PACE: Duration = Duration::from_millis(1);

/// Most numbered datagrams to one target.
pub(crate) const NUMBERED: u32 = 1_000;

/// Connections kept for a fault, by the other end.
static HELD: Mutex<BTreeMap<(u32, SocketAddr), Held>> = Mutex::new(BTreeMap::new());

static NEXT: AtomicU32 = AtomicU32::new(0);

enum Held {
    Open(TcpStream),
    Reset,
}

/// Connects to each target and keeps the connections for a fault, instead of those it had.
pub(crate) fn hold(fault: u32, targets: &[SocketAddr], patience: Duration) -> Outcome<()> {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.retain(|(of, _), _| *of != fault);
    if held.len() + targets.len() > KEPT {
        let text = format!("more than {KEPT} connections to keep; heal some faults first");
        return Err(Failure::refused(text));
    }
    thread::scope(|scope| {
        let connect = |at| move || TcpStream::connect_timeout(at, patience).ok();
        let made: Vec<_> = targets.iter().map(|at| (*at, scope.spawn(connect(at)))).collect();
        for (at, made) in made {
            if let Ok(Some(stream)) = made.join() {
                held.insert((fault, at), Held::Open(stream));
            }
        }
    });
    Ok(())
}

/// Looks at every target, in parallel, in the order asked.
pub(crate) fn look(
    fault: u32,
    targets: &[SocketAddr],
    services: &[SocketAddr],
    patience: Duration,
    count: u32,
) -> Vec<Look> {
    let mut looks = Vec::with_capacity(targets.len());
    let services = services.iter().copied().map(Some).chain(repeat(None));
    let ways: Vec<_> = targets.iter().copied().zip(services).collect();
    for group in ways.chunks(PARALLEL) {
        thread::scope(|scope| {
            let looking: Vec<_> =
                group.iter().map(|way| scope.spawn(|| one(fault, *way, patience, count))).collect();
            // A look that panicked saw nothing.
            looks.extend(looking.into_iter().map(|look| look.join().unwrap_or_default()));
        });
    }
    looks
}

fn one(
    fault: u32,
    (at, service): (SocketAddr, Option<SocketAddr>),
    patience: Duration,
    count: u32,
) -> Look {
    thread::scope(|scope| {
        let fresh = scope.spawn(|| fresh(at, patience));
        let held = scope.spawn(|| held(fault, at, patience));
        let service = service.map(|at| scope.spawn(move || self::fresh(at, patience)));
        let small = scope.spawn(|| udp_answers(at, patience, QUESTION));
        let large = scope.spawn(|| udp_answers(at, patience, &large()));
        let back = if count == 0 { 0 } else { come_back(at, patience, count).unwrap_or(0) };
        Look {
            fresh: fresh.join().unwrap_or_default(),
            held: held.join().unwrap_or_default(),
            service: service.map(|look| look.join().unwrap_or_default()).unwrap_or_default(),
            small: small.join().unwrap_or_default(),
            large: large.join().unwrap_or_default(),
            numbered: count,
            lost: count - back,
        }
    })
}

/// The answer is the connection itself. To a connection that is just being made a reset is a
/// refusal (`ECONNREFUSED`), which a port that nobody listens at answers as well: that it is the
/// fault's, the firewall's counters show.
fn fresh(at: SocketAddr, patience: Duration) -> Line {
    match TcpStream::connect_timeout(&at, patience) {
        Ok(_) => Line::Open,
        Err(error) => broken(&error),
    }
}

/// A round trip on a connection that was made before.
fn held(fault: u32, at: SocketAddr, patience: Duration) -> Line {
    let all = || HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = all().remove(&(fault, at));
    let mut stream = match taken {
        None => return Line::Untried,
        Some(Held::Reset) => {
            all().insert((fault, at), Held::Reset);
            return Line::Reset;
        }
        Some(Held::Open(stream)) => stream,
    };
    let (line, kept) = match round_trip(&mut stream, patience) {
        Ok(true) => (Line::Open, Held::Open(stream)),
        Ok(false) => (Line::Silent, Held::Open(stream)),
        Err(error) => match broken(&error) {
            Line::Reset => (Line::Reset, Held::Reset),
            // Closed by the other end: it tells nothing.
            Line::Untried | Line::Open | Line::Silent => return Line::Untried,
        },
    };
    all().insert((fault, at), kept);
    line
}

fn broken(error: &io::Error) -> Line {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused | ErrorKind::BrokenPipe => {
            Line::Reset
        }
        _ => Line::Silent,
    }
}

/// Whether a question is answered in time. The end of the connection is an error.
fn round_trip(stream: &mut TcpStream, patience: Duration) -> io::Result<bool> {
    let until = Instant::now() + patience;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    stream.write_all(&numbered(QUESTION, number))?;
    let wanted = numbered(ANSWER, number);
    let (mut seen, mut buffer) = (Vec::new(), [0; 512]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => seen.extend_from_slice(&buffer[..count]),
            Err(error) if is_late(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        if seen.windows(wanted.len()).any(|window| window == wanted) {
            return Ok(true);
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn large() -> Vec<u8> {
    let mut text = numbered(QUESTION, NEXT.fetch_add(1, Ordering::Relaxed));
    text.resize(LARGE, 0);
    text
}

/// How many of `count` datagrams, each sent once, are answered. Takes `count` milliseconds and
/// `patience`, less where all are.
fn come_back(at: SocketAddr, patience: Duration, count: u32) -> io::Result<u32> {
    let any = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    receive_much(&socket);
    socket.connect(at)?;
    socket.set_nonblocking(true)?;
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    let (mut missing, mut buffer) = (vec![true; count as usize], [0; 64]);
    let mut receive = || {
        // ECONNREFUSED says that one was not taken, as silence does.
        while let Ok(length) = socket.recv(&mut buffer) {
            let number = number(ANSWER, &buffer[..length]);
            let at = number.map(|number| number.wrapping_sub(first) as usize);
            if let Some(waited) = at.and_then(|at| missing.get_mut(at)) {
                *waited = false;
            }
        }
        missing.iter().filter(|missing| **missing).count() as u32
    };
    for n in 0..count {
        // One that cannot be sent is lost.
        let _ = socket.send(&numbered(QUESTION, first.wrapping_add(n)));
        receive();
        thread::sleep(PACE);
    }
    let until = Instant::now() + patience;
    loop {
        let lost = receive();
        if lost == 0 || Instant::now() >= until {
            return Ok(count - lost);
        }
        thread::sleep(PACE);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::reach::serve;

    const PATIENCE: Duration = Duration::from_millis(500);

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    #[test]
    fn an_open_way_carries_everything_and_a_closed_port_nothing() {
        let open = at(serve(0).unwrap());
        hold(1, &[open, at(1)], PATIENCE).unwrap();
        let seen = look(1, &[open, at(1)], &[open, at(1)], PATIENCE, 100);
        let all = Line::Open;
        let (small, large, numbered, lost) = (true, true, 100, 0);
        let whole = Look { fresh: all, held: all, service: all, small, large, numbered, lost };
        assert_eq!(seen[0], whole);
        let refused = Line::Reset;
        let nothing =
            Look { fresh: refused, service: refused, numbered, lost: 100, ..Look::default() };
        assert_eq!(seen[1], nothing);
        hold(1, &[], PATIENCE).unwrap();
        assert_eq!(look(1, &[open], &[], PATIENCE, 0)[0].held, Line::Untried, "none is kept");
    }

    #[test]
    fn a_kept_connection_that_ends_is_told_from_one_that_is_silent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        hold(2, &[there], PATIENCE).unwrap();
        let (other, _) = listener.accept().unwrap();
        assert_eq!(held(2, there, PATIENCE / 5), Line::Silent);
        // What was asked is in its buffer, unread: the end of such a connection is a reset.
        drop(other);
        assert_eq!(held(2, there, PATIENCE), Line::Reset);
        assert_eq!(held(2, there, PATIENCE), Line::Reset, "and stays one");
    }
}
