//! What an application writes to stderr, line by line into the log, with the number of its request.

use std::sync::Arc;

use http_environ::RequestId;

/// A longer line is logged in pieces.
const LINE: usize = 8 << 10;

/// No more than this is logged of one request.
const MOST: usize = 256 << 10;

/// The complaints about one request.
pub(in crate::backend) struct Complaints {
    application: Arc<str>,
    request_id: RequestId,
    line: Vec<u8>,
    logged: usize,
}

impl Complaints {
    pub(in crate::backend) fn new(application: &Arc<str>, request_id: &RequestId) -> Self {
        Self {
            application: Arc::clone(application),
            request_id: request_id.clone(),
            line: Vec::new(),
            logged: 0,
        }
    }

    /// Logs the lines that end in a piece.
    pub(in crate::backend) fn add(&mut self, piece: &[u8]) {
        for mut part in piece.split_inclusive(|byte| *byte == b'\n') {
            while !part.is_empty() {
                let (now, later) = part.split_at(part.len().min(LINE - self.line.len()));
                self.line.extend_from_slice(now);
                part = later;
                if self.line.ends_with(b"\n") || self.line.len() == LINE {
                    self.log();
                }
            }
        }
    }

    fn log(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        let (application, request_id) = (&*self.application, &self.request_id);
        if text.is_empty() || self.logged > MOST {
            return;
        }
        self.logged += line.len();
        if self.logged > MOST {
            tracing::warn!(application, %request_id, "it wrote more than {MOST} bytes to stderr: the rest is left out");
        } else {
            tracing::warn!(application, %request_id, stream = "stderr", "{text}");
        }
    }
}

impl Drop for Complaints {
    fn drop(&mut self) {
        self.log();
    }
}
