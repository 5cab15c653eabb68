//! Jepsen's nemesis events as a fault track.
//!
//! Both the invocation and the completion of a nemesis are `:info`: the first of a name is read
//! as planned, the next as done. Names that undo (`stop`, `heal`, `resume` ...) heal.

use super::jepsen_events::Fields;
use super::tape::{Data, Node};
use crate::{Builder, FaultEdge, FaultEvent, Kind, Mark, Nanos};

/// Prefixes of names that undo a fault.
const UNDOING: [&str; 6] = ["stop", "heal", "resume", "end", "recover", "restore"];

#[derive(Default, Debug)]
pub(super) struct Nemesis {
    begun: Option<String>,
    faults: u32,
}

impl Nemesis {
    pub(super) fn event(
        &mut self,
        builder: &mut Builder,
        time: Nanos,
        kind: Kind,
        fields: &Fields<'_, '_>,
    ) {
        let name = fields.f.and_then(Node::word).unwrap_or("nemesis");
        if let Some(value) = fields.value
            && self.own(builder, time, name, value)
        {
            return;
        }
        let undoes = UNDOING.iter().any(|prefix| name.starts_with(prefix));
        let begins = kind == Kind::Invoke || self.begun.as_deref() != Some(name);
        self.begun = begins.then(|| name.to_owned());
        if begins && !undoes {
            self.faults += 1;
        }
        let edge = match (begins, undoes) {
            (true, _) => FaultEdge::Planned,
            (false, true) => FaultEdge::Healed,
            (false, false) => FaultEdge::Injected,
        };
        let detail = match (fields.value.map(text), fields.error.map(text)) {
            (None, None) => String::new(),
            (Some(value), None) => serde_json::json!({ "value": value }).to_string(),
            (value, Some(error)) => {
                serde_json::json!({ "value": value, "error": error }).to_string()
            }
        };
        builder.fault(FaultEvent {
            time,
            fault: self.faults.saturating_sub(1),
            edge,
            kind: name.to_owned(),
            nodes: Vec::new(),
            detail,
        });
    }

    /// What our own writer says of a fault or a mark.
    fn own(&mut self, builder: &mut Builder, time: Nanos, name: &str, value: Node<'_, '_>) -> bool {
        if !value.is_map() {
            return false;
        }
        let get = |wanted: &str| {
            let mut children = value.children();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                if key.word() == Some(wanted) {
                    return Some(value);
                }
            }
            None
        };
        if let Some(mark) = get("tribunal/mark").and_then(Node::word) {
            builder.mark(Mark { time, name: mark.to_owned() });
            return true;
        }
        if let Some(Data::Bool(false)) = get("tribunal/real-time").map(Node::data) {
            builder.without_real_time();
            return true;
        }
        let Some(edge) = get("tribunal/edge").and_then(Node::word) else { return false };
        let Some(edge) = FaultEdge::ALL.into_iter().find(|known| known.name() == edge) else {
            return false;
        };
        let fault = match get("fault").map(Node::data) {
            Some(Data::Int(fault)) => u32::try_from(*fault).unwrap_or(u32::MAX),
            _ => 0,
        };
        let nodes = get("nodes").map_or_else(Vec::new, |nodes| {
            nodes.children().filter_map(Node::word).map(str::to_owned).collect()
        });
        let detail = get("detail").and_then(Node::word).unwrap_or_default().to_owned();
        builder.fault(FaultEvent { time, fault, edge, kind: name.to_owned(), nodes, detail });
        true
    }
}

/// A form as text for people.
fn text(node: Node<'_, '_>) -> String {
    let mut text = String::new();
    plain(node, &mut text);
    text
}

fn plain(node: Node<'_, '_>, out: &mut String) {
    match node.data() {
        Data::Nil => out.push_str("nil"),
        Data::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Data::Int(int) => out.push_str(&int.to_string()),
        Data::Text(text) => out.push_str(text),
        Data::Number(text) | Data::Keyword(text) | Data::Symbol(text) => out.push_str(text),
        Data::Tag(_) | Data::Open(..) => {
            let content = node.tagged().map(|(_, content)| content);
            if let Some(content) = content {
                return plain(content, out);
            }
            out.push('[');
            for (i, child) in node.children().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                plain(child, out);
            }
            out.push(']');
        }
    }
}
