//! The proxy, before a server that says everything again. No broker, no Java.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use kafka_harness::Proxy;

#[test]
fn what_goes_in_comes_back() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writing = stream.try_clone().unwrap();
    let bytes = sent.clone();
    let writer = thread::spawn(move || {
        writing.write_all(&bytes).unwrap();
        writing.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    // To the end: that the server is done arrives, too.
    stream.read_to_end(&mut back).unwrap();
    writer.join().unwrap();
    assert!(back == sent);
}

#[test]
fn a_cut_closes_and_refuses_until_it_is_healed() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(said_again(&mut stream), Some(*b"ping"));
    for _ in 0..3 {
        proxy.cut();
        assert_eq!(said_again(&mut stream), None);
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        // Again cut, at once after it was healed, and twice.
        proxy.heal().unwrap();
        proxy.cut();
        proxy.cut();
        proxy.heal().unwrap();
        stream = connect(&proxy);
        assert_eq!(said_again(&mut stream), Some(*b"ping"));
    }
}

#[test]
fn what_is_stalled_arrives_when_it_is_healed() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(said_again(&mut stream), Some(*b"ping"));
    proxy.stall();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(b"ping").unwrap();
    let nothing = stream.read(&mut [0; 4]).unwrap_err();
    assert!(matches!(nothing.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{nothing}");
    proxy.heal().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut back = [0; 4];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"ping");
}

#[test]
fn a_delay_is_there_and_back_and_a_limit_holds() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    proxy.delay(Duration::from_millis(60));
    let started = Instant::now();
    assert_eq!(said_again(&mut stream), Some(*b"ping"));
    assert!(started.elapsed() >= Duration::from_millis(120), "{:?}", started.elapsed());

    proxy.delay(Duration::ZERO);
    proxy.limit(Some(100_000));
    let started = Instant::now();
    stream.write_all(&[7; 40_000]).unwrap();
    stream.read_exact(&mut [0; 40_000]).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(400), "{:?}", started.elapsed());
    proxy.limit(None);
    assert_eq!(said_again(&mut stream), Some(*b"ping"));
}

#[test]
fn without_a_server_connections_end() {
    let nobody = kafka_harness::free_ports(1).unwrap()[0];
    let proxy = Proxy::start(nobody).unwrap();
    assert_eq!(said_again(&mut connect(&proxy)), None);
    let port = proxy.port();
    drop(proxy);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("the proxy listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("it is not zero");
    stream.set_nodelay(true).expect("it is TCP");
    stream
}

/// What comes back for `ping`; `None` if the connection ends.
fn said_again(stream: &mut TcpStream) -> Option<[u8; 4]> {
    let mut back = [0; 4];
    let done = stream.write_all(b"ping").and_then(|()| stream.read_exact(&mut back));
    match done {
        Ok(()) => Some(back),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("{error}")
        }
        Err(_) => None,
    }
}

/// A server that says everything again, until the test process ends.
fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}
