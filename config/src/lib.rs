//! Vestibule's configuration language: YAML text to a checked configuration, every mistake with its place.
