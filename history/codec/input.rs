//! Where the bytes of a file come from, to be read more than once.

use std::io::{Read, Seek};

use super::CodecError;
use super::window::Window;

/// What can be read, and read again from its start.
pub(super) trait Source: Read + Seek {}

impl<S: Read + Seek> Source for S {}

/// A whole file in memory, or a stream of which a window is.
pub(super) enum Input<'i> {
    Bytes(&'i [u8]),
    Stream(&'i mut dyn Source),
}

impl Input<'_> {
    /// The input from its start. A byte order mark is stepped over.
    pub(super) fn window(&mut self) -> Result<Window<'_>, CodecError> {
        let mut window = match self {
            Input::Bytes(bytes) => Window::of(bytes),
            Input::Stream(source) => {
                source.rewind().map_err(CodecError::Source)?;
                Window::over(source)
            }
        };
        if window.at_least(3)? && window.data().starts_with(b"\xef\xbb\xbf") {
            window.consume(3);
        }
        Ok(window)
    }

    /// Everything, for what has to jump about in it.
    pub(super) fn all(&mut self) -> Result<std::borrow::Cow<'_, [u8]>, CodecError> {
        match self {
            Input::Bytes(bytes) => Ok((&**bytes).into()),
            Input::Stream(source) => {
                source.rewind().map_err(CodecError::Source)?;
                let mut bytes = Vec::new();
                source.read_to_end(&mut bytes).map_err(CodecError::Source)?;
                Ok(bytes.into())
            }
        }
    }
}
