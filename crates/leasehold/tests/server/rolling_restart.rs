//! Three replicas behind a Service are restarted one after the other while reviews go on, and none is lost.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use leasehold_testkit::net::Identity;
use leasehold_testkit::process::exit_code;
use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::wait;
use rustix::process::Signal;

use crate::load::{annotated, clients};
use crate::support::{DEADLINE, Webhook, http};

/// What a Service is in a cluster: connections go to replicas that were ready a moment ago, and stay there. These are the
/// ports behind it, and whether each was ready when last asked.
#[derive(Default)]
struct Service {
    ports: Mutex<Vec<(u16, bool)>>,
    next: AtomicUsize,
}

impl Service {
    fn ready(&self) -> Vec<u16> {
        let ports = self.ports.lock().unwrap();
        ports
            .iter()
            .filter(|(_, ready)| *ready)
            .map(|(port, _)| *port)
            .collect()
    }

    /// Asks every replica again and again, as kubelets do.
    async fn probe(self: Arc<Self>, tls: Arc<rustls::ClientConfig>) {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            let ports: Vec<u16> = self.ports.lock().unwrap().iter().map(|p| p.0).collect();
            for port in ports {
                let ready = is_ready(port, &tls).await;
                let mut ports = self.ports.lock().unwrap();
                for (_, state) in ports.iter_mut().filter(|(own, _)| *own == port) {
                    *state = ready;
                }
            }
        }
    }

    /// Takes connections and hands each to the next ready replica.
    async fn run(self: Arc<Self>, listener: tokio::net::TcpListener) {
        while let Ok((mut client, _)) = listener.accept().await {
            let ready = self.ready();
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(port) = ready.get(turn % ready.len().max(1)).copied() else {
                continue;
            };
            tokio::spawn(async move {
                if let Ok(mut replica) =
                    tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await
                {
                    drop(tokio::io::copy_bidirectional(&mut client, &mut replica).await);
                }
            });
        }
    }
}

async fn is_ready(port: u16, tls: &Arc<rustls::ClientConfig>) -> bool {
    let Ok(mut sender) = http::http2(port, tls).await else {
        return false;
    };
    let request = hyper::Request::get("https://localhost/health/ready")
        .body(http_body_util::Full::default())
        .unwrap();
    let answer = sender.send_request(request).await;
    answer.is_ok_and(|answer| answer.status() == 204)
}

/// Asks for reviews over one kept connection and opens another when the server ends it, as an API server does. A
/// request that the server never took is asked again, since Go's client does that by itself.
async fn keep_asking(
    port: u16,
    tls: Arc<rustls::ClientConfig>,
    fresh: bool,
    over: Arc<AtomicBool>,
) -> (usize, Vec<String>) {
    let (mut answered, mut failed) = (0, Vec::new());
    let mut kept = None;
    while !over.load(Ordering::Relaxed) {
        let mut sender = match kept.take() {
            Some(sender) => sender,
            None => match http::http2(port, &tls).await {
                Ok(sender) => sender,
                Err(error) => {
                    failed.push(format!("connecting: {error}"));
                    continue;
                }
            },
        };
        if sender.ready().await.is_err() {
            continue;
        }
        let body = Bytes::from(annotated("u").to_string());
        match sender.try_send_request(http::post("/mutate", body)).await {
            Ok(answer) => match http::read(answer).await {
                Ok((200, _)) => answered += 1,
                other => failed.push(format!("{other:?}")),
            },
            Err(mut error) => {
                if error.take_message().is_none() {
                    failed.push(format!("asking: {}", leasehold::chain(error.error())));
                }
                continue;
            }
        }
        kept = (!fresh).then_some(sender);
    }
    (answered, failed)
}

#[test]
fn a_rolling_restart_of_three_replicas_loses_no_admission() {
    let scratch = Scratch::new("load");
    let identity = Identity::new("files", &[]);
    let start = |name: &str| {
        // Longer than it takes until nobody sends new connections, as the default is in a cluster.
        let flags = ["--shutdown-delay=1s"];
        Webhook::start_ready_with_files(&scratch, &identity, name, &flags)
    };
    let mut replicas: Vec<Webhook> = ["a", "b", "c"].into_iter().map(start).collect();
    let service = Arc::new(Service::default());
    let ports = replicas.iter().map(|replica| (replica.port.number(), true));
    *service.ports.lock().unwrap() = ports.collect();
    let over = Arc::new(AtomicBool::new(false));
    let (listening, port) = channel();
    let load = std::thread::spawn({
        let (service, over, roots) = (Arc::clone(&service), Arc::clone(&over), identity.ca.clone());
        move || {
            clients().block_on(async move {
                let tls = http::tls(&roots, &["h2"]);
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let port = listener.local_addr().unwrap().port();
                tokio::spawn(Arc::clone(&service).run(listener));
                tokio::spawn(service.probe(Arc::clone(&tls)));
                let mut askers = tokio::task::JoinSet::new();
                for index in 0..4 {
                    askers.spawn(keep_asking(
                        port,
                        Arc::clone(&tls),
                        index % 2 == 0,
                        Arc::clone(&over),
                    ));
                }
                listening.send(()).unwrap();
                askers.join_all().await
            })
        }
    });
    port.recv().unwrap();
    for (index, name) in ["d", "e", "f"].into_iter().enumerate() {
        let mut old = replicas.remove(0);
        let status = old.process.stop(Signal::TERM, DEADLINE).unwrap();
        assert_eq!(exit_code(status), 0);
        let new = start(name);
        service.ports.lock().unwrap()[index] = (new.port.number(), false);
        replicas.push(new);
        wait::until_true("the new replica is ready for the Service", DEADLINE, || {
            service.ready().len() == 3
        });
    }
    over.store(true, Ordering::Relaxed);
    let results = load.join().unwrap();
    let answered: usize = results.iter().map(|(answered, _)| answered).sum();
    let failed: Vec<_> = results.iter().flat_map(|(_, failed)| failed).collect();
    println!("{answered} reviews answered");
    assert!(answered > 100, "{answered} reviews are no load");
    assert!(
        failed.is_empty(),
        "{} of {answered} failed: {:?}",
        failed.len(),
        failed.first()
    );
}
