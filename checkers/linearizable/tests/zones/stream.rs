//! The stream says what the definition says, and says it as soon as a prefix is refuted.

use super::distinct::{Kind, Shape, corrupt, small, valid};
use crate::linearizable::tests::generate::{Act, Answer, Question, Random};
use crate::linearizable::tests::{brute, histories};
use crate::linearizable::zones::{Conflict, Event, Stopped, Stream};

/// The events of a history of reads and writes, with their ranks.
fn events(acts: &[Act]) -> Vec<(u32, Event)> {
    let mut times: Vec<(u32, usize, bool)> = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        times.push((act.from, at, false));
        if act.to != u32::MAX {
            times.push((act.to, at, true));
        }
    }
    times.sort_unstable();
    let rank = |wanted: u32| times.partition_point(|(time, _, _)| *time < wanted) as u32;
    let mut events = Vec::new();
    for (at, (_, act, returns)) in times.iter().enumerate() {
        let act = &acts[*act];
        let event = match (act.question, act.answer, returns) {
            (Question::Write(value), _, false) => Event::WriteCalled { value: value as u32 },
            (Question::Write(value), Answer::Done, true) => {
                Event::WriteReturned { value: value as u32 }
            }
            (Question::Read, Answer::Found(value), true) => {
                Event::ReadReturned { value: value as u32, call: rank(act.from) }
            }
            _ => continue,
        };
        events.push((at as u32, event));
    }
    events
}

fn run(events: &[(u32, Event)]) -> (Result<(), Stopped>, usize) {
    let mut stream = Stream::new(Some(0));
    for (at, (rank, event)) in events.iter().enumerate() {
        if let Err(stopped) = stream.feed(*rank, *event) {
            return (Err(stopped), at + 1);
        }
    }
    (stream.finish(), events.len())
}

#[test]
fn a_stream_agrees_with_the_definition_and_says_so_at_once() {
    let mut random = Random(41);
    let mut refuted = 0;
    for _ in 0..histories(100_000).div_ceil(4) {
        let kind = if random.percent(50) { Kind::Plain } else { Kind::Crashes };
        let acts = small(&mut random, kind);
        let events = events(&acts);
        let (said, after) = run(&events);
        assert_eq!(said.is_ok(), brute::is_linearizable(&acts), "{said:?}: {acts:?}");
        if said.is_err() {
            refuted += 1;
            // Nothing is known by one event less.
            assert!(run(&events[..after - 1]).0.is_ok(), "{acts:?}");
        }
    }
    println!("{refuted} refuted");
}

#[test]
fn long_streams_say_what_the_zone_test_says() {
    let mut random = Random(42);
    for number in 0..histories(100_000).div_ceil(200) {
        let (ops, clients) = (100 + random.below(900) as usize, 2 + random.below(30));
        let kind = Kind::Crashes;
        let mut acts = valid(&mut random, Shape { kind, ops, clients, crash_percent: 1 });
        if number % 2 == 0 {
            corrupt(&mut random, &mut acts);
        }
        let expected = super::differential::by_zones(&acts, Default::default());
        let events = events(&acts);
        let (said, after) = run(&events);
        assert_eq!(Some(said.is_ok()), expected, "{acts:?}");
        if said.is_err() {
            assert!(run(&events[..after - 1]).0.is_ok(), "{acts:?}");
        }
    }
}

#[test]
fn a_stream_takes_nothing_after_it_has_stopped() {
    let mut stream = Stream::new(None);
    let (value, call) = (7, 0);
    let unwritten = Stopped::Refuted(Conflict::Unwritten { value, rank: 1 });
    assert_eq!(stream.feed(1, Event::ReadReturned { value, call }), Err(unwritten));
    assert_eq!(stream.feed(2, Event::WriteCalled { value }), Err(unwritten));
    assert_eq!(stream.finish(), Err(unwritten));
}

#[test]
fn what_a_stream_cannot_decide_it_calls_outside() {
    let outside = |events: &[(u32, Event)]| {
        let mut stream = Stream::new(Some(0));
        let stopped = events.iter().find_map(|(rank, event)| stream.feed(*rank, *event).err());
        assert!(matches!(stopped, Some(Stopped::Outside(_))), "{stopped:?}");
    };
    outside(&[(0, Event::WriteCalled { value: 0 })]);
    outside(&[(0, Event::WriteCalled { value: 1 }), (1, Event::WriteCalled { value: 1 })]);
    outside(&[(5, Event::WriteCalled { value: 1 }), (5, Event::WriteReturned { value: 1 })]);
    outside(&[(0, Event::WriteReturned { value: 1 })]);
    outside(&[(0, Event::WriteCalled { value: u32::MAX })]);
    outside(&[(0, Event::ReadReturned { value: 0, call: 3 })]);
}
