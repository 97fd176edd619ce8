//! What a thread remembers for the environs to come: their beginnings, who asks, and the keys of headers.

use std::collections::HashMap;

use http::header::HeaderName;
use http_environ::Variable;

use crate::clients::Clients;
use crate::python::{Kept, Object, PyResult, Python};
use crate::usual::Usual;

/// How many names of headers a thread remembers; clients choose them.
const REMEMBERED: usize = 256;

/// Objects that one thread has made before and is likely to need again.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) usual: Usual,
    pub(crate) clients: Clients,
    headers: HashMap<HeaderName, Option<Kept>>,
}

impl Names {
    /// The key of a header; `None` where it has no variable.
    pub(crate) fn header<'py>(
        &mut self,
        py: Python<'py>,
        name: &HeaderName,
    ) -> PyResult<'py, Option<Object<'py>>> {
        if let Some(known) = self.headers.get(name) {
            return Ok(known.as_ref().map(|key| key.get(py).clone()));
        }
        let key = variable(name);
        if self.headers.len() >= REMEMBERED {
            return key.map(|key| py.latin1(key.as_bytes())).transpose();
        }
        let key = key.map(|key| py.interned(&key)).transpose()?;
        self.headers.insert(name.clone(), key.clone().map(Object::keep));
        Ok(key)
    }

    /// For a thread that ends before its interpreter does.
    pub(crate) fn give_back(self, py: Python<'_>) {
        self.usual.give_back(py);
        self.clients.give_back(py);
        self.headers.into_values().flatten().for_each(|key| drop(key.into_object(py)));
    }
}

/// `HTTP_*`, where the header has such a variable.
fn variable(header: &HeaderName) -> Option<String> {
    let name = format!("HTTP_{}", header.as_str().to_ascii_uppercase().replace('-', "_"));
    // A name with an underscore would be taken for another header's.
    let Ok(variable) = name.parse::<Variable>();
    (variable == Variable::Header(header.clone())).then_some(name)
}
