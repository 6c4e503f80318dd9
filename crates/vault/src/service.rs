//! Where the server is, by its SRV record (`VAULT_SRV_LOOKUP`): `_http._tcp.HOST`, for `https` as well, asked for
//! before each request and not kept, as the established client does it. The questions and answers themselves are in
//! `message`, the machine's settings for them in `nameservers`.

mod message;
mod nameservers;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use self::message::{Record, Said};
use self::nameservers::Nameservers;

/// How long a nameserver has for its answer.
const TRY: Duration = Duration::from_secs(3);
/// How often each of them is asked.
const TRIES: usize = 2;
/// How long it all may take; then the address is taken as it stands.
const LIMIT: Duration = Duration::from_secs(10);
/// A server's place by its name.
#[derive(Debug)]
pub(crate) struct Service {
    host: String,
    /// The file with the machine's nameservers, read for each question.
    settings: PathBuf,
}

impl Service {
    pub(crate) fn new(host: String, settings: PathBuf) -> Self {
        Self { host, settings }
    }

    /// Turns an address to the place of the server, if a record tells it.
    pub(crate) async fn lead(&self, address: &mut Url) {
        let found = timeout(LIMIT, self.find()).await.ok().flatten();
        if let Some(record) = found
            && address.set_host(Some(&record.target)).is_ok()
        {
            // An address with a host takes a port.
            let _ = address.set_port(Some(record.port));
        }
    }

    async fn find(&self) -> Option<Record> {
        let text = std::fs::read_to_string(&self.settings).unwrap_or_default();
        let nameservers = Nameservers::read(&text);
        for name in nameservers.names(&format!("_http._tcp.{}", self.host)) {
            let found = choose(ask(&nameservers.addresses, &name).await, random());
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// One record of the best priority, each as likely as its weight says.
fn choose(mut records: Vec<Record>, chance: u32) -> Option<Record> {
    let best = records.iter().map(|record| record.priority).min()?;
    records.retain(|record| record.priority == best);
    let all: u32 = records.iter().map(|record| u32::from(record.weight)).sum();
    let mut left = chance.checked_rem(all).unwrap_or_default();
    let chosen = records.iter().position(|record| {
        let weight = u32::from(record.weight);
        let here = left < weight;
        left = left.saturating_sub(weight);
        here
    });
    Some(records.swap_remove(chosen.unwrap_or_default()))
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_ne_bytes(bytes)
}

/// The records of a name; none where no nameserver knows of one.
async fn ask(nameservers: &[SocketAddr], name: &str) -> Vec<Record> {
    for _ in 0..TRIES {
        for server in nameservers {
            let [high, low, ..] = random().to_ne_bytes();
            let id = u16::from_ne_bytes([high, low]);
            let Some(question) = message::question(id, name) else {
                return Vec::new();
            };
            match timeout(TRY, exchange(*server, &question)).await {
                Ok(Ok(Said::Records(records))) => return records,
                Ok(Ok(Said::TooMuch | Said::Failure) | Err(_)) | Err(_) => {}
            }
        }
    }
    Vec::new()
}

async fn exchange(server: SocketAddr, question: &[u8]) -> std::io::Result<Said> {
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = [0; 2048];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // What answers another question was not sent by whom we asked.
        match message::answer(question, buffer.get(..length).unwrap_or_default()) {
            Some(Said::TooMuch) => return exchange_whole(server, question).await,
            Some(said) => return Ok(said),
            None => {}
        }
    }
}

/// Asks over TCP, where an answer may be longer.
async fn exchange_whole(server: SocketAddr, question: &[u8]) -> std::io::Result<Said> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    stream
        .write_all(&[&length.to_be_bytes(), question].concat())
        .await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(message::answer(question, &answer).unwrap_or(Said::Failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_priority_is_chosen_by_weight() {
        let record = |priority, weight, target: &str| Record {
            priority,
            weight,
            port: 8200,
            target: target.to_owned(),
        };
        let check = |records: &[Record], chance, expected: Option<&str>| {
            let chosen = choose(records.to_vec(), chance);
            assert_eq!(chosen.map(|record| record.target).as_deref(), expected);
        };
        let records = [
            record(2, 9, "later"),
            record(1, 1, "one"),
            record(1, 3, "three"),
        ];
        for (chance, expected) in [(0, "one"), (1, "three"), (3, "three"), (4, "one")] {
            check(&records, chance, Some(expected));
        }
        check(&[record(0, 0, "a"), record(0, 0, "b")], 7, Some("a"));
        check(&[], 7, None);
    }
}
