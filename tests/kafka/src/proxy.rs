//! The network between clients and a broker, with its faults.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{Error, free_ports};

/// What is read at once; with [`QUEUE`], at most a mebibyte waits in each direction of a connection.
const PIECE: usize = 16 << 10;
const QUEUE: usize = 64;
/// With a limit, pieces are small enough to flow: of a second, this part.
const PIECES_PER_SECOND: u64 = 20;

/// A TCP proxy on loopback in front of one port.
///
/// Faults hold for connections that are there and those that come. It ends, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    link: Arc<Link>,
    accepting: Option<JoinHandle<()>>,
}

/// What all threads of a proxy share.
#[derive(Debug)]
struct Link {
    target: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Not taken by the accepting thread yet.
    listener: Option<TcpListener>,
    /// Both ends of every connection, to be shut.
    streams: Vec<TcpStream>,
    cut: bool,
    stalled: bool,
    ended: bool,
    delay: Duration,
    bytes_per_second: Option<u64>,
    /// Until when the line is taken by what was sent before, for each direction.
    taken_until: [Option<Instant>; 2],
}

impl Proxy {
    /// Starts one in front of a port of 127.0.0.1, on a free port.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot listen.
    pub fn start(target: u16) -> Result<Self, Error> {
        Self::start_on(free_ports(1)?[0], target)
    }

    /// Starts one on a given port.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot listen.
    pub fn start_on(port: u16, target: u16) -> Result<Self, Error> {
        let state = State { listener: Some(listen(port)?), ..State::default() };
        let link = Arc::new(Link { target, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&link);
        let accepting = thread::Builder::new()
            .name(format!("proxy {port}"))
            .spawn(move || accepting.accept())
            .map_err(Error::io("start a thread"))?;
        Ok(Self { port, link, accepting: Some(accepting) })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the line: connections are closed, new ones refused.
    pub fn cut(&self) {
        self.link.state().cut = true;
        self.shut();
    }

    /// The line is there again, as it was before [`Proxy::cut`] or [`Proxy::stall`]; delay and limit stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot listen on its port again.
    pub fn heal(&self) -> Result<(), Error> {
        let mut state = self.link.state();
        if state.cut {
            state.listener = Some(listen(self.port)?);
            state.cut = false;
        }
        state.stalled = false;
        self.link.changed.notify_all();
        Ok(())
    }

    /// Nothing comes through any more, and nobody is told: connections stay, new ones are accepted and wait, too.
    pub fn stall(&self) {
        self.link.state().stalled = true;
    }

    /// Each byte arrives this much later, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.link.state().delay = delay;
    }

    /// All connections together carry this much in each direction; `None`: as much as they can.
    pub fn limit(&self, bytes_per_second: Option<u64>) {
        self.link.state().bytes_per_second = bytes_per_second.map(|bytes| bytes.max(1));
    }

    /// Ends all connections, and has the accepting thread look at the state.
    fn shut(&self) {
        for stream in self.link.state().streams.drain(..) {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.link.changed.notify_all();
        // A knock: the thread waits for a connection. When `cut` returns, the door is closed.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            thread::yield_now();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut state = self.link.state();
            state.ended = true;
            state.cut = true;
        }
        self.shut();
        if let Some(accepting) = self.accepting.take() {
            // It has nothing to tell, and a drop is no place for a second panic.
            let _ = accepting.join();
        }
    }
}

fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(Error::io(format!("listen on 127.0.0.1:{port}")))
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>) {
        loop {
            let mut state = self.state();
            let listener = loop {
                if state.ended {
                    return;
                }
                // Cut again before this thread came: nobody may knock at it for nothing.
                let open = state.listener.take().filter(|_| !state.cut);
                match open {
                    Some(listener) => break listener,
                    None => state = self.wait(state),
                }
            };
            drop(state);
            while let Ok((client, _)) = listener.accept() {
                if self.state().cut {
                    break;
                }
                // A broker that is down: the client's connection ends, as it would without a proxy.
                let _ = self.connect(client);
            }
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut state = self.state();
        if state.cut {
            return Ok(());
        }
        // Those that have ended make room.
        state.streams.retain(|stream| stream.peer_addr().is_ok());
        state.streams.push(client.try_clone()?);
        state.streams.push(server.try_clone()?);
        drop(state);
        for (direction, from, to) in [(0, client.try_clone()?, server.try_clone()?), (1, server, client)] {
            let (pieces, arriving) = sync_channel(QUEUE);
            thread::spawn(move || read(from, &pieces));
            let link = Arc::clone(self);
            thread::spawn(move || link.deliver(direction, &arriving, to));
        }
        Ok(())
    }

    fn deliver(&self, direction: usize, arriving: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
        while let Ok((sent, bytes)) = arriving.recv() {
            let mut left = VecDeque::from(bytes);
            while !left.is_empty() {
                let Some(count) = self.pass(direction, sent, left.len()) else { return };
                let piece: Vec<u8> = left.drain(..count).collect();
                if to.write_all(&piece).is_err() {
                    let _ = to.shutdown(Shutdown::Both);
                    return;
                }
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    /// Waits until something that was sent at a time may arrive, and says how much of it; `None` at the proxy's end.
    fn pass(&self, direction: usize, sent: Instant, waiting: usize) -> Option<usize> {
        let mut state = self.state();
        while state.stalled && !state.cut {
            state = self.wait(state);
        }
        if state.cut {
            return None;
        }
        let mut at = sent + state.delay;
        let mut count = waiting;
        if let Some(rate) = state.bytes_per_second {
            count = waiting.min(usize::try_from(rate.div_ceil(PIECES_PER_SECOND)).unwrap_or(waiting));
            let now = Instant::now();
            let free = state.taken_until[direction].map_or(now, |until| until.max(now));
            let free = free + Duration::from_secs_f64(count as f64 / rate as f64);
            state.taken_until[direction] = Some(free);
            at = at.max(free);
        }
        drop(state);
        thread::sleep(at.saturating_duration_since(Instant::now()));
        Some(count)
    }
}

fn read(mut from: TcpStream, pieces: &SyncSender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if pieces.send((Instant::now(), buffer[..count].to_vec())).is_err() {
            // Nobody delivers any more: the sender must learn it.
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
    }
}
