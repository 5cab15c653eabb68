//! The first fields of a verdict file, read without reading the rest.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::{StoreError, check_schema};
use crate::class::Class;
use crate::run_report::Run;

/// What a list of runs shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Head {
    /// The outcome.
    pub class: Class,
    /// Its exit code.
    pub exit_code: u8,
    /// One sentence.
    pub headline: String,
    /// Which run.
    pub run: Run,
}

impl Head {
    /// Reads from the start of the file up to the end of `run`.
    ///
    /// # Errors
    /// The file is missing, no verdict file, or of a newer major version.
    pub fn read(path: &Path) -> Result<Head, StoreError> {
        let file = File::open(path).map_err(|error| StoreError::io("read", path, error))?;
        let mut found = Partial::default();
        let mut reader = serde_json::Deserializer::from_reader(BufReader::new(file));
        let outcome = reader.deserialize_map(Fields(&mut found));
        check_schema(path, &found.schema, &found.version)?;
        match (found.class, found.exit_code, found.headline, found.run) {
            (Some(class), Some(exit_code), Some(headline), Some(run)) => {
                Ok(Head { class, exit_code, headline, run })
            }
            _ => {
                let problem = match outcome {
                    Err(error) => error.to_string(),
                    Ok(()) => "it ends before its verdict".to_owned(),
                };
                Err(StoreError::Malformed { path: path.to_owned(), problem })
            }
        }
    }
}

#[derive(Default)]
struct Partial {
    schema: String,
    version: String,
    class: Option<Class>,
    exit_code: Option<u8>,
    headline: Option<String>,
    run: Option<Run>,
}

/// Fills a [`Partial`] and stops with an error once it has what it needs: what follows may be
/// megabytes.
struct Fields<'a>(&'a mut Partial);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a verdict file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "schema" => self.0.schema = map.next_value()?,
                "schema_version" => self.0.version = map.next_value()?,
                "class" => self.0.class = Some(map.next_value()?),
                "exit_code" => self.0.exit_code = Some(map.next_value()?),
                "headline" => self.0.headline = Some(map.next_value()?),
                "run" => {
                    self.0.run = Some(map.next_value()?);
                    break;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
