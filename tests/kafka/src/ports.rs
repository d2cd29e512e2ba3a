use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// Below the range from which Linux takes ports for outgoing connections: a broker that is restarted must find its port free,
/// and with one of those, any client of the machine could sit on it.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// Loopback ports that nobody listens on. They are found at random, so that test processes beside each other don't meet.
///
/// # Errors
///
/// [`Error::Late`] when hardly any port is free.
pub fn free_ports(count: usize) -> Result<Vec<u16>, Error> {
    let mut found = Vec::with_capacity(count);
    for _ in 0..10_000 {
        if found.len() == count {
            return Ok(found);
        }
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        let port = RANGE.start + u16::from_le_bytes(bytes) % (RANGE.end - RANGE.start);
        if !found.contains(&port) && is_free(port) {
            found.push(port);
        }
    }
    Err(Error::Late { what: format!("{count} free loopback ports"), seconds: 0 })
}

/// Whether nobody listens on a loopback port.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
