//! Which put each get builds on, and what it shows after it.

use super::decide::Stop;
use super::dictionary::Dictionary;
use super::evidence::Refuted;
use super::rows::{Get, Rows, Write};
use super::traps::{Planted, Trap};
use crate::linearizable::codes::NONE;
use crate::linearizable::{Allowance, NEVER};

/// The base of what builds on the initial text.
pub(super) const INITIAL: u32 = u32::MAX - 1;

/// Gets between two looks at the budget: texts may be long.
const POLL: usize = 64;

/// A text as gets show it, with where it ends in the longest of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) token: u32,
    pub(super) end: u32,
}

/// A put, or the initial text, with what gets show after it.
pub(super) struct Block<'r> {
    /// A position in [`Dictionary::writes`], or [`INITIAL`].
    pub(super) base: u32,
    /// Where what it wrote ends.
    start: u32,
    /// The longest of its gets, by position, and what that shows.
    longest: u32,
    text: &'r str,
    /// What comes after the base.
    pub(super) shown: Vec<Shown>,
    /// The first of its versions: the base alone, and one more for each of `shown`.
    pub(super) versions: usize,
}

/// Where a get belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) block: u32,
    /// How much it shows beyond the base.
    pub(super) version: u32,
}

/// All gets, on what they build.
pub(super) struct Blocks<'r> {
    pub(super) of: Vec<Block<'r>>,
    /// By get.
    pub(super) places: Vec<Place>,
    /// Whether some get may mean another put than the one taken.
    pub(super) guessed: bool,
}

/// Completed puts by return: what was there before one of them was called is gone when it has
/// returned.
pub(super) struct Barriers {
    /// Return, latest call of all that returned so far, and whose that is.
    by_return: Vec<(u32, u32, u32)>,
}

impl<'r> Blocks<'r> {
    /// Takes all gets apart. O(n log n + total length of the texts).
    pub(super) fn new(
        rows: &'r Rows<'_>,
        (dictionary, initial): (&Dictionary<'r>, &str),
        allowance: Allowance<'_>,
        planted: Planted,
    ) -> Result<Blocks<'r>, Stop> {
        let barriers = Barriers::new(&dictionary.writes);
        let (of, places) = (Vec::with_capacity(16), Vec::with_capacity(rows.gets.len()));
        let mut blocks = Blocks { of, places, guessed: false };
        // By write, and last of the initial text.
        let mut begun = vec![NONE; dictionary.writes.len() + 1];
        let mut first = None;
        for (at, (text, get)) in (0..).zip(&rows.gets) {
            if blocks.places.len().is_multiple_of(POLL) {
                allowance.allows(rows.bytes() + dictionary.bytes())?;
            }
            let gone = barriers.before(get.call).map_or(0, |(call, put)| {
                let early = planted.has(Trap::HiddenTooEarly);
                if early { dictionary.writes[put as usize].ret } else { call }
            });
            // Most gets begin as the one before.
            first = first.filter(|first| text.starts_with(dictionary.text(*first)));
            first = first.or_else(|| dictionary.first(text));
            let beginning = beginning(dictionary, initial, (text, get, first), gone, planted);
            let Some(Beginning { base, start, only }) = beginning else {
                return Err(Stop::Refuted(Refuted::by_gets(&[at])));
            };
            blocks.guessed |= !only;
            let number = &mut begun[(base as usize).min(dictionary.writes.len())];
            if *number == NONE {
                *number = blocks.of.len() as u32;
                let (text, shown) = (&text[..start as usize], Vec::with_capacity(16));
                blocks.of.push(Block { base, start, longest: at, text, shown, versions: 0 });
            }
            let block = &mut blocks.of[*number as usize];
            match block.take(at, text, dictionary, planted) {
                Ok(version) => blocks.places.push(Place { block: *number, version }),
                Err(Disagrees(other)) if blocks.guessed && other != at => return Err(UNCLEAR),
                Err(Disagrees(other)) => {
                    return Err(Stop::Refuted(Refuted::by_gets(&[at, other])));
                }
            }
        }
        let mut versions = 0;
        for block in &mut blocks.of {
            block.versions = versions;
            versions += block.shown.len() + 1;
        }
        Ok(blocks)
    }

    /// How many versions there are.
    pub(super) fn versions(&self) -> usize {
        self.of.last().map_or(0, |block| block.versions + block.shown.len() + 1)
    }

    pub(super) fn bytes(&self) -> u64 {
        let shown: usize = self.of.iter().map(|block| block.shown.capacity()).sum();
        let blocks = self.of.capacity() * size_of::<Block<'_>>() + shown * size_of::<Shown>();
        (blocks + self.places.capacity() * size_of::<Place>()) as u64
    }
}

/// What was taken need not be what was meant.
pub(super) const UNCLEAR: Stop =
    Stop::HandOver("a text is written more than once, and a get may mean either");

/// A get shows something else than this one, or, if it is the same, what nobody can have built.
struct Disagrees(u32);

impl<'r> Block<'r> {
    /// How much of what comes after the base the get at `at` shows.
    fn take(
        &mut self,
        at: u32,
        text: &'r str,
        dictionary: &Dictionary<'_>,
        planted: Planted,
    ) -> Result<u32, Disagrees> {
        if let Some(rest) = text.strip_prefix(self.text) {
            let known = self.shown.len();
            if !self.extend(rest, dictionary) && !planted.has(Trap::UnknownIsFine) {
                self.shown.truncate(known);
                return Err(Disagrees(at));
            }
            (self.text, self.longest) = (text, at);
            return Ok(self.shown.len() as u32);
        }
        if !self.text.starts_with(text) && !planted.has(Trap::AnyOrder) {
            return Err(Disagrees(self.longest));
        }
        let end = text.len() as u32;
        if end == self.start {
            return Ok(0);
        }
        match self.shown.binary_search_by_key(&end, |shown| shown.end) {
            Ok(before) => Ok(before as u32 + 1),
            Err(_) if planted.has(Trap::AnyOrder) || planted.has(Trap::UnknownIsFine) => Ok(0),
            Err(_) => Err(Disagrees(at)),
        }
    }

    /// Takes apart what the longest get shows beyond the one before.
    fn extend(&mut self, mut rest: &str, dictionary: &Dictionary<'_>) -> bool {
        let mut end = self.text.len();
        while !rest.is_empty() {
            let Some(token) = dictionary.first(rest) else { return false };
            let text = dictionary.text(token);
            end += text.len();
            rest = &rest[text.len()..];
            self.shown.push(Shown { token, end: end as u32 });
        }
        true
    }
}

/// How a text begins.
struct Beginning {
    base: u32,
    start: u32,
    /// Whether no other base is possible.
    only: bool,
}

/// On what `get` builds: a put of how its text begins, or the initial text, that was called before
/// it returned, and not hidden by the put called at `gone`; the latest, if there are several.
/// `first` is the token that its text begins with.
fn beginning(
    dictionary: &Dictionary<'_>,
    initial: &str,
    (text, get, first): (&str, &Get, Option<u32>),
    gone: u32,
    planted: Planted,
) -> Option<Beginning> {
    let writes = first.map_or(0..0, |first| dictionary.writes_of(first));
    let (mut found, mut possible) = (None, 0);
    let in_time = |write: &Write| write.call < get.ret;
    let initially = gone == 0
        && if initial.is_empty() {
            let mut appends = dictionary.writes[writes.clone()].iter().filter(|write| !write.puts);
            text.is_empty() || appends.any(in_time)
        } else {
            first.is_some_and(|first| dictionary.text(first) == initial)
        };
    if initially {
        found = Some((INITIAL, initial.len()));
        possible += 1;
    }
    for at in writes {
        let write = &dictionary.writes[at];
        if write.puts && in_time(write) && write.ret >= gone {
            let first = first.expect("what was written begins a text");
            found = Some((at as u32, dictionary.text(first).len()));
            possible += 1;
        }
    }
    let only = possible == 1 || planted.has(Trap::RepeatedMeansFirst);
    found.map(|(base, start)| Beginning { base, start: start as u32, only })
}

impl Barriers {
    pub(super) fn new(writes: &[Write]) -> Barriers {
        let completed = (0..).zip(writes).filter(|(_, write)| write.puts && write.ret != NEVER);
        let mut by_return: Vec<(u32, u32, u32)> =
            completed.map(|(at, write)| (write.ret, write.call, at)).collect();
        by_return.sort_unstable();
        let (mut latest, mut put) = (0, NONE);
        for (_, call, at) in &mut by_return {
            if *call > latest {
                (latest, put) = (*call, *at);
            }
            (*call, *at) = (latest, put);
        }
        Barriers { by_return }
    }

    /// The latest called put of those that returned before the event of rank `call`: its own call,
    /// and its position. O(log puts).
    pub(super) fn before(&self, call: u32) -> Option<(u32, u32)> {
        let returned = self.by_return.partition_point(|(ret, _, _)| *ret < call);
        let (_, latest, put) = self.by_return[..returned].last()?;
        Some((*latest, *put))
    }
}
