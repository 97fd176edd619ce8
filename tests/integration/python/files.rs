//! Files that an application answers with: sent by the gateway, or left to nginx.

use super::start_with;
use crate::harness::{Client, Nginx, get};

const APP: &str = "import os\n
def application(environ, start_response):
    name = environ['PATH_INFO'].lstrip('/')
    start_response('200 OK', [('Content-Type', 'text/x-letter'), ('X-Sendfile', os.path.abspath(name))])
    return [b'not sent']


def wraps(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/x-letter')])
    return environ['wsgi.file_wrapper'](open('media/a letter.txt', 'rb'))


class Mark:
    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        start = lambda status, headers, *rest: start_response(status, [*headers, ('X-Mark', 'yes')], *rest)
        return self.application(environ, start)
";

const LETTER: &str = "Dear reader,\n";

#[test]
fn a_file_that_the_application_names_is_sent_by_nginx() {
    let gateway = start_with(
        "listen: \"unix:http.sock\"\nroutes: [ { wsgi: { app: \"place:application\", \
         sendfile: { folder: media, location: /protected } } } ]",
        &[("place.py", APP), ("media/a letter.txt", LETTER), ("secret.txt", "secret")],
        &[],
    );
    let (socket, media) = (gateway.path("http.sock"), gateway.path("media"));
    let nginx = Nginx::with_site(|front| {
        format!(
            "server {{ listen {front};
                location / {{ proxy_pass http://unix:{}; }}
                location /protected/ {{ internal; alias {}/; }} }}",
            socket.display(),
            media.display()
        )
    });
    let mut client = Client::connect(&nginx.address()).unwrap();
    let sent = client.request("GET", "/media/a%20letter.txt", &[], "").unwrap();
    assert_eq!((sent.status, sent.text().as_str()), (200, LETTER), "{}", nginx.errors());
    assert_eq!(sent.header("content-type"), Some("text/x-letter"));
    let refused = client.request("GET", "/secret.txt", &[], "").unwrap();
    assert_eq!(refused.status, 500);
    gateway.log().wait_for_text("which is not in ");
}

#[test]
fn a_wrapped_file_is_sent_through_middleware() {
    let files = [("place.py", APP), ("media/a letter.txt", LETTER)];
    let yaml = "routes: [ { wsgi: { app: \"place:wraps\", middleware: [\"place:Mark\"] } } ]";
    let gateway = start_with(yaml, &files, &[]);
    let sent = get(&gateway.address(), "/");
    assert_eq!((sent.text().as_str(), sent.header("x-mark")), (LETTER, Some("yes")));
    assert_eq!(sent.header("content-length"), Some("13"));
}
