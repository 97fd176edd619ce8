//! Compiles the shim. It needs a C compiler only: the shim includes no header of libxml2 or libxslt.

fn main() {
    println!("cargo:rerun-if-changed=src/shim.c");
    cc::Build::new().file("src/shim.c").warnings(true).compile("libxslt_sys_shim");
}
