//! Requests that are read, refused, long, or slow.

use super::*;

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

/// Reads a whole request; its body beside it.
fn read(text: &str) -> Result<Option<(HttpRequest, Vec<u8>)>, Fault> {
    run(async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(text.as_bytes()).await.unwrap();
        drop(theirs);
        let mut connection = Connection::new(ours);
        let Some(request) = connection.head().await? else {
            return Ok(None);
        };
        match connection.body().await? {
            Taken::Whole(body) => Ok(Some((request, body.to_vec()))),
            Taken::Part(_) => Err(Fault::BodyTooLarge),
        }
    })
}

#[test]
fn reads_bodies_with_a_length_and_in_chunks() {
    let (request, body) =
        read("PUT /v1/a%20b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcEXTRA")
            .unwrap()
            .unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("PUT", "/v1/a%20b")
    );
    assert_eq!(request.query, "x=1");
    assert_eq!(body, b"abc");
    assert!(request.keeps_connection());
    let (request, body) = read(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
    )
    .unwrap()
    .unwrap();
    assert_eq!(body, b"abcde");
    assert!(!request.keeps_connection());
}

#[test]
fn refuses_what_is_no_request_or_could_be_read_in_two_ways() {
    for (text, fault) in [
        ("hello\r\n\r\n", Fault::Malformed),
        ("GET / HTTP/2\r\n\r\n", Fault::Malformed),
        ("GET http://x/ HTTP/1.1\r\n\r\n", Fault::Malformed),
        ("GET / HTTP/1.1\r\nbroken\r\n\r\n", Fault::Malformed),
        ("GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", Fault::Malformed),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            Fault::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            Fault::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx",
            Fault::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            Fault::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            Fault::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc",
            Fault::Broken,
        ),
        ("GET / HTTP/1.1\r\nHost", Fault::Broken),
    ] {
        assert_eq!(read(text).unwrap_err(), fault, "{text:?}");
    }
    assert!(read("").unwrap().is_none());
    assert_eq!(
        read(&format!("GET /{} HTTP/1.1", "x".repeat(70_000))).unwrap_err(),
        Fault::HeadTooLarge
    );
}

#[test]
fn a_long_body_is_given_out_piece_by_piece() {
    let size = WHOLE_LIMIT * 3;
    run(async {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let sending = async {
            let head = format!("PUT / HTTP/1.1\r\nContent-Length: {size}\r\n\r\n");
            theirs.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..size / 1024 {
                theirs.write_all(&[7; 1024]).await.unwrap();
            }
            theirs
        };
        let taking = async {
            let mut connection = Connection::new(ours);
            connection.head().await.unwrap().unwrap();
            let Ok(Taken::Part(first)) = connection.body().await else {
                panic!("it is no whole body");
            };
            let mut taken = first.len();
            while let Some(piece) = connection.next_piece().await.unwrap() {
                assert!(piece.len() <= PIECE);
                taken += piece.len();
            }
            taken
        };
        let (_open, taken) = tokio::join!(sending, taking);
        assert_eq!(taken, size);
    });
}

#[test]
fn a_client_that_has_gone_is_noticed_and_one_that_goes_on_is_not_lost() {
    run(async {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let mut connection = Connection::new(ours);
        let request = b"GET /next HTTP/1.1\r\n\r\n";
        theirs.write_all(request).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(1), connection.left()).await;
        assert!(waited.is_err(), "it is there");
        drop(theirs);
        connection.left().await;
        let next = connection.head().await.unwrap().unwrap();
        assert_eq!(next.path, "/next");
    });
}

#[test]
fn who_sends_or_takes_a_byte_now_and_then_is_left() {
    run(async {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let slow = async {
            for byte in b"GET / HTTP/1.1\r\nX: yyyyyyyy" {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if theirs.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            theirs
        };
        let mut connection = Connection::new(ours);
        let begun = tokio::time::Instant::now();
        let (head, _open) = tokio::join!(connection.head(), slow);
        assert_eq!(head.unwrap_err(), Fault::Broken);
        let waited = begun.elapsed();
        assert!(waited >= HEAD_TIME && waited < HEAD_TIME * 3, "{waited:?}");
        // Nobody reads, so the pipe fills up.
        let failed = connection.write_bytes(&[0; 1024]).await.unwrap_err();
        assert_eq!(failed.kind(), std::io::ErrorKind::TimedOut);
    });
}
