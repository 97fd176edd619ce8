//! numpy in an application: an extension that a process can load once, shared by all.

use crate::harness::get;

use super::start;

#[test]
fn numpy_computes_for_two_applications_of_one_process() {
    let gateway = start(
        r#"
apps:
  one: { wsgi: { app: "matrices:application", path: "${APPS}", threads: 2 } }
  other: { wsgi: { app: "matrices:application", path: "${APPS}", threads: 2 } }
routes: [ { mount: /one, app: one }, { app: other } ]"#,
    );
    for _ in 0..3 {
        for path in ["/one?3", "/?3"] {
            // [[15, 18, 21], [42, 54, 66], [69, 90, 111]]
            assert_eq!(get(&gateway.address(), path).text(), "numpy 2 180", "{path}");
        }
    }
}
