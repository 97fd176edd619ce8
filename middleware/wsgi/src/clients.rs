//! Who asks, as objects of Python: a connection that is kept brings its next request from the same address and port.

use std::net::IpAddr;

use crate::python::{Kept, Object, PyResult, Python};

/// How many ports a thread remembers: as many connections as may well be kept.
const PORTS: usize = 256;

/// Addresses and ports that one thread has told an application before.
#[derive(Default)]
pub(crate) struct Clients {
    address: Option<(IpAddr, Kept)>,
    /// Each port has one place; of those that share it, the last one is there.
    ports: Vec<Option<(u16, Kept)>>,
}

impl Clients {
    /// `REMOTE_ADDR`
    pub(crate) fn address<'py>(&mut self, py: Python<'py>, address: IpAddr) -> PyResult<'py, Object<'py>> {
        remembered(py, &mut self.address, address)
    }

    /// `REMOTE_PORT`
    pub(crate) fn port<'py>(&mut self, py: Python<'py>, port: u16) -> PyResult<'py, Object<'py>> {
        if self.ports.is_empty() {
            self.ports.resize_with(PORTS, || None);
        }
        // Linux gives even ports to those that connect.
        let place = usize::from(port.rotate_right(1)) % PORTS;
        remembered(py, &mut self.ports[place], port)
    }

    pub(crate) fn give_back(self, py: Python<'_>) {
        let address = self.address.into_iter().map(|(_, object)| object);
        let ports = self.ports.into_iter().flatten().map(|(_, object)| object);
        address.chain(ports).for_each(|object| drop(object.into_object(py)));
    }
}

/// The text of a value, which is made again only where it is not that of the last one in this place.
fn remembered<'py, T: PartialEq + Copy + ToString>(
    py: Python<'py>,
    place: &mut Option<(T, Kept)>,
    value: T,
) -> PyResult<'py, Object<'py>> {
    if let Some((known, object)) = place
        && *known == value
    {
        return Ok(object.get(py).clone());
    }
    let object = py.latin1(value.to_string().as_bytes())?;
    if let Some((_, last)) = place.replace((value, object.clone().keep())) {
        drop(last.into_object(py));
    }
    Ok(object)
}
