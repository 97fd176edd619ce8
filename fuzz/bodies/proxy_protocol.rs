//! What a connection begins with, where a PROXY header is expected: it is read when it is whole and not before, it has a limit,
//! and what follows makes no difference.

use vestibule::listener::proxy_protocol::{LONGEST, read};

pub(crate) fn run(data: &[u8]) {
    match read(data) {
        Ok(Some((length, source))) => {
            assert!(length <= data.len() && length <= LONGEST);
            assert_eq!(read(&data[..length]), Ok(Some((length, source))));
            for end in 0..length {
                assert_eq!(read(&data[..end]), Ok(None));
            }
        }
        Ok(None) => assert!(data.len() < LONGEST),
        // Once it is none, nothing that follows mends it.
        Err(error) => assert_eq!(read(&[data, b"\r\n"].concat()), Err(error)),
    }
}
