//! What the events of Jepsen, Elle and Knossos mean: from parsed maps to a history.
//!
//! Lines are in the order in which one recorder saw the events, so their order ranks them and
//! `:time` is for display. Where `:index` contradicts the order of the lines, `:index` wins.

use super::forms::Forms;
use super::jepsen_family::Words;
use super::jepsen_op::{Ops, Said, Stop};
use super::nemesis::Nemesis;
use super::tape::{Data, Node, Tape, error_at, position};
use super::{CodecError, ReadOptions};
use crate::{
    Builder, ErrorClass, History, HistoryError, Kind, Nanos, NodeId, Outcome, Process, Session,
};

/// Reads maps, one after the other or in one vector, and says what it had to assume.
pub(super) fn read<'a>(
    start: impl Fn() -> Forms<'a>,
    options: &ReadOptions,
) -> Result<(History, Vec<String>), CodecError> {
    let text = start().text();
    let mut lists = appends_to_lists(text);
    let words = match options.family {
        Some(family) => Words::Of(family),
        None => Words::of(start(), options.independent)?,
    };
    let (mut sorted, mut switched) = (false, false);
    loop {
        let mut reader = Reader::new(text, Ops::new(text, lists, options.independent, words));
        let done = match sorted {
            true => reader.by_index(start()),
            false => each(start(), |node| reader.event(node)),
        };
        match done {
            Ok(()) => {
                let warnings = reader.warnings(sorted);
                return Ok((reader.builder.finish(), warnings));
            }
            Err(Stop::Unordered) => sorted = true,
            // `[:r k nil]` does not say whether k is a list. The first result that tells decides.
            Err(Stop::OtherReads(_)) if !switched => {
                lists = !lists;
                switched = true;
            }
            // Lines out of order often look impossible before the index is seen to run backwards.
            Err(Stop::Error(CodecError::Events { .. })) if !sorted && !is_ordered(start())? => {
                sorted = true;
            }
            Err(Stop::OtherReads(error) | Stop::Error(error)) => return Err(error),
        }
    }
}

/// Whether a micro-operation appends: `[:append k v]`. `:f :append` is an operation on a register.
fn appends_to_lists(text: &str) -> bool {
    [":append", "\"append\""].iter().any(|word| {
        text.match_indices(word).any(|(at, _)| {
            let before = text[..at].trim_end_matches([' ', ',', '\n', '\t', '\r']);
            before.ends_with(['[', '('])
        })
    })
}

/// Whether `:index` never runs backwards.
fn is_ordered(forms: Forms<'_>) -> Result<bool, CodecError> {
    let text = forms.text();
    let mut last = i64::MIN;
    let done = each(forms, |node| match fields(text, node)?.index {
        Some(index) if index < last => Err(Stop::Unordered),
        Some(index) => {
            last = index;
            Ok(())
        }
        None => Ok(()),
    });
    match done {
        Ok(()) => Ok(true),
        Err(Stop::Unordered) => Ok(false),
        Err(Stop::Error(error) | Stop::OtherReads(error)) => Err(error),
    }
}

/// Calls `f` with the fields of every client's event and the kind of it, if it has one.
pub(super) fn each_event<'a>(
    forms: Forms<'a>,
    mut f: impl FnMut(&Fields<'_, 'a>, Option<Kind>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let text = forms.text();
    each(forms, |node| {
        let fields = fields(text, node)?;
        match fields.process.map(Node::data) {
            Some(Data::Int(_) | Data::Nil) | None => {
                f(&fields, fields.kind.and_then(Node::word).and_then(kind_of))
            }
            Some(_) => Ok(()),
        }
    })
}

/// Calls `f` with every event, inside one vector or not.
fn each<'a>(
    mut forms: Forms<'a>,
    mut f: impl FnMut(Node<'_, 'a>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut tape = Tape::default();
    let close = match forms.next_byte()? {
        Some(b'[') => Some(b']'),
        Some(b'(') => Some(b')'),
        Some(_) | None => None,
    };
    let opened = forms.skip_bracket(close.is_some());
    loop {
        if let Some(close) = close
            && forms.eat(close)?
        {
            return match forms.next_byte()? {
                None => Ok(()),
                Some(_) => Err(forms.error_here("something follows the vector of events").into()),
            };
        }
        if !forms.next(&mut tape)? {
            let Some(at) = opened else { return Ok(()) };
            let message = "nothing closes this vector; the file is cut short";
            return Err(error_at(forms.text().as_bytes(), at, message).into());
        }
        if let Some(node) = tape.root() {
            f(node)?;
        }
    }
}

#[derive(Debug)]
struct Reader<'a> {
    text: &'a str,
    builder: Builder,
    ops: Ops<'a>,
    nemesis: Nemesis,
    last_index: Option<i64>,
    sorted: bool,
    timed: u64,
    untimed: u64,
    without_process: u64,
    /// Whether a key stands beside the value, as in Porcupine's key-value log.
    named_key: bool,
}

/// The fields of one event.
#[derive(Default, Debug)]
pub(super) struct Fields<'t, 'a> {
    index: Option<i64>,
    time: Option<Nanos>,
    kind: Option<Node<'t, 'a>>,
    process: Option<Node<'t, 'a>>,
    pub(super) f: Option<Node<'t, 'a>>,
    pub(super) value: Option<Node<'t, 'a>>,
    pub(super) error: Option<Node<'t, 'a>>,
    node: Option<i64>,
    session: Option<i64>,
    key: Option<Node<'t, 'a>>,
    pub(super) result: Option<Node<'t, 'a>>,
    pub(super) family: Option<Node<'t, 'a>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, ops: Ops<'a>) -> Reader<'a> {
        Reader {
            text,
            builder: Builder::as_given(),
            ops,
            nemesis: Nemesis::default(),
            last_index: None,
            sorted: false,
            timed: 0,
            untimed: 0,
            without_process: 0,
            named_key: false,
        }
    }

    fn warnings(&self, sorted: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        if sorted {
            warnings.push("events were not in order of :index; they were sorted by it".to_owned());
        }
        if self.untimed > 0 && self.timed == 0 {
            warnings.push("no event has a :time; only their order is known".to_owned());
        } else if self.untimed > 0 {
            warnings.push(format!("{} events have no :time; 0 is shown for it", self.untimed));
        }
        if self.without_process > 0 {
            let count = self.without_process;
            warnings.push(format!("{count} events have no :process; all are taken as process 0"));
        }
        if self.named_key {
            let warning = "in Porcupine's key-value log a key holds the empty text before it is \
                           written";
            warnings.push(warning.to_owned());
        }
        warnings
    }

    /// Two passes: where each event starts, then the events in the order of their index.
    fn by_index(&mut self, forms: Forms<'a>) -> Result<(), Stop> {
        self.sorted = true;
        let text = self.text;
        let mut starts = Vec::new();
        each(forms.restarted(), |node| {
            let index = fields(text, node)?.index.unwrap_or(i64::MAX);
            starts.push((index, node.at()));
            Ok(())
        })?;
        starts.sort_unstable();
        let (mut forms, mut tape) = (forms, Tape::default());
        for (_, start) in starts {
            forms.seek(start);
            forms.next(&mut tape)?;
            if let Some(node) = tape.root() {
                self.event(node)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, node: Node<'_, 'a>) -> Result<(), Stop> {
        let at = node.at();
        let fields = fields(self.text, node)?;
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
        let kind = self.kind(at, fields.kind)?;
        let Some(process) = self.process(fields.process)? else {
            self.nemesis.event(&mut self.builder, time, kind, &fields);
            return Ok(());
        };
        self.named_key |= fields.key.is_some();
        let Fields { f, value, key, result, family, .. } = fields;
        let op = self.ops.op(&Said { at, kind, f, value, key, result, family })?;
        let done = match (kind, op) {
            (Kind::Invoke, None) => {
                return Err(self.error(at, "an invocation without a value to ask for").into());
            }
            (Kind::Invoke, Some(op)) => {
                let session = fields.session.and_then(|n| u32::try_from(n).ok()).map(Session);
                let node = fields.node.and_then(|n| u16::try_from(n).ok()).map(NodeId);
                let node = node.filter(|node| node.0 != u16::MAX);
                self.builder.invoke(time, process, session, node, &op)
            }
            (Kind::Ok | Kind::Fail | Kind::Info, op) => {
                let outcome = match kind {
                    Kind::Ok => Outcome::Ok,
                    Kind::Fail => Outcome::Fail,
                    Kind::Info | Kind::Invoke => Outcome::Info,
                };
                let error = fields.error.and_then(error_class);
                self.builder.complete(time, process, outcome, op.as_ref(), error.as_ref())
            }
        };
        done.map(drop).map_err(|source| self.impossible(at, source).into())
    }

    fn kind(&self, at: usize, node: Option<Node<'_, 'a>>) -> Result<Kind, CodecError> {
        let Some(node) = node else {
            return Err(self.error(at, "an event without :type"));
        };
        match node.word().map(|word| (word, kind_of(word))) {
            Some((_, Some(kind))) => Ok(kind),
            Some((other, None)) => {
                let message = format!(":type {other} is none of invoke, ok, fail, info");
                Err(self.error(node.at(), message))
            }
            None => Err(self.error(at, "an event without :type")),
        }
    }

    /// The client; `None` for anything else, like the nemesis.
    fn process(&mut self, node: Option<Node<'_, 'a>>) -> Result<Option<Process>, CodecError> {
        let Some(node) = node else {
            self.without_process += 1;
            return Ok(Some(Process(0)));
        };
        match node.data() {
            Data::Int(int) => match u32::try_from(*int) {
                Ok(process) => Ok(Some(Process(process))),
                Err(_) => Err(self.error(node.at(), format!(":process {int} is out of range"))),
            },
            Data::Nil => {
                self.without_process += 1;
                Ok(Some(Process(0)))
            }
            _ => Ok(None),
        }
    }

    fn error(&self, at: usize, message: impl Into<String>) -> CodecError {
        error_at(self.text.as_bytes(), at, message)
    }

    fn impossible(&self, at: usize, source: HistoryError) -> CodecError {
        CodecError::Events { line: position(self.text.as_bytes(), at).0, source }
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    match word {
        "invoke" => Some(Kind::Invoke),
        "ok" => Some(Kind::Ok),
        "fail" => Some(Kind::Fail),
        "info" => Some(Kind::Info),
        _ => None,
    }
}

fn fields<'t, 'a>(text: &str, node: Node<'t, 'a>) -> Result<Fields<'t, 'a>, CodecError> {
    let node = node.tagged().map_or(node, |(_, content)| content);
    if !node.is_map() {
        return Err(error_at(text.as_bytes(), node.at(), "an event must be a map"));
    }
    let mut fields = Fields::default();
    let mut children = node.children();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        match key.word().unwrap_or_default() {
            "index" => fields.index = int(value),
            "time" => fields.time = time(value),
            "type" => fields.kind = Some(value),
            "process" => fields.process = Some(value),
            "f" => fields.f = Some(value).filter(|value| !matches!(value.data(), Data::Nil)),
            "value" => fields.value = Some(value),
            "error" => fields.error = Some(value),
            "node" => fields.node = int(value),
            "session" => fields.session = int(value),
            "key" => fields.key = Some(value),
            "result" => fields.result = Some(value),
            "family" => fields.family = Some(value),
            _ => {}
        }
    }
    Ok(fields)
}

fn int(node: Node<'_, '_>) -> Option<i64> {
    match node.data() {
        Data::Int(int) => Some(*int),
        _ => None,
    }
}

/// Nanoseconds; Jepsen's may be negative before its clock starts.
fn time(node: Node<'_, '_>) -> Option<Nanos> {
    match node.data() {
        Data::Int(int) => Some(Nanos(u64::try_from(*int).unwrap_or(0))),
        Data::Number(number) => number.parse::<f64>().ok().map(|time| Nanos(time as u64)),
        _ => None,
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
