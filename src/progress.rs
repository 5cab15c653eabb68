//! Progress on stderr: a live line on a terminal, plain lines elsewhere, nothing when quiet.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on stderr, if somebody reads it: a pipe that is closed or a disk that is full loses the
/// line and nothing else. What moves a terminal's cursor or changes its colours is escaped.
pub(crate) fn aside(text: impl AsRef<str>) {
    let _ = std::io::stderr().write_all(escaped(text.as_ref()).as_bytes());
}

fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        match c.is_control() && !matches!(c, '\n' | '\t') {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown + "\n"
}

/// Tells a person what is going on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Voice {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Voice {
    /// On stderr, unless `quiet`.
    pub(crate) fn new(quiet: bool) -> Voice {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if quiet || !std::io::stderr().is_terminal() {
            return Voice { bar: None, quiet };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
        let template = if plain { "{spinner} {msg}" } else { "{spinner:.cyan} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Voice { bar: Some(bar), quiet }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        match &self.bar {
            Some(bar) => bar.println(text.as_ref()),
            None if !self.quiet => aside(text.as_ref()),
            None => {}
        }
    }

    /// What is happening now: replaces itself on a terminal.
    pub(crate) fn now(&self, text: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.into());
        }
    }

    /// How often a status is worth a line: often where it replaces itself.
    pub(crate) fn period(&self) -> Duration {
        match &self.bar {
            Some(_) => Duration::from_millis(250),
            None => Duration::from_secs(10),
        }
    }

    /// A status: replaces itself on a terminal, a line elsewhere.
    pub(crate) fn status(&self, text: String) {
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => self.say(text),
        }
    }

    /// Leaves the terminal clean.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_would_move_a_cursor_is_escaped() {
        assert_eq!(super::escaped("a\tb\u{1b}[31m\r\nc"), "a\tb\\u{1b}[31m\\r\nc\n");
    }
}
