//! Requests that a layer makes of the gateway it stands in, in the name of the request that it is answering.
//!
//! A sub-request is a GET that begins at the root, as if the client had sent it: with the client's address, scheme, host and
//! credentials, and no more trust than those give. It is marked (the variable `SUBREQUEST` says how deep), nested at most
//! [`DEEPEST`] deep, and passes the limits that the client's request is inside of: it would wait for itself.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http_environ::{Environ, PathError, View, variable::SUBREQUEST};

use crate::{Body, BoxService, Request, Response};

/// How deep sub-requests may be nested.
const DEEPEST: u8 = 3;

/// The ways from a layer to other documents. It travels in the [`Server`](http_environ::Server) of an environ.
#[derive(Clone)]
pub struct Root {
    inside: BoxService,
    outside: BoxService,
}

impl Root {
    /// `inside` answers as the gateway does; `outside` forwards a request to the host of its absolute URI.
    pub fn new(inside: BoxService, outside: BoxService) -> Self {
        Self { inside, outside }
    }

    /// That of the gateway a request has come to.
    pub(crate) fn of(request: &Parts) -> Result<Self, SubrequestError> {
        let server = &View::of_parts(request).environ().server;
        server.extensions.get::<Self>().cloned().ok_or(SubrequestError::NoRoot)
    }

    /// GET of a path (and query) of the gateway's own, with these headers beside those that say who the client is.
    pub(crate) async fn get(
        &self,
        target: &str,
        headers: HeaderMap,
        client: &Parts,
    ) -> Result<Response, SubrequestError> {
        Ok(self.inside.answer(nested(target, headers, client)?).await)
    }

    /// GET of a URI of another host, with these headers and none of the client's; its request is known by its number only.
    pub(crate) async fn get_outside(
        &self,
        uri: &str,
        headers: HeaderMap,
        client: &Parts,
    ) -> Result<Response, SubrequestError> {
        let mut environ = Environ::default();
        environ.request_id = View::of_parts(client).environ().request_id.clone();
        let mut request = Request::new(Body::Empty);
        request.extensions_mut().insert(environ);
        *request.uri_mut() = uri.parse().map_err(|_| SubrequestError::Uri(uri.to_owned()))?;
        *request.headers_mut() = headers;
        Ok(self.outside.answer(request).await)
    }
}

/// Why a sub-request was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubrequestError {
    #[error("the request did not come through a gateway")]
    NoRoot,
    #[error("sub-requests are nested more than {DEEPEST} deep: a document may need itself")]
    Depth,
    #[error("`{0}` is not a URI")]
    Uri(String),
    #[error("the path of `{0}` cannot be served")]
    Path(String, #[source] PathError),
}

/// Where a request stands: in its extensions.
#[derive(Clone, Default)]
struct Nesting {
    /// How many requests it is inside of
    depth: u8,
    /// The limits that it, or one of those, counts for
    held: Vec<usize>,
    /// Headers of the client's that a layer keeps from what is inside of it
    withheld: Vec<(HeaderName, HeaderValue)>,
}

/// Keeps a header from what is inside of a layer. Sub-requests, which begin outside of it, have it again.
pub(crate) fn withhold(request: &mut Request, name: HeaderName) {
    if let Some(value) = request.headers_mut().remove(&name) {
        request.extensions_mut().get_or_insert_default::<Nesting>().withheld.push((name, value));
    }
}

/// Notes that a request counts for a limit, which is named by its address.
pub(crate) fn hold<T>(request: &mut Request, limit: &Arc<T>) {
    request.extensions_mut().get_or_insert_default::<Nesting>().held.push(address(limit));
}

/// Whether a request was made inside of one that counts for a limit.
pub(crate) fn is_inside_of<T>(request: &Request, limit: &Arc<T>) -> bool {
    let nesting = request.extensions().get::<Nesting>();
    nesting.is_some_and(|nesting| nesting.depth > 0 && nesting.held.contains(&address(limit)))
}

fn address<T>(limit: &Arc<T>) -> usize {
    Arc::as_ptr(limit).addr()
}

fn nested(target: &str, headers: HeaderMap, client: &Parts) -> Result<Request, SubrequestError> {
    let mut nesting = client.extensions.get::<Nesting>().cloned().unwrap_or_default();
    if nesting.depth >= DEEPEST {
        return Err(SubrequestError::Depth);
    }
    nesting.depth += 1;
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = target.parse().map_err(|_| SubrequestError::Uri(target.to_owned()))?;
    let outer = View::of_parts(client).environ();
    let mut environ = Environ::for_target(request.uri())
        .map_err(|source| SubrequestError::Path(target.to_owned(), source))?;
    environ.server = Arc::clone(&outer.server);
    environ.scheme = outer.scheme;
    environ.remote_addr = outer.remote_addr;
    environ.remote_port = outer.remote_port;
    environ.server_port = outer.server_port;
    environ.prefix.clone_from(&outer.prefix);
    environ.request_id = outer.request_id.clone();
    environ.set(&SUBREQUEST.into(), nesting.depth.to_string().into_bytes());
    *request.headers_mut() = identity(&client.headers);
    request.headers_mut().extend(std::mem::take(&mut nesting.withheld));
    request.headers_mut().extend(headers);
    request.extensions_mut().insert(environ);
    request.extensions_mut().insert(nesting);
    Ok(request)
}

/// What of a request's headers says who the client is: all but what is about its own body, its own answer or its connection.
fn identity(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in NOT_IDENTITY {
        headers.remove(name);
    }
    headers
}

const NOT_IDENTITY: [HeaderName; 23] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_RANGES,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    // What a page of another origin asks for is the outer request's matter.
    header::ORIGIN,
    header::RANGE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// The parts of a request that a client has sent to a gateway, whose root is given.
    fn client(root: BoxService) -> Parts {
        let headers =
            [("host", "site"), ("cookie", "a=1"), ("authorization", "Basic eDp5"), ("accept", "text/html")];
        let more = [("if-none-match", "\"a\""), ("range", "bytes=0-1"), ("content-type", "text/xml")];
        let headers: Vec<_> = headers.into_iter().chain(more).collect();
        let mut request = testing::request("POST /outer", &headers, "<x/>");
        let environ = request.extensions_mut().get_mut::<Environ>().unwrap();
        environ.remote_addr = Some("192.0.2.7".parse().unwrap());
        environ.scheme = http_environ::Scheme::Https;
        environ.set(&"ROLE".into(), *b"admin");
        let mut server = http_environ::Server::default();
        let refuse = BoxService::from_fn(async |_| panic!("nothing outside is asked"));
        server.extensions.insert(Root::new(root, refuse));
        environ.server = Arc::new(server);
        request.into_parts().0
    }

    fn variable(view: &View<'_>, name: &str) -> Option<String> {
        let value = view.get(&name.parse().unwrap())?;
        Some(String::from_utf8(value.into_owned()).unwrap())
    }

    #[tokio::test]
    async fn a_sub_request_has_the_client_s_identity_and_nothing_else_of_its_request() {
        let root = BoxService::from_fn(async |request| {
            let view = View::of(&request);
            for (name, value) in [
                ("REQUEST_METHOD", "GET"),
                ("PATH_INFO", "/inner"),
                ("QUERY_STRING", "a=1"),
                ("REMOTE_ADDR", "192.0.2.7"),
                ("REQUEST_SCHEME", "https"),
                ("HTTP_HOST", "site"),
                ("HTTP_COOKIE", "a=1"),
                ("HTTP_AUTHORIZATION", "Basic eDp5"),
                ("HTTP_ACCEPT", "text/xml"),
                ("SUBREQUEST", "1"),
            ] {
                assert_eq!(variable(&view, name).as_deref(), Some(value), "{name}");
            }
            for name in ["ROLE", "CONTENT_TYPE", "HTTP_RANGE", "HTTP_IF_NONE_MATCH"] {
                assert_eq!(
                    variable(&view, name),
                    None,
                    "{name}: it is not the client's own, or not of this request"
                );
            }
            testing::answer(&[], "there")
        });
        let client = client(root);
        let accept = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/xml"))]);
        let answer = Root::of(&client).unwrap().get("/inner?a=1", accept, &client).await.unwrap();
        assert_eq!(testing::text(answer.into_body()).await, "there");
    }

    #[tokio::test]
    async fn what_a_layer_withholds_from_the_inside_is_there_again_outside_of_it() {
        let root = BoxService::from_fn(async |request| {
            let authorization = variable(&View::of(&request), "HTTP_AUTHORIZATION");
            testing::answer(&[], authorization.unwrap_or_default())
        });
        let mut outer = Request::from_parts(client(root), Body::Empty);
        withhold(&mut outer, header::AUTHORIZATION);
        assert_eq!(variable(&View::of(&outer), "HTTP_AUTHORIZATION"), None);
        let (client, _) = outer.into_parts();
        let answer = Root::of(&client).unwrap().get("/inner", HeaderMap::new(), &client).await.unwrap();
        assert_eq!(testing::text(answer.into_body()).await, "Basic eDp5");
    }

    #[tokio::test]
    async fn what_needs_itself_ends_three_deep() {
        let root = BoxService::from_fn(async |request: Request| {
            let (client, _) = request.into_parts();
            let inner = Root::of(&client).unwrap().get("/again", HeaderMap::new(), &client).await;
            inner.unwrap_or_else(|error| {
                testing::answer(
                    &[],
                    format!("{} {error}", variable(&View::of_parts(&client), "SUBREQUEST").unwrap()),
                )
            })
        });
        let client = client(root);
        let answer = Root::of(&client).unwrap().get("/again", HeaderMap::new(), &client).await.unwrap();
        assert!(testing::text(answer.into_body()).await.starts_with("3 sub-requests are nested"));
    }

    #[tokio::test]
    async fn what_is_no_path_is_not_asked_for() {
        let client = client(BoxService::from_fn(async |_| panic!("it is not asked")));
        let root = Root::of(&client).unwrap();
        for target in ["/%", "/a b", "/%00", "/..%2Fa"] {
            assert!(root.get(target, HeaderMap::new(), &client).await.is_err(), "{target}");
        }
        let alone = testing::get("/").into_parts().0;
        assert!(matches!(Root::of(&alone), Err(SubrequestError::NoRoot)));
    }
}
