//! XSLT transforms as a layer for any tower stack, on libxslt.
