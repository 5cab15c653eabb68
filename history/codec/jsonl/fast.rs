//! The lines exactly as our writer writes them, read without a general parser.
//!
//! Anything unusual (other order of fields, white space, escapes, wide numbers) is left to the
//! general reader: a line is read here only if both would read the same.

use super::reader::Parsed;
use crate::{
    Builder, Code, Draft, Kind, Nanos, NodeId, Observed, Op, Process, QueueOp, RegisterOp, Session,
    SetOp, Value,
};

/// The event at the start of `bytes` and the length of its line, the newline included. The
/// micro-operations of a transaction are left in the draft of `builder`.
pub(super) fn event(bytes: &[u8], builder: &mut Builder) -> Option<(Parsed, usize)> {
    let mut lane = Lane { bytes, at: 0 };
    let event = lane.event(builder)?;
    match lane.bytes.get(lane.at) {
        None => Some((event, lane.at)),
        Some(b'\n') => Some((event, lane.at + 1)),
        Some(_) => None,
    }
}

struct Lane<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Lane<'b> {
    fn event(&mut self, builder: &mut Builder) -> Option<Parsed> {
        self.literal(b"{\"id\":")?;
        let id = Some(self.number()?);
        self.literal(b",\"time\":")?;
        let time = Nanos(self.number()?);
        self.literal(b",\"process\":")?;
        let process = Process(u32::try_from(self.number()?).ok()?);
        let session = match self.literal(b",\"session\":") {
            Some(()) => Some(Session(u32::try_from(self.number()?).ok()?)),
            None => None,
        };
        let node = match self.literal(b",\"node\":") {
            Some(()) => {
                Some(NodeId(u16::try_from(self.number()?).ok().filter(|n| *n != u16::MAX)?))
            }
            None => None,
        };
        self.literal(b",\"kind\":\"")?;
        let kind = match self.word()? {
            b"invoke" => Kind::Invoke,
            b"ok" => Kind::Ok,
            b"fail" => Kind::Fail,
            b"info" => Kind::Info,
            _ => return None,
        };
        self.literal(b",\"op\":{\"f\":\"")?;
        let op = self.op(builder)?;
        self.literal(b"}")?;
        let error = match self.literal(b",\"error\":\"") {
            Some(()) => Some(std::str::from_utf8(self.word()?).ok()?.to_owned()),
            None => None,
        };
        self.literal(b"}")?;
        Some(Parsed { id, time, process, session, node, kind, op, error })
    }

    /// `None` inside of a transaction, which is drafted.
    fn op(&mut self, builder: &mut Builder) -> Option<Option<Op>> {
        let f = self.word()?;
        if f == b"txn" {
            self.literal(b",\"mops\":[")?;
            let mut draft = builder.draft();
            self.each(|lane| lane.mop(&mut draft))?;
            return Some(None);
        }
        self.literal(b",\"key\":")?;
        let key = self.value()?;
        Some(Some(match f {
            b"read" => Op::Register(RegisterOp::Read { key, value: self.answer()? }),
            b"write" => Op::Register(RegisterOp::Write { key, value: self.argument()? }),
            b"append" => Op::Register(RegisterOp::Append { key, value: self.argument()? }),
            b"cas" => {
                self.literal(b",\"from\":")?;
                let from = self.value()?;
                self.literal(b",\"to\":")?;
                Op::Register(RegisterOp::Cas { key, from, to: self.value()? })
            }
            b"enqueue" => Op::Queue(QueueOp::Enqueue { key, value: self.argument()? }),
            b"dequeue" => Op::Queue(QueueOp::Dequeue { key, value: self.answer()? }),
            b"peek" => Op::Queue(QueueOp::Peek { key, value: self.answer()? }),
            b"set-add" => {
                self.literal(b",\"element\":")?;
                let (element, added) = (self.value()?, self.told(b",\"added\":")?);
                Op::Set(SetOp::Add { key, element, added })
            }
            b"set-remove" => {
                self.literal(b",\"element\":")?;
                let (element, removed) = (self.value()?, self.told(b",\"removed\":")?);
                Op::Set(SetOp::Remove { key, element, removed })
            }
            b"set-contains" => {
                self.literal(b",\"element\":")?;
                let (element, found) = (self.value()?, self.told(b",\"found\":")?);
                Op::Set(SetOp::Contains { key, element, found })
            }
            _ => return None,
        }))
    }

    fn argument(&mut self) -> Option<Value> {
        self.literal(b",\"value\":")?;
        self.value()
    }

    fn answer(&mut self) -> Option<Observed<Value>> {
        match self.literal(b",\"value\":") {
            Some(()) => self.seen(),
            None => Some(Observed::Pending),
        }
    }

    fn told(&mut self, name: &[u8]) -> Option<Observed<bool>> {
        if self.literal(name).is_none() {
            return Some(Observed::Pending);
        }
        if self.literal(b"null").is_some() {
            return Some(Observed::Absent);
        }
        let yes = self.literal(b"true").is_some();
        (yes || self.literal(b"false").is_some()).then_some(Observed::Present(yes))
    }

    fn mop(&mut self, draft: &mut Draft<'_>) -> Option<()> {
        self.literal(b"[\"")?;
        let name = self.word()?;
        self.literal(b",")?;
        let key = self.code(draft)?;
        let more = self.literal(b",").is_some();
        match (name, more) {
            (b"append", true) => {
                let element = self.code(draft)?;
                draft.append(key, element);
            }
            (b"write", true) => {
                let value = self.code(draft)?;
                draft.write(key, value);
            }
            (b"add", true) => {
                let delta = self.int()?;
                let more = self.literal(b",").is_some();
                let value = match more {
                    false => Observed::Pending,
                    true if self.literal(b"null").is_some() => Observed::Absent,
                    true => Observed::Present(self.int()?),
                };
                draft.add(key, delta, value);
            }
            (b"read", true) if self.literal(b"null").is_some() => draft.read(key, Observed::Absent),
            (b"read", true) => {
                let value = self.code(draft)?;
                draft.read(key, Observed::Present(value));
            }
            (b"read", false) => draft.read(key, Observed::Pending),
            (b"read-list", false) => draft.read_no_list(key, Observed::Pending),
            (b"read-list", true) if self.literal(b"null").is_some() => {
                draft.read_no_list(key, Observed::Absent);
            }
            (b"read-list", true) => {
                self.literal(b"[")?;
                draft.read_list(key);
                self.each(|lane| {
                    let element = lane.code(draft)?;
                    draft.element(element);
                    Some(())
                })?;
            }
            _ => return None,
        }
        self.literal(b"]")
    }

    /// A value by number.
    #[inline]
    fn code(&mut self, draft: &mut Draft<'_>) -> Option<Code> {
        match self.bytes.get(self.at)? {
            b'0'..=b'9' => i64::try_from(self.number()?).ok().map(|int| draft.int(int)),
            _ => self.value().map(|value| draft.code(&value)),
        }
    }

    /// Elements up to the closing bracket; the opening one is read.
    #[inline]
    fn each(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.literal(b"]").is_some() {
            return Some(());
        }
        loop {
            element(self)?;
            match self.byte()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    fn seen(&mut self) -> Option<Observed<Value>> {
        Some(match self.value()? {
            Value::Nil => Observed::Absent,
            value => Observed::Present(value),
        })
    }

    fn value(&mut self) -> Option<Value> {
        match self.bytes.get(self.at)? {
            b'"' => {
                self.at += 1;
                let text = std::str::from_utf8(self.word()?).ok()?;
                Some(Value::text(text))
            }
            b'n' => self.literal(b"null").map(|()| Value::Nil),
            _ => self.int().map(Value::Int),
        }
    }

    fn int(&mut self) -> Option<i64> {
        if self.literal(b"-").is_none() {
            return i64::try_from(self.number()?).ok();
        }
        // -0 is a float in JSON.
        let int = i64::try_from(self.number()?).ok().filter(|int| *int != 0)?;
        Some(-int)
    }

    #[inline]
    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        let found = self.bytes[self.at..].starts_with(literal);
        self.at += if found { literal.len() } else { 0 };
        found.then_some(())
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A whole number of at most 18 digits; what follows is for the caller to check.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut number = 0;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            if self.at - start == 18 {
                return None;
            }
            number = number * 10 + u64::from(digit - b'0');
            self.at += 1;
        }
        let plain = match &self.bytes[start..self.at] {
            [] | [b'0', _, ..] => false,
            [_, ..] => true,
        };
        plain.then_some(number)
    }

    /// The rest of a string without escapes, its closing quote read.
    #[inline]
    fn word(&mut self) -> Option<&'b [u8]> {
        let start = self.at;
        loop {
            match self.byte()? {
                b'"' => return Some(&self.bytes[start..self.at - 1]),
                b'\\' | 0..b' ' => return None,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::{Line, parse};
    use super::event;
    use crate::{Builder, Op};

    /// Read here or not, a line means the same as to the general reader.
    #[test]
    fn both_readers_agree() {
        let head = "{\"id\":1,\"time\":2,\"process\":3";
        let (mut read, mut left) = (0, 0);
        for middle in ["", ",\"session\":4", ",\"node\":5", ",\"node\":65535", ",\"x\":1", " "] {
            for kind in ["invoke", "ok", "fail", "info", "later"] {
                for op in OPS {
                    for tail in ["", ",\"error\":\"t\"", ",\"error\":\"a\\nb\"", ",\"error\":7"] {
                        let line = format!(
                            "{head}{middle},\"kind\":\"{kind}\",\"op\":{{\"f\":{op}}}{tail}}}"
                        );
                        let slow = match parse::<Line>(1, line.as_bytes()) {
                            Ok(Line::Event(event)) => Some(event),
                            Ok(Line::Fault(_) | Line::Mark(_)) | Err(_) => None,
                        };
                        let mut builder = Builder::as_given();
                        match event(format!("{line}\nnext").as_bytes(), &mut builder) {
                            None => left += 1,
                            Some((mut fast, length)) => {
                                if fast.op.is_none() {
                                    fast.op = Some(Op::Txn(builder.drafted().told()));
                                }
                                assert_eq!(Some(fast), slow, "{line}");
                                assert_eq!(length, line.len() + 1);
                                read += 1;
                            }
                        }
                    }
                }
            }
        }
        assert!(read > 200 && left > 200, "{read} read here, {left} left");
    }

    const OPS: &[&str] = &[
        "\"append\",\"key\":1,\"value\":\"x\"",
        "\"enqueue\",\"key\":1,\"value\":2",
        "\"enqueue\",\"key\":1",
        "\"dequeue\",\"key\":1,\"value\":null",
        "\"peek\",\"key\":1,\"value\":{\"nil\":null}",
        "\"set-add\",\"key\":1,\"element\":2",
        "\"set-add\",\"key\":1,\"element\":null,\"added\":true",
        "\"set-add\",\"key\":1,\"element\":2,\"added\":truely",
        "\"set-add\",\"key\":1,\"element\":2,\"added\":1",
        "\"set-add\",\"key\":1,\"element\":2,\"removed\":true",
        "\"set-remove\",\"key\":1,\"element\":2,\"removed\":false",
        "\"set-contains\",\"key\":1,\"element\":2,\"found\":null",
        "\"set-read\",\"key\":1,\"elements\":[1,2]",
        "\"counter-add\",\"key\":1,\"delta\":-2,\"value\":3",
        "\"acquire\",\"key\":1",
        "\"read\",\"key\":1",
        "\"read\",\"key\":1,\"value\":null",
        "\"read\",\"key\":\"k\u{e9}\",\"value\":-7",
        "\"read\",\"key\":1,\"value\":{\"nil\":null}",
        "\"read\",\"key\":1,\"value\":-0",
        "\"read\",\"key\":01",
        "\"read\",\"key\":1.5",
        "\"write\",\"key\":1,\"value\":9223372036854775807",
        "\"write\",\"key\":1,\"value\":99999999999999999999",
        "\"write\",\"key\":null,\"value\":null",
        "\"write\",\"key\":1",
        "\"write\",\"value\":1,\"key\":1",
        "\"cas\",\"key\":1,\"from\":2,\"to\":\"x\"",
        "\"cas\",\"key\":1,\"from\":2",
        "\"txn\",\"mops\":[]",
        "\"txn\",\"mops\":[[\"add\",1,-2],[\"add\",\"k\",3,null],[\"add\",1,2,-9]]",
        "\"txn\",\"mops\":[[\"add\",1]]",
        "\"txn\",\"mops\":[[\"add\",1,-0]]",
        "\"txn\",\"mops\":[[\"add\",1,2,3,4]]",
        "\"txn\",\"mops\":[[\"append\",1,2],[\"read-list\",1,[1,\"a\"]],[\"read-list\",2]]",
        "\"txn\",\"mops\":[[\"read-list\",1,null],[\"read\",1],[\"read\",1,null]]",
        "\"txn\",\"mops\":[[\"read-list\",1,[]],[\"write\",1,2],[\"read\",1,3]]",
        "\"txn\",\"mops\":[[\"read-predicate\",\"p\",[[1,2]]]]",
        "\"txn\",\"mops\":[[\"append\",1]]",
        "\"txn\",\"mops\":[[\"append\",1,2,3]]",
        "\"txn\",\"mops\":[[\"read\",1,]]",
    ];
}
