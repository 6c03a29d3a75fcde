//! Ports of the loopback interface for programs that are told theirs.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A port that nobody has, and that the system gives to nobody who asks for any: a connection to it has just been closed
/// from its side, so for a minute only who names it gets it. A port that was merely free a moment ago may be anyone's by
/// the time that a program listens on it.
pub fn reserved() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let mut near = TcpStream::connect(address).expect("it listens");
    let (far, _) = listener.accept().expect("it was connected to");
    // Whoever closes first keeps the port.
    drop(far);
    let end = near.read(&mut [0]).expect("the other end is closed");
    assert_eq!(end, 0);
    address
}
