//! Variables of the environ: `env: { DEPLOY: maintenance, REMOTE_USER: present }`. All of them must match.
//!
//! A variable is standard (RFC 3875, PEP 3333, `HTTP_*`), or was set by `env:`, by a capture, by an outer layer or by the
//! front server.

use http_environ::Variable;
use vestibule_config::Kind;

pub(super) static KIND: Kind = Kind {
    name: "env",
    summary: "variables of the environ, by name",
    example: "env: { REQUEST_SCHEME: https }",
    read: |reader| {
        let values = super::by_name(reader, |reader, name| {
            reader.reads(name.clone());
            reader.parse::<Variable>(name)
        });
        super::settings(super::Variables(values))
    },
    sets: super::captures,
};

#[cfg(test)]
mod tests {
    use crate::route::predicate::testing::holds;

    #[test]
    fn variables_match_by_name() {
        let headers = [("host", "example.com")];
        assert!(holds("env: { HTTP_HOST: example.com, SERVER_PORT: '80', NOBODY: absent }", "/", &headers));
        assert!(!holds("env: { HTTP_HOST: present, NOBODY: present }", "/", &headers));
    }
}
