//! The EDN of Jepsen, Elle and Knossos: one map per event.

use std::io::Write;

use super::CodecError;
use super::edn_op::{Words, put, put_op, put_text, put_word};
use super::losses::Losses;
use crate::{ErrorClass, Event, FaultEvent, History, Mark, Nanos};

/// Writes one map per line: events and the fault track in the order of time.
pub(super) fn write(history: &History, out: &mut impl Write) -> Result<Vec<String>, CodecError> {
    let mut losses = Losses::default();
    let words = Words::of(history);
    let mut track = super::track(history).peekable();
    let mut line = String::new();
    let mut index = 0_u64;
    if !history.has_real_time() {
        losses.count("order that is none, of sessions among each other, said in an event of ours");
        out.write_all(PER_SESSION.as_bytes())?;
        index += 1;
    }
    for event in history.events() {
        while let Some(entry) = track.next_if(|entry| entry.time() < event.time) {
            line.clear();
            put_track(&mut line, index, &entry);
            index += 1;
            out.write_all(line.as_bytes())?;
        }
        line.clear();
        put_event(&mut line, index, &event, &words, &mut losses);
        index += 1;
        out.write_all(line.as_bytes())?;
    }
    for entry in track {
        line.clear();
        put_track(&mut line, index, &entry);
        index += 1;
        out.write_all(line.as_bytes())?;
    }
    Ok(losses.sentences())
}

/// Stands before every event: their order tells nothing between sessions.
const PER_SESSION: &str = "{:index 0, :type :info, :process :nemesis, :time 0, :f :order, \
                           :value {:tribunal/real-time false}}\n";

fn put_event(line: &mut String, index: u64, event: &Event, words: &Words, losses: &mut Losses) {
    let kind = event.kind.name();
    put(line, format_args!("{{:index {index}, :type :{kind}, :process {}", event.process.0));
    put(line, format_args!(", :time {}", event.time.0));
    put_op(line, event, words, losses);
    if let Some(ErrorClass(error)) = &event.error {
        line.push_str(", :error ");
        put_word(line, error);
    }
    if let Some(node) = event.node {
        put(line, format_args!(", :node {}", node.0));
    }
    if event.session.0 != event.process.0 {
        put(line, format_args!(", :session {}", event.session.0));
    }
    line.push_str("}\n");
}

fn put_track(line: &mut String, index: u64, entry: &super::Track<'_>) {
    let Nanos(time) = entry.time();
    put(line, format_args!("{{:index {index}, :type :info, :process :nemesis, :time {time}, "));
    match entry {
        super::Track::Mark(Mark { name, .. }) => {
            line.push_str(":f :mark, :value {:tribunal/mark ");
            put_text(line, name);
        }
        super::Track::Fault(FaultEvent { fault, edge, kind, nodes, detail, .. }) => {
            line.push_str(":f ");
            put_word(line, kind);
            put(line, format_args!(", :value {{:tribunal/edge :{}, :fault {fault}", edge.name()));
            line.push_str(", :nodes [");
            for (i, node) in nodes.iter().enumerate() {
                line.push_str(if i == 0 { "" } else { " " });
                put_text(line, node);
            }
            line.push_str("], :detail ");
            put_text(line, detail);
        }
    }
    line.push_str("}}\n");
}
