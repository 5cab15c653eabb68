//! The template engine: escaping on by the template's name, everything compiled in.

use serde::Serialize;
use tera::{Context, Tera};

/// Every template. Names end in `.html`, or the engine would not escape (see the test).
pub(super) const TEMPLATES: [(&str, &str); 10] = [
    ("page.html", include_str!("page.html")),
    ("note.html", include_str!("note.html")),
    ("strip.html", include_str!("strip.html")),
    ("finding.html", include_str!("finding.html")),
    ("picture.html", include_str!("picture.html")),
    ("cycle.html", include_str!("cycle.html")),
    ("timeline.html", include_str!("timeline.html")),
    ("charts.html", include_str!("charts.html")),
    ("tables.html", include_str!("tables.html")),
    ("audit.html", include_str!("audit.html")),
];

/// Compiled templates.
pub(super) struct Templates(Tera);

impl Templates {
    /// Compiles all of them.
    ///
    /// # Errors
    /// A template is malformed: a defect of this crate that its tests exclude.
    pub(super) fn compile() -> Result<Templates, tera::Error> {
        let mut tera = Tera::new();
        tera.autoescape_on([".html"]);
        tera.add_raw_templates(TEMPLATES)?;
        Ok(Templates(tera))
    }

    /// Renders `name` with `view` under the name `it`.
    ///
    /// # Errors
    /// The view lacks what the template names.
    pub(super) fn render(&self, name: &str, view: &impl Serialize) -> Result<String, tera::Error> {
        let mut context = Context::new();
        context.insert("it", view);
        self.0.render(name, &context)
    }
}

#[cfg(test)]
mod tests {
    use super::{TEMPLATES, Templates};

    #[test]
    fn every_template_compiles_and_escapes() {
        Templates::compile().expect("templates compile");
        for (name, _) in TEMPLATES {
            assert!(name.ends_with(".html"), "{name} would not be escaped");
        }
    }

    /// Only markup made by this crate is inserted unescaped, and every expression inside a tag
    /// stands in quotes: an unquoted attribute would let a value with spaces add attributes.
    #[test]
    fn only_our_own_markup_is_safe_and_attributes_are_quoted() {
        let own = ["section.body", "it.style", "it.script", "it.data", "f.picture", "f.circle"];
        for (name, text) in TEMPLATES {
            for part in text.split("{{").skip(1) {
                let expression = part.split("}}").next().unwrap_or(part).trim();
                if let Some(variable) = expression.strip_suffix("| safe") {
                    assert!(own.contains(&variable.trim()), "{name}: {variable} is not ours");
                }
            }
            let squeezed = text.replace(" = ", "=");
            assert!(!squeezed.contains("={{"), "{name} has an unquoted attribute");
            assert!(!squeezed.contains("={%"), "{name} has an unquoted attribute");
        }
    }
}
