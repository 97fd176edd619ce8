//! What a front server sends by uwsgi or SCGI: a head is read when it is whole and not before, and what comes of it is sound.

use std::sync::Arc;

use http_environ::{RequestId, Server, View};
use vestibule::front::variables::{self, Pair};
use vestibule::front::{scgi, uwsgi};
use vestibule::identity::Identity;
use vestibule_config::{Limits, Trust, TrustedHeader};
use vestibule_layers::Body;

/// The most that a head may be here.
const MOST: usize = 4 << 10;

type ReadHead = for<'a> fn(&'a [u8], usize) -> Result<Option<uwsgi::Head<'a>>, uwsgi::HeadError>;

pub(crate) fn run(data: &[u8]) {
    let Some((&split, data)) = data.split_first() else { return };
    let readers: [ReadHead; 2] = [uwsgi::read_head, scgi::read_head];
    for read_head in readers {
        let Ok(Some(head)) = read_head(data, MOST) else { continue };
        assert!(head.length <= data.len() && head.length <= MOST + 32);
        let split = usize::from(split) % head.length;
        assert_eq!(read_head(&data[..split], MOST), Ok(None));
        assert_eq!(read_head(&data[..head.length], MOST).as_ref(), Ok(&Some(head.clone())));
        request(&head.variables);
    }
}

/// A request of variables has a sound environ, and no header that a client may not send.
fn request(variables: &[Pair<'_>]) {
    let limits = Limits { header_count: 20, ..Limits::default() };
    let Ok(asked) = variables::read(variables, &Arc::new(Server::default()), &limits) else { return };
    let peers = vec![vestibule_config::Peer::Net("127.0.0.1".parse().expect("an address"))];
    let identity = Identity::new(Trust { peers, headers: vec![TrustedHeader::For], user: true }, 0);
    assert!(!identity.trusts(asked.connection.peer) || told(variables, b"REMOTE_ADDR").is_some());
    let mut request = http::Request::from_parts(asked.parts, Body::Empty);
    if vestibule::front::admit(&mut request).is_err()
        || identity.begin(&asked.connection, &RequestId::default(), &mut request).is_err()
    {
        return;
    }
    let view = View::of(&request);
    view.for_each(|name, _| assert!(!name.is_empty() && !matches!(name, "HTTP_PROXY" | "HTTP_CONNECTION")));
    let [script_name, path_info] =
        ["SCRIPT_NAME", "PATH_INFO"].map(|name| view.get(&name.parse().expect("a name")).unwrap_or_default());
    assert!(view.environ().path().decoded().ends_with(&path_info));
    assert!(!script_name.ends_with(b"/") && !script_name.starts_with(b"//"), "{script_name:?}");
}

fn told<'a>(variables: &[Pair<'a>], name: &[u8]) -> Option<&'a [u8]> {
    variables.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
}
