//! Stands between the agent and the real server, passes most requests on, and does to the others what no real server
//! can be made to do.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use leasehold_testkit::wait;

use crate::place::DEADLINE;

/// What becomes of a request.
pub(crate) enum Reaction {
    /// It reaches the real server, and its answer comes back.
    Pass,
    /// It reaches the real server when the sender of the channel speaks, or is gone.
    Hold(Arc<Mutex<Receiver<()>>>),
    /// It is answered with this status, header lines and body.
    Answer(u16, String, Vec<u8>),
    /// It is answered with these bytes, and the connection is cut, by a reset.
    Reset(Vec<u8>),
    /// It is answered with these bytes and nothing more.
    Raw(Vec<u8>),
    /// It is answered with a byte now and then, for ever.
    Trickle,
    /// It is never answered.
    Silence,
}

/// Decides by method and target: `GET /v1/secret/data/app`.
type Rule = Box<dyn Fn(&str) -> Reaction + Send>;

/// The server between.
#[derive(Clone)]
pub(crate) struct Between {
    port: u16,
    rule: Arc<Mutex<Rule>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Between {
    /// Passes everything on to the server on this port, until told otherwise.
    pub(crate) fn new(upstream: u16) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let between = Self {
            port: door.local_addr().unwrap().port(),
            rule: Arc::new(Mutex::new(Box::new(|_| Reaction::Pass))),
            seen: Arc::default(),
        };
        let own = between.clone();
        thread::spawn(move || {
            for stream in door.incoming().flatten() {
                let own = own.clone();
                // A client that goes away in the middle is part of the game.
                thread::spawn(move || own.serve(stream, upstream).unwrap_or_default());
            }
        });
        between
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on this decides.
    pub(crate) fn rule(&self, rule: impl Fn(&str) -> Reaction + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// Requests with this end of their line get this reaction, and the others pass.
    pub(crate) fn on(&self, end: &'static str, reaction: impl Fn() -> Reaction + Send + 'static) {
        self.rule(move |line| {
            if line.ends_with(end) {
                reaction()
            } else {
                Reaction::Pass
            }
        });
    }

    /// Everything passes again.
    pub(crate) fn heal(&self) {
        self.rule(|_| Reaction::Pass);
    }

    /// How many requests with this end of their line have come.
    pub(crate) fn count(&self, end: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|line| line.ends_with(end)).count()
    }

    fn serve(&self, mut stream: TcpStream, upstream: u16) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        while let Some((head, body)) = request(&mut stream, &mut buffer)? {
            let line = head.lines().next().unwrap_or_default();
            let line = line
                .rsplit_once(' ')
                .map_or(line, |(line, _)| line)
                .to_owned();
            self.seen.lock().unwrap().push(line.clone());
            let reaction = (self.rule.lock().unwrap())(&line);
            match reaction {
                Reaction::Pass => pass(&mut stream, upstream, &head, &body)?,
                Reaction::Hold(release) => {
                    let _ = release.lock().unwrap().recv();
                    pass(&mut stream, upstream, &head, &body)?;
                }
                Reaction::Answer(status, headers, body) => {
                    let length = body.len();
                    write!(
                        stream,
                        "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n{headers}\r\n"
                    )?;
                    stream.write_all(&body)?;
                }
                Reaction::Reset(bytes) => {
                    stream.write_all(&bytes)?;
                    let linger = nix::libc::linger {
                        l_onoff: 1,
                        l_linger: 0,
                    };
                    nix::sys::socket::setsockopt(
                        &stream,
                        nix::sys::socket::sockopt::Linger,
                        &linger,
                    )?;
                    return Ok(());
                }
                Reaction::Trickle => {
                    let mut rest = b"HTTP/1.1 200 OK\r\nX-Slow: ".to_vec().into_iter();
                    wait::every(Duration::from_millis(100), DEADLINE, || {
                        let byte = rest.next().unwrap_or(b'x');
                        // Nobody listens any more once the other side has given up.
                        let _ = stream.write_all(&[byte]);
                    });
                }
                Reaction::Raw(bytes) => {
                    stream.write_all(&bytes)?;
                    let _ = stream.read(&mut [0; 16]);
                    return Ok(());
                }
                Reaction::Silence => {
                    // Until the other side gives up.
                    let _ = stream.read(&mut [0; 16]);
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// A reaction that holds requests until the sender speaks or is dropped.
pub(crate) fn held() -> (Sender<()>, Arc<Mutex<Receiver<()>>>) {
    let (sender, receiver) = channel();
    (sender, Arc::new(Mutex::new(receiver)))
}

/// Head and body of the next request.
pub(crate) fn request(
    stream: &mut impl Read,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let end = loop {
        if let Some(place) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
            break place + 4;
        }
        if more(stream, buffer)? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
    while buffer.len() < end + length {
        if more(stream, buffer)? == 0 {
            return Ok(None);
        }
    }
    let body = buffer[end..end + length].to_vec();
    buffer.drain(..end + length);
    Ok(Some((head, body)))
}

fn more(stream: &mut impl Read, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut chunk = [0; 8192];
    let read = stream.read(&mut chunk)?;
    buffer.extend_from_slice(&chunk[..read]);
    Ok(read)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn pass(stream: &mut TcpStream, upstream: u16, head: &str, body: &[u8]) -> std::io::Result<()> {
    // The server ends each answer with its connection, so this one ends as well.
    stream.write_all(&answer_of(upstream, head, body)?)?;
    stream.shutdown(Shutdown::Both)
}

/// What the server on this port answers.
pub(crate) fn answer_of(upstream: u16, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", upstream))?;
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    write!(server, "{first}\r\nConnection: close\r\n{rest}")?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}
