//! The run-time table of libxml2 and libxslt functions.
