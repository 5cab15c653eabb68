//! The maps of a Jepsen file, one after the other or in one vector, and their fields.
//!
//! Of a stream only the part that is being parsed is in memory: a form that ends where the window
//! does may go on, and is parsed again when more is there.

use super::CodecError;
use super::forms::{FORM_LIMIT, Forms};
use super::jepsen_op::Stop;
use super::tape::{Bad, Data, Node, Tape};
use super::window::Window;
use crate::{Kind, Nanos};

/// The fields of one event.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Fields<'t, 'a> {
    pub(super) index: Option<i64>,
    pub(super) time: Option<Nanos>,
    pub(super) kind: Option<Node<'t, 'a>>,
    pub(super) process: Option<Node<'t, 'a>>,
    pub(super) f: Option<Node<'t, 'a>>,
    pub(super) value: Option<Node<'t, 'a>>,
    pub(super) error: Option<Node<'t, 'a>>,
    pub(super) node: Option<i64>,
    pub(super) session: Option<i64>,
    pub(super) key: Option<Node<'t, 'a>>,
    pub(super) result: Option<Node<'t, 'a>>,
    pub(super) family: Option<Node<'t, 'a>>,
}

/// Calls `f` with the fields of every client's event and the kind of it, if it has one.
pub(super) fn each_event(
    window: &mut Window<'_>,
    json: bool,
    mut f: impl FnMut(&Fields<'_, '_>, Option<Kind>),
) -> Result<(), Stop> {
    each(window, json, |node| {
        let fields = fields(node)?;
        if let Some(Data::Int(_) | Data::Nil) | None = fields.process.map(Node::data) {
            f(&fields, fields.kind.and_then(Node::word).and_then(kind_of));
        }
        Ok(())
    })
}

/// What stands around the events.
enum Outer {
    Unknown,
    Nothing,
    /// A vector that this closes; where it was opened.
    Vector(u8, (u64, u64)),
    Closed,
}

/// What the window's text came to.
enum Seen {
    End,
    Short,
}

/// Calls `f` with every event, inside one vector or not. Positions are those of the window's
/// text; errors that leave this function have lines and columns.
pub(super) fn each(
    window: &mut Window<'_>,
    json: bool,
    mut f: impl FnMut(Node<'_, '_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut outer = Outer::Unknown;
    loop {
        let mut done = 0;
        let (text, wrong) = text_of(window);
        let whole = window.is_last() && text.len() == window.data().len();
        let result = batch(window, text, json, whole, &mut outer, &mut done, &mut f);
        let result = match result {
            // What is not there yet may make it right.
            Err(Stop::Bad(bad)) if !whole && bad.at >= done && text.len() - done <= FORM_LIMIT => {
                Ok(Seen::Short)
            }
            other => other.map_err(|stop| placed(window, stop)),
        };
        match result? {
            Seen::End => return Ok(()),
            Seen::Short if wrong => {
                let message = "a byte that is not UTF-8; is this a text file?";
                return Err(window.error(text.len(), message).into());
            }
            Seen::Short => {
                window.consume(done);
                window.more()?;
            }
        }
    }
}

/// With line and column instead of an offset.
fn placed(window: &Window<'_>, stop: Stop) -> Stop {
    match stop {
        Stop::Bad(Bad { at, message }) => window.error(at, message).into(),
        Stop::Impossible(at, source) => {
            CodecError::Events { line: window.place(at).0, source }.into()
        }
        other => other,
    }
}

/// The text there is, and whether what follows it is none.
fn text_of<'w>(window: &'w Window<'_>) -> (&'w str, bool) {
    let data = window.data();
    match std::str::from_utf8(data) {
        Ok(text) => (text, false),
        Err(error) => {
            let valid = &data[..error.valid_up_to()];
            let text = std::str::from_utf8(valid).expect("it is valid up to there");
            (text, error.error_len().is_some() || window.is_last())
        }
    }
}

/// Everything of `text` that is whole; `done` is what was understood.
fn batch(
    window: &Window<'_>,
    text: &str,
    json: bool,
    whole: bool,
    outer: &mut Outer,
    done: &mut usize,
    f: &mut impl FnMut(Node<'_, '_>) -> Result<(), Stop>,
) -> Result<Seen, Stop> {
    let mut forms = Forms::new(text, json);
    let mut tape = Tape::default();
    loop {
        let Some(next) = forms.next_byte()? else {
            return match outer {
                _ if !whole => Ok(Seen::Short),
                Outer::Vector(_, (line, column)) => {
                    let message = "nothing closes this vector; the file is cut short".to_owned();
                    Err(CodecError::Text { line: *line, column: *column, message }.into())
                }
                Outer::Unknown | Outer::Nothing | Outer::Closed => Ok(Seen::End),
            };
        };
        match outer {
            Outer::Unknown => {
                let close = match next {
                    b'[' => Some(b']'),
                    b'(' => Some(b')'),
                    _ => None,
                };
                let at = forms.offset();
                *outer = match close {
                    Some(close) => Outer::Vector(close, window.place(at)),
                    None => Outer::Nothing,
                };
                if close.is_some() {
                    forms.seek(at + 1);
                    *done = at + 1;
                }
            }
            Outer::Vector(close, _) if next == *close => {
                *outer = Outer::Closed;
                forms.seek(forms.offset() + 1);
                *done = forms.offset();
            }
            Outer::Closed => {
                let message = "something follows the vector of events";
                return Err(Bad::new(forms.offset(), message).into());
            }
            Outer::Nothing | Outer::Vector(..) => {
                forms.next(&mut tape)?;
                if !whole && forms.offset() == text.len() {
                    return Ok(Seen::Short);
                }
                if let Some(node) = tape.root() {
                    f(node).map_err(|stop| placed(window, stop))?;
                }
                *done = forms.offset();
            }
        }
    }
}

pub(super) fn kind_of(word: &str) -> Option<Kind> {
    match word {
        "invoke" => Some(Kind::Invoke),
        "ok" => Some(Kind::Ok),
        "fail" => Some(Kind::Fail),
        "info" => Some(Kind::Info),
        _ => None,
    }
}

pub(super) fn fields<'t, 'a>(node: Node<'t, 'a>) -> Result<Fields<'t, 'a>, Bad> {
    let node = node.tagged().map_or(node, |(_, content)| content);
    if !node.is_map() {
        return Err(Bad::new(node.at(), "an event must be a map"));
    }
    let mut fields = Fields::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut children = node.children();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        let name = key.word().unwrap_or_default();
        if seen.contains(&name) {
            return Err(Bad::new(key.at(), format!("a second :{name} in one event")));
        }
        seen.push(name);
        match name {
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
