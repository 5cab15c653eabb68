//! What the events of Jepsen, Elle and Knossos mean: from parsed maps to a history.
//!
//! Lines are in the order in which one recorder saw the events, so their order ranks them and
//! `:time` is for display. Where `:index` contradicts the order of the lines, `:index` wins.
//!
//! A file is read once, unless something in it shows that an assumption was wrong; then it is read
//! again from its start on a better one.

use super::input::Input;
use super::jepsen_anonymous::Anonymous;
use super::jepsen_events::{Fields, each, fields, kind_of};
use super::jepsen_family::Words;
use super::jepsen_op::{About, Ops, Said, Stop, Wording};
use super::nemesis::Nemesis;
use super::tape::{Bad, Data, Node, Tape, error_at, position, utf8};
use super::{CodecError, ReadOptions, forms};
use crate::{
    Builder, ErrorClass, History, HistoryError, Kind, Nanos, NodeId, Op, Outcome, Process, Session,
    brief,
};

/// What is assumed of a file.
#[derive(Clone, Copy)]
struct Assumed {
    words: Option<Words>,
    sorted: bool,
    /// The first number of those that name no process.
    anonymous: u32,
}

/// Numbers of events without a process, where others have one.
const ANONYMOUS: u32 = 1 << 31;

/// Reads maps, one after the other or in one vector, and says what it had to assume.
pub(super) fn read(
    mut input: Input<'_>,
    json: bool,
    options: &ReadOptions,
) -> Result<(History, Vec<String>), CodecError> {
    let words = options.family.map(Words::Of);
    let mut assumed = Assumed { words, sorted: false, anonymous: 0 };
    loop {
        let mut reader = Reader::new(Ops::new(options.independent, assumed.words), assumed);
        let done = match assumed.sorted {
            true => by_index(&mut reader, &input.all()?, json),
            false => each(&mut input.window()?, json, |node| reader.event(node)),
        };
        match done {
            Ok(()) => {
                let warnings = reader.warnings();
                reader.builder.settle_reads();
                return Ok((reader.builder.finish(), warnings));
            }
            Err(Stop::Telling) => {
                let words = Words::of(&mut input.window()?, json, options.independent)?;
                assumed.words = Some(words);
            }
            Err(Stop::Numbered) => assumed.anonymous = ANONYMOUS,
            Err(Stop::Unordered) => assumed.sorted = true,
            // Lines out of order often look impossible before the index is seen to run backwards.
            Err(Stop::Error(CodecError::Events { .. }))
                if !assumed.sorted && !is_ordered(&mut input, json)? =>
            {
                assumed.sorted = true;
            }
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Bad(_) | Stop::Impossible(..)) => unreachable!("they have been placed"),
        }
    }
}

/// Whether `:index` never runs backwards.
fn is_ordered(input: &mut Input<'_>, json: bool) -> Result<bool, CodecError> {
    let mut last = i64::MIN;
    let done = each(&mut input.window()?, json, |node| match fields(node)?.index {
        Some(index) if index < last => Err(Stop::Unordered),
        Some(index) => {
            last = index;
            Ok(())
        }
        None => Ok(()),
    });
    match done {
        Ok(()) => Ok(true),
        Err(Stop::Error(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Two passes over a file in memory: where each event starts, then the events in the order of
/// their index.
fn by_index(reader: &mut Reader, bytes: &[u8], json: bool) -> Result<(), Stop> {
    let text = utf8(bytes)?;
    let mut starts = Vec::new();
    let mut window = super::window::Window::of(bytes);
    let mark = usize::from(bytes.starts_with(b"\xef\xbb\xbf")) * 3;
    window.consume(mark);
    each(&mut window, json, |node| {
        let index = fields(node)?.index.unwrap_or(i64::MAX);
        starts.push((index, mark + node.at()));
        Ok(())
    })?;
    starts.sort_unstable();
    let (mut forms, mut tape) = (forms::Forms::new(text, json), Tape::default());
    for (_, start) in starts {
        forms.seek(start);
        let read = forms.next(&mut tape).map_err(Stop::Bad);
        let done = read.and_then(|_| tape.root().map_or(Ok(()), |node| reader.event(node)));
        done.map_err(|stop| match stop {
            Stop::Bad(Bad { at, message }) => error_at(bytes, at, message).into(),
            Stop::Impossible(at, source) => {
                CodecError::Events { line: position(bytes, at).0, source }.into()
            }
            other => other,
        })?;
    }
    Ok(())
}

#[derive(Debug)]
struct Reader {
    builder: Builder,
    ops: Ops,
    nemesis: Nemesis,
    anonymous: Anonymous,
    last_index: Option<i64>,
    sorted: bool,
    timed: u64,
    untimed: u64,
    /// Transactions whose invocation is not on record.
    uninvoked: u64,
    /// Whether a key stands beside the value, as in Porcupine's key-value log.
    named_key: bool,
}

/// What an event carries.
enum Carried {
    /// Micro-operations, in the builder's draft.
    Txn,
    One(Op),
    Nothing,
}

impl Reader {
    fn new(ops: Ops, assumed: Assumed) -> Reader {
        Reader {
            builder: Builder::as_given(),
            ops,
            nemesis: Nemesis::default(),
            anonymous: Anonymous::from(assumed.anonymous),
            last_index: None,
            sorted: assumed.sorted,
            timed: 0,
            untimed: 0,
            uninvoked: 0,
            named_key: false,
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.sorted {
            warnings.push("events were not in order of :index; they were sorted by it".to_owned());
        }
        if self.untimed > 0 && self.timed == 0 {
            warnings.push("no event has a :time; only their order is known".to_owned());
        } else if self.untimed > 0 {
            warnings.push(format!("{} events have no :time; 0 is shown for it", self.untimed));
        }
        if self.anonymous.events() > 0 {
            let count = self.anonymous.events();
            warnings.push(format!(
                "{count} events have no :process; each operation is taken as a session of its own"
            ));
        }
        if self.uninvoked > 0 {
            let count = self.uninvoked;
            warnings.push(format!(
                "{count} transactions have no invocation; nothing is ordered in real time"
            ));
        }
        if self.named_key {
            let warning = "in Porcupine's key-value log a key holds the empty text before it is \
                           written";
            warnings.push(warning.to_owned());
        }
        warnings
    }

    fn event(&mut self, node: Node<'_, '_>) -> Result<(), Stop> {
        let at = node.at();
        let fields = fields(node)?;
        if let Some(index) = fields.index {
            if !self.sorted && self.last_index.is_some_and(|last| index < last) {
                return Err(Stop::Unordered);
            }
            self.last_index = Some(index);
        }
        match fields.time {
            Some(_) => self.timed += 1,
            None => self.untimed += 1,
        }
        let time = fields.time.unwrap_or_default();
        let kind = kind(at, fields.kind)?;
        let who = who(fields.process)?;
        if let Who::Nemesis = who {
            self.nemesis.event(&mut self.builder, time, kind, &fields);
            return Ok(());
        }
        self.named_key |= fields.key.is_some();
        let Fields { f, value, key, result, family, .. } = fields;
        let said = Said { at, kind, f, value, key, result, family };
        let about = self.ops.about(&said)?;
        let process = match who {
            Who::Client(process) => self.anonymous.named(process, at)?,
            Who::Unnamed | Who::Nemesis => self.unnamed(about, &said)?,
        };
        if kind != Kind::Invoke
            && let About::Txn(wording) = about
            && !self.builder.is_open(process)
        {
            self.uninvoked(at, time, process, wording, value)?;
        }
        let carried = self.carried(about, &said)?;
        self.add(at, time, process, kind, carried, &fields)
    }

    /// What the event says; of a transaction it stands in the builder's draft.
    fn carried(&mut self, about: About, said: &Said<'_, '_>) -> Result<Carried, Stop> {
        match about {
            About::Txn(_) if matches!(said.kind, Kind::Fail | Kind::Info) => Ok(Carried::Nothing),
            About::Txn(wording) => {
                let mut draft = self.builder.draft();
                match self.ops.txn(wording, said.kind, said.value, &mut draft)? {
                    true => Ok(Carried::Txn),
                    false => Ok(Carried::Nothing),
                }
            }
            About::One(f, word) => {
                let op = self.ops.op(f, word, said)?;
                Ok(op.map_or(Carried::Nothing, Carried::One))
            }
        }
    }

    fn add(
        &mut self,
        at: usize,
        time: Nanos,
        process: Process,
        kind: Kind,
        carried: Carried,
        fields: &Fields<'_, '_>,
    ) -> Result<(), Stop> {
        let session = fields.session.and_then(|n| u32::try_from(n).ok()).map(Session);
        let node = fields.node.and_then(|n| u16::try_from(n).ok()).map(NodeId);
        let node = node.filter(|node| node.0 != u16::MAX);
        let outcome = match kind {
            Kind::Invoke => None,
            Kind::Ok => Some(Outcome::Ok),
            Kind::Fail => Some(Outcome::Fail),
            Kind::Info => Some(Outcome::Info),
        };
        let error = fields.error.and_then(error_class);
        let error = error.as_ref();
        let builder = &mut self.builder;
        let done = match (outcome, carried) {
            (None, Carried::Nothing) => {
                return Err(Bad::new(at, "an invocation without a value to ask for").into());
            }
            (None, Carried::Txn) => builder.drafted().invoke(time, process, session, node),
            (None, Carried::One(op)) => builder.invoke(time, process, session, node, &op),
            (Some(outcome), Carried::Txn) => {
                builder.drafted().complete(time, process, outcome, error)
            }
            (Some(outcome), Carried::One(op)) => {
                builder.complete(time, process, outcome, Some(&op), error)
            }
            (Some(outcome), Carried::Nothing) => {
                builder.complete(time, process, outcome, None, error)
            }
        };
        done.map(drop).map_err(|source| Stop::Impossible(at, source))
    }

    /// The number of an operation without one: a new one when it is invoked.
    fn unnamed(&mut self, about: About, said: &Said<'_, '_>) -> Result<Process, Stop> {
        let question = match about {
            About::Txn(wording) => {
                let mut draft = self.builder.draft();
                let told = self.ops.txn(wording, Kind::Invoke, said.value, &mut draft)?;
                told.then(|| Op::Txn(self.builder.drafted().question()))
            }
            About::One(f, word) => {
                self.ops.op(f, word, &Said { kind: Kind::Invoke, ..*said }).ok().flatten()
            }
        };
        if said.kind == Kind::Invoke {
            return self.anonymous.invoked(question);
        }
        match self.anonymous.completed(question.as_ref()) {
            Some(process) => Ok(process),
            None if matches!(about, About::Txn(_)) && question.is_some() => self.anonymous.whole(),
            None => {
                let message = "an event without :process completes no invocation that is open";
                Err(Bad::new(said.at, message).into())
            }
        }
    }

    /// A transaction of which only the end is on record.
    ///
    /// It began after the last event of its process, and no more is known. To say that it began
    /// right where it ended would order it behind everything that ended before, and a correct
    /// database would be called broken; so the history loses its real time.
    fn uninvoked(
        &mut self,
        at: usize,
        time: Nanos,
        process: Process,
        wording: Wording,
        value: Option<Node<'_, '_>>,
    ) -> Result<(), Stop> {
        let mut draft = self.builder.draft();
        if !self.ops.txn(wording, Kind::Invoke, value, &mut draft)? {
            let event = self.builder.events();
            return Err(Stop::Impossible(at, HistoryError::NoInvocation { process, event }));
        }
        let asked = self.builder.drafted().invoke(time, process, None, None);
        asked.map_err(|source| Stop::Impossible(at, source))?;
        self.builder.without_real_time();
        self.uninvoked += 1;
        Ok(())
    }
}

fn kind(at: usize, node: Option<Node<'_, '_>>) -> Result<Kind, Bad> {
    let Some(node) = node else {
        return Err(Bad::new(at, "an event without :type"));
    };
    match node.word().map(|word| (word, kind_of(word))) {
        Some((_, Some(kind))) => Ok(kind),
        Some((other, None)) => {
            let message = format!(":type {} is none of invoke, ok, fail, info", brief(other));
            Err(Bad::new(node.at(), message))
        }
        None => Err(Bad::new(at, "an event without :type")),
    }
}

/// Who an event is about.
enum Who {
    Client(Process),
    /// A client without a number.
    Unnamed,
    /// The nemesis.
    Nemesis,
}

fn who(node: Option<Node<'_, '_>>) -> Result<Who, Bad> {
    let Some(node) = node else { return Ok(Who::Unnamed) };
    match node.data() {
        Data::Int(int) => match u32::try_from(*int) {
            Ok(process) => Ok(Who::Client(Process(process))),
            Err(_) => Err(Bad::new(node.at(), format!(":process {int} is out of range"))),
        },
        Data::Nil => Ok(Who::Unnamed),
        _ if node.word() == Some("nemesis") => Ok(Who::Nemesis),
        // An operation taken for a fault would be judged by nobody.
        _ => {
            let message = ":process is neither a whole number of at most 32 bits nor :nemesis";
            Err(Bad::new(node.at(), message))
        }
    }
}

/// `:timeout`, `"timeout"`, `[:timeout "after 5 s"]`: the first word.
fn error_class(node: Node<'_, '_>) -> Option<ErrorClass> {
    let node = node.tagged().map_or(node, |(_, content)| content);
    match node.data() {
        Data::Nil => None,
        Data::Open(..) => node.children().next().and_then(error_class),
        _ => Some(ErrorClass::new(node.word().unwrap_or("other").to_owned())),
    }
}
