//! Forms of settings that several layers have.

use http_environ::Template;
use vestibule_config::{Reader, Spanned};

/// A template, with the variables that it reads declared.
pub(crate) fn template(reader: &mut Reader<'_>, text: &Spanned<String>) -> Option<Template> {
    let template: Template = reader.parse(text)?;
    for variable in template.variables() {
        reader.reads(Spanned::new(variable.to_owned(), text.place.clone()));
    }
    Some(template)
}
