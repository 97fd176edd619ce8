//! Compiles the shim. It needs a C compiler only: the shim includes no header of libxml2 or libxslt.
//!
//! With the feature `link`, it also finds the libraries by pkg-config.

fn main() {
    println!("cargo:rerun-if-changed=src/shim.c");
    cc::Build::new().file("src/shim.c").warnings(true).compile("libxslt_sys_shim");
    #[cfg(feature = "link")]
    for (library, oldest) in [("libxml-2.0", "2.9.11"), ("libxslt", "1.1.33"), ("libexslt", "0.8.20")] {
        if let Err(error) = pkg_config::Config::new().atleast_version(oldest).probe(library) {
            panic!("{library} is needed for the feature `link` (Debian: libxslt1-dev): {error}");
        }
    }
}
