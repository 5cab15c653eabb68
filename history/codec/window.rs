//! The part of an input that is in memory: all of it, or a window that moves over a stream.
//!
//! A reader looks at [`Window::data`], steps over what it has understood, and asks for more when
//! what is there ends too early. It knows nothing of formats; lines are counted for errors.

use std::io::Read;

use super::CodecError;
use super::tape::position;

/// Bytes asked of a stream at a time. What does not fit is given twice the room.
const STEP: usize = 1 << 18;

pub(super) struct Window<'s> {
    bytes: Bytes<'s>,
    /// Where what is not understood yet starts.
    start: usize,
    /// Newlines before the window, and bytes between the last of them and the window.
    lines: u64,
    column: u64,
    /// Bytes before the window.
    before: u64,
    last: bool,
}

enum Bytes<'s> {
    All(&'s [u8]),
    Some { source: &'s mut dyn Read, buffer: Vec<u8> },
}

impl std::fmt::Debug for Window<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Window { start, lines, before, last, .. } = self;
        write!(f, "Window at byte {}, line {lines}, last {last}", before + *start as u64)
    }
}

impl<'s> Window<'s> {
    /// Everything at once.
    pub(super) fn of(bytes: &'s [u8]) -> Window<'s> {
        Window { bytes: Bytes::All(bytes), start: 0, lines: 0, column: 0, before: 0, last: true }
    }

    /// A stream, of which nothing is there yet.
    pub(super) fn over(source: &'s mut dyn Read) -> Window<'s> {
        let bytes = Bytes::Some { source, buffer: Vec::new() };
        Window { bytes, start: 0, lines: 0, column: 0, before: 0, last: false }
    }

    fn all(&self) -> &[u8] {
        match &self.bytes {
            Bytes::All(bytes) => bytes,
            Bytes::Some { buffer, .. } => buffer,
        }
    }

    /// What is there and not understood yet.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        &self.all()[self.start..]
    }

    /// Whether nothing follows what is there.
    #[inline]
    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// Steps over `length` bytes.
    #[inline]
    pub(super) fn consume(&mut self, length: usize) {
        self.start = self.all().len().min(self.start + length);
    }

    /// Has more behind what is there, or nothing follows. At least doubles what is there.
    pub(super) fn more(&mut self) -> Result<(), CodecError> {
        let Bytes::Some { source, buffer } = &mut self.bytes else { return Ok(()) };
        let (line, column) = position(buffer, self.start);
        self.column = if line == 1 { self.column + column - 1 } else { column - 1 };
        self.lines += line - 1;
        self.before += self.start as u64;
        buffer.drain(..self.start);
        self.start = 0;
        let want = STEP.max(buffer.len()) as u64;
        let got = source.by_ref().take(want).read_to_end(buffer).map_err(CodecError::Source)?;
        self.last = (got as u64) < want;
        Ok(())
    }

    /// Has at least `length` bytes there; false if the input ends before.
    pub(super) fn at_least(&mut self, length: usize) -> Result<bool, CodecError> {
        while self.data().len() < length && !self.last {
            self.more()?;
        }
        Ok(self.data().len() >= length)
    }

    /// Offset in the input of what is not understood yet.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.start as u64
    }

    /// Line and column, both from 1, of a byte that is there.
    pub(super) fn place(&self, at: usize) -> (u64, u64) {
        let (line, column) = position(self.all(), self.start + at);
        (self.lines + line, if line == 1 { self.column + column } else { column })
    }

    /// An error about a byte that is there.
    pub(super) fn error(&self, at: usize, message: impl Into<String>) -> CodecError {
        let (line, column) = self.place(at);
        CodecError::text(line, column, message)
    }

    /// Length of the next line, which is there then as a whole; `None` at the end. The caller
    /// steps over it and the newline.
    pub(super) fn line(&mut self, limit: usize) -> Result<Option<usize>, CodecError> {
        let mut searched = 0;
        loop {
            let data = self.data();
            let end = data[searched..].iter().position(|byte| *byte == b'\n');
            if end.map_or(data.len(), |end| searched + end) > limit {
                return Err(self.error(0, format!("a line of more than {limit} bytes")));
            }
            if let Some(end) = end {
                return Ok(Some(searched + end));
            }
            if self.last {
                return Ok((!data.is_empty()).then_some(data.len()));
            }
            searched = data.len();
            self.more()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    /// Gives a byte or two at a time, as a slow pipe does.
    struct Slow<'b>(&'b [u8]);

    impl std::io::Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let length = out.len().min(self.0.len()).min(1 + self.0.len() % 2);
            out[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn a_stream_shows_the_same_lines_and_places_as_memory() {
        let long = "x".repeat(3 << 18);
        let text = format!("a\n\n{long}\nbc\n{long}{long}\nend");
        let lines = |mut window: Window<'_>| {
            let mut all = Vec::new();
            while let Some(length) = window.line(usize::MAX).expect("a line") {
                let line = window.data()[..length].to_vec();
                all.push((line, window.offset(), window.place(length), window.place(0)));
                window.consume(length + 1);
            }
            all
        };
        let memory = lines(Window::of(text.as_bytes()));
        assert_eq!(memory.len(), 6);
        assert_eq!(memory[5].2, (6, 4));
        assert!(lines(Window::over(&mut Slow(text.as_bytes()))) == memory);
        let error = Window::over(&mut text.as_bytes()).line(0).expect_err("too long").to_string();
        assert_eq!(error, "line 1, column 1: a line of more than 0 bytes");
    }
}
