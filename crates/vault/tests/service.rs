//! A server that is found by its SRV record: a nameserver that says what it is told to, and a real server behind it.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its stage cannot be set"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use leasehold_testkit::{OpenBao, scratch::Scratch};
use leasehold_vault::{Client, Request, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What the nameserver does with a question for this name; by TCP or not.
type Answer = dyn Fn(&str, Way) -> Said + Send + Sync;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
}

enum Said {
    /// The service is on this port of `localhost`.
    Port(u16),
    /// There is no such name.
    NoName,
    /// The answer is too long for UDP.
    TooLong,
    /// Nothing.
    Silence,
}

struct Nameserver {
    _folder: Scratch,
    settings: PathBuf,
    asked: Arc<Mutex<Vec<(String, Way)>>>,
}

impl Nameserver {
    /// Starts one, and writes the machine's settings for it: the nameserver stands in `settings` as `OURS`.
    async fn start(
        settings: &str,
        answer: impl Fn(&str, Way) -> Said + Send + Sync + 'static,
    ) -> Self {
        // Both ways share a port, and others look for one as well.
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let address = tcp.local_addr().unwrap().to_string();
        let answer: Arc<Answer> = Arc::new(answer);
        let asked = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(by_udp(udp, Arc::clone(&answer), Arc::clone(&asked)));
        tokio::spawn(by_tcp(tcp, answer, Arc::clone(&asked)));
        let folder = Scratch::new("nameserver");
        let path = folder.join("resolv.conf");
        fs::write(&path, settings.replace("OURS", &address)).unwrap();
        Self {
            _folder: folder,
            settings: path,
            asked,
        }
    }

    fn asked(&self) -> Vec<(String, Way)> {
        self.asked.lock().unwrap().clone()
    }

    /// The status that the server at this address gives, looked up with this nameserver.
    async fn status(&self, address: &str) -> Option<u16> {
        let mut settings = Settings::new(address.parse().unwrap());
        settings.service_lookup = Some(self.settings.clone());
        let client = Client::new(settings).unwrap();
        let answer = client.forward(&Request::get("sys/health")).await;
        answer.ok().map(|answer| answer.status)
    }
}

async fn by_udp(socket: UdpSocket, answer: Arc<Answer>, asked: Arc<Mutex<Vec<(String, Way)>>>) {
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        if let Some(bytes) = reply(&buffer[..length], Way::Udp, &answer, &asked) {
            // Somebody else's answer first: it has another number.
            let mut forged = bytes.clone();
            forged[0] ^= 1;
            socket.send_to(&forged, from).await.unwrap();
            socket.send_to(&bytes, from).await.unwrap();
        }
    }
}

async fn by_tcp(door: TcpListener, answer: Arc<Answer>, asked: Arc<Mutex<Vec<(String, Way)>>>) {
    while let Ok((mut stream, _)) = door.accept().await {
        let length = stream.read_u16().await.unwrap();
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.unwrap();
        if let Some(bytes) = reply(&question, Way::Tcp, &answer, &asked) {
            let length = u16::try_from(bytes.len()).unwrap();
            stream.write_u16(length).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        }
    }
}

fn reply(
    question: &[u8],
    way: Way,
    answer: &Arc<Answer>,
    asked: &Mutex<Vec<(String, Way)>>,
) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut rest = &question[12..];
    while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, after) = after.split_at(usize::from(length));
        labels.push(String::from_utf8(label.to_vec()).unwrap());
        rest = after;
    }
    let name = labels.join(".");
    asked.lock().unwrap().push((name.clone(), way));
    let mut bytes = question.to_vec();
    let (flags, records) = match answer(&name, way) {
        Said::Silence => return None,
        Said::NoName => (0x8183_u16, Vec::new()),
        Said::TooLong => (0x8380, Vec::new()),
        Said::Port(port) => {
            // The name that was asked for, SRV, for a minute: priority, weight, port, target.
            let mut record = vec![0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 17, 0, 0, 0, 0];
            record.extend(port.to_be_bytes());
            record.extend(b"\x09localhost\x00");
            (0x8180, record)
        }
    };
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[7] = u8::from(!records.is_empty());
    bytes.extend(records);
    Some(bytes)
}

#[tokio::test]
async fn a_server_is_found_by_its_record_through_the_search_list() {
    let bao = OpenBao::start();
    let port = bao.port();
    let known = "_http._tcp.vault.team.svc.test";
    let nameserver = Nameserver::start(
        "search svc.test team.svc.test\nnameserver OURS\noptions ndots:5",
        move |name, _| {
            if name == known {
                Said::Port(port)
            } else {
                Said::NoName
            }
        },
    )
    .await;
    assert_eq!(nameserver.status("http://vault").await, Some(200));
    let asked = ["_http._tcp.vault.svc.test", known].map(|name| (name.to_owned(), Way::Udp));
    assert_eq!(nameserver.asked(), asked);
}

#[tokio::test]
async fn an_address_with_a_port_or_without_a_record_is_taken_as_it_stands() {
    let bao = OpenBao::start();
    let nameserver = Nameserver::start("nameserver OURS", |_, _| Said::NoName).await;
    let with_port = format!("http://localhost:{}", bao.port());
    assert_eq!(nameserver.status(&with_port).await, Some(200));
    assert_eq!(nameserver.asked(), []);
    // Nobody listens on the usual port, or somebody else does; the name was asked for and is tried.
    let mut settings = Settings::new("http://no-such-host.invalid".parse().unwrap());
    settings.service_lookup = Some(nameserver.settings.clone());
    let client = Client::new(settings).unwrap();
    let error = client
        .forward(&Request::get("sys/health"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no-such-host.invalid"),
        "{error}"
    );
    let asked = "_http._tcp.no-such-host.invalid".to_owned();
    assert_eq!(nameserver.asked(), [(asked, Way::Udp)]);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again_by_tcp() {
    let bao = OpenBao::start();
    let port = bao.port();
    let nameserver = Nameserver::start("nameserver OURS", move |_, way| match way {
        Way::Udp => Said::TooLong,
        Way::Tcp => Said::Port(port),
    })
    .await;
    assert_eq!(nameserver.status("http://vault.test").await, Some(200));
    let ways: Vec<Way> = nameserver.asked().into_iter().map(|(_, way)| way).collect();
    assert_eq!(ways, [Way::Udp, Way::Tcp]);
}

#[tokio::test]
async fn a_nameserver_that_is_silent_is_followed_by_the_next() {
    let bao = OpenBao::start();
    let port = bao.port();
    let silent = Nameserver::start("nameserver OURS", |_, _| Said::Silence).await;
    let first = fs::read_to_string(&silent.settings).unwrap();
    let both = format!("{first}\nnameserver OURS");
    let nameserver = Nameserver::start(&both, move |_, _| Said::Port(port)).await;
    assert_eq!(nameserver.status("http://vault.test").await, Some(200));
    assert_eq!((silent.asked().len(), nameserver.asked().len()), (1, 1));
}

#[tokio::test]
async fn the_certificate_must_be_for_the_place_and_not_for_the_service() {
    use leasehold_testkit::openbao::{Settings as Server, Transport};
    use leasehold_vault::Roots;
    let bao = OpenBao::start_with(Server {
        transport: Transport::Tls,
        ..Server::default()
    });
    let port = bao.port();
    let nameserver = Nameserver::start("nameserver OURS", move |_, _| Said::Port(port)).await;
    let mut settings = Settings::new("https://service.test".parse().unwrap());
    settings.service_lookup = Some(nameserver.settings.clone());
    settings.tls.roots = Roots::Text(bao.ca().to_owned());
    let client = Client::new(settings).unwrap();
    let answer = client.forward(&Request::get("sys/health")).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(nameserver.asked()[0].0, "_http._tcp.service.test");
}
