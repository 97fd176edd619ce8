//! The target of a request and its environ: what is matched is what is forwarded, and nothing climbs.

use http_environ::{Environ, RequestPath, View};

use super::asking;

pub(crate) fn run(data: &[u8]) {
    let (mount, rest) = asking::first_line(data);
    let Some(mut request) = asking::request(rest) else { return };
    let Ok(environ) = Environ::for_target(request.uri()) else { return };
    check(environ.path());
    request.extensions_mut().insert(environ);
    let environ = request.extensions_mut().get_mut::<Environ>().expect("it was put there");
    let before = environ.path().clone();
    // A mount of the configuration is a path without a slash at its end.
    let mount =
        std::str::from_utf8(mount).ok().filter(|mount| mount.starts_with('/') && !mount.ends_with('/'));
    let is_mounted = mount.is_some_and(|mount| environ.mount(mount));
    let view = View::of(&request);
    let path = view.environ().path();
    if is_mounted {
        assert_eq!(path.decoded(), before.decoded(), "a mount moves, and changes nothing");
        let whole = single_slashes([&*path.script_name(), path.path_info()].concat());
        let before = single_slashes(before.path_info().to_vec());
        let session = before.strip_prefix(&*whole).expect("both are all of the path");
        assert!(session.is_empty() || (path.path_info().is_empty() && session.starts_with(b";jsessionid=")));
        assert!(!path.script_name().windows(2).any(|pair| pair == b"//"));
        assert_eq!(decoded(&path.raw_script_name()), *path.script_name());
        assert_eq!(single_slashes(decoded(&path.raw())), before);
    }
    view.for_each(|name, _| assert!(!name.is_empty()));
}

fn decoded(raw: &[u8]) -> Vec<u8> {
    let raw = std::str::from_utf8(raw).expect("a target is text");
    RequestPath::parse(raw).expect("it is a path").decoded().to_vec()
}

/// No mount and no pattern tells `//` from `/`.
fn single_slashes(mut path: Vec<u8>) -> Vec<u8> {
    path.dedup_by(|one, other| *one == b'/' && *other == b'/');
    path
}

fn check(path: &RequestPath) {
    assert!(path.decoded().starts_with(b"/") && !path.decoded().contains(&0));
    assert!(path.decoded().split(|&byte| byte == b'/').all(|segment| segment != b"." && segment != b".."));
    let raw = std::str::from_utf8(path.raw_path_info()).expect("a target is text");
    let again = RequestPath::parse(raw).expect("what is forwarded is a path");
    assert_eq!((again.decoded(), again.raw_path_info()), (path.decoded(), path.raw_path_info()));
}
