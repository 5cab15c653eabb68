//! Lanes over a socket pair, with a peer that does what agents do, and what they must not do.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use tribunal_agent::protocol::{Body, Failure, Reply, Request, Response};

use super::*;

struct Pair(UnixStream);

impl Wire for Pair {
    fn input(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
    fn output(&self, pending: bool) -> Option<BorrowedFd<'_>> {
        pending.then(|| self.0.as_fd())
    }
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn keep_alive(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn last_words(&mut self) -> String {
        "cannot find the road".into()
    }
}

fn lane() -> (Link, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (link, ()) = spawn("n1", move || Ok((Pair(ours), ()))).unwrap();
    (link, theirs)
}

fn receive(stream: &mut UnixStream) -> Request {
    let mut header = [0; 8];
    stream.read_exact(&mut header).unwrap();
    let length = u32::from_le_bytes(header[..4].try_into().unwrap());
    let mut json = vec![0; length as usize];
    stream.read_exact(&mut json).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn reply(stream: &mut UnixStream, id: u64, result: Result<Reply, Failure>) {
    let json = serde_json::to_vec(&Response { id, result }).unwrap();
    stream.write_all(&(json.len() as u32).to_le_bytes()).unwrap();
    stream.write_all(&crc32c::crc32c(&json).to_le_bytes()).unwrap();
    stream.write_all(&json).unwrap();
}

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn replies_in_another_order_find_their_askers() {
    let (link, mut agent) = lane();
    let asked: Vec<_> = (0..20)
        .map(|i| {
            link.submit("n1", Body::Get { path: format!("{i}"), offset: 0, length: 1 }, PATIENCE)
        })
        .collect();
    let mut seen: Vec<Request> = (0..20).map(|_| receive(&mut agent)).collect();
    seen.reverse();
    for request in seen {
        let Body::Get { path, .. } = request.body else { panic!("{:?}", request.body) };
        reply(&mut agent, request.id, Ok(Reply::Bytes { data: path, size: 0 }));
    }
    for (i, pending) in asked.into_iter().enumerate() {
        let expected = Reply::Bytes { data: i.to_string(), size: 0 };
        assert_eq!(pending.block().unwrap(), expected);
    }
}

#[test]
fn silence_ends_at_the_deadline_and_a_late_reply_disturbs_nobody() {
    let (link, mut agent) = lane();
    let start = Instant::now();
    let error =
        link.submit("n1", Body::Clock, Duration::from_millis(100)).block().unwrap_err().to_string();
    assert_eq!(error, "n1: read the clocks: no answer within 100ms");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(1), "{took:?}");
    let late = receive(&mut agent).id;
    reply(&mut agent, late, Ok(Reply::Done));
    let next = link.submit("n1", Body::Hello, PATIENCE);
    let id = receive(&mut agent).id;
    assert_ne!(id, late);
    reply(&mut agent, id, Err(Failure { code: "io".into(), message: "disk full".into() }));
    assert_eq!(next.block().unwrap_err().to_string(), "n1: hello: disk full (io)");
}

#[test]
fn a_lost_agent_fails_what_waits_and_what_comes_after() {
    let (link, mut agent) = lane();
    let waiting = link.submit("n1", Body::HealAll, PATIENCE);
    receive(&mut agent);
    drop(agent);
    let lost = "connection to the agent lost: the agent ended; it said: cannot find the road";
    assert_eq!(waiting.block().unwrap_err().to_string(), format!("n1: heal everything: {lost}"));
    let after = link.submit("n1", Body::Clock, PATIENCE).block().unwrap_err().to_string();
    assert_eq!(after, format!("n1: read the clocks: {lost}"));
    assert!(matches!(link.state(), LinkState::Lost(_)));
}

#[test]
fn garbage_ends_the_link() {
    let (link, mut agent) = lane();
    agent.write_all(b"Last login: Sat Nov 21").unwrap();
    let error = link.submit("n1", Body::Clock, PATIENCE).block().unwrap_err().to_string();
    assert!(error.contains("frame of 1953718604 bytes"), "{error}");
}

#[test]
fn a_peer_that_does_not_read_bounds_the_queue_and_nobody_hangs() {
    let (link, _agent) = lane();
    let data = "x".repeat(64 << 10);
    let put = |_| {
        let body = Body::Put { path: "p".into(), offset: 0, data: data.clone(), mode: 0o600 };
        link.submit("n1", body, Duration::from_secs(1))
    };
    let asked: Vec<_> = (0..QUEUE_LIMIT + 200).map(put).collect();
    let (mut full, mut late) = (0, 0);
    for pending in asked {
        match pending.block().unwrap_err().to_string() {
            e if e.contains("requests are waiting already") => full += 1,
            e if e.contains("no answer within") => late += 1,
            e => panic!("{e}"),
        }
    }
    assert!(full > 0 && late > 0, "{full} refused, {late} late");
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    let (link, mut agent) = lane();
    let other = link.clone();
    drop(link);
    drop(other);
    let mut rest = Vec::new();
    agent.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    assert_eq!(agent.read_to_end(&mut rest).unwrap(), 0);
}
