//! Connections that send the same request again and again, each as soon as the last was answered. They speak just
//! enough HTTP/1.1 for that, so that little of the machine goes to asking.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What the callers saw.
#[derive(Debug)]
pub struct Outcome {
    /// Answers of 2xx.
    pub answered: u64,
    /// All other answers.
    pub refused: u64,
    /// One of the other answers.
    pub refusal: Option<String>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// How long each answer took, in microseconds, the shortest first.
    latencies: Vec<u32>,
}

/// An answer, whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest answer.
const BUFFER_BYTES: usize = 64 * 1024;

impl Outcome {
    /// The latency that this part of the answers does not exceed.
    pub fn percentile(&self, part: f64) -> Duration {
        let place = (self.latencies.len() as f64 * part).ceil() as usize;
        let micros = self.latencies.get(place.saturating_sub(1)).copied();
        Duration::from_micros(micros.unwrap_or_default().into())
    }

    /// Adds what came after it.
    pub fn go_on(&mut self, next: Self) {
        self.answered += next.answered;
        self.refused += next.refused;
        self.refusal = self.refusal.take().or(next.refusal);
        self.elapsed += next.elapsed;
        self.latencies.extend(next.latencies);
        self.latencies.sort_unstable();
    }
}

/// Sends `request` for `length` on each of so many connections. Fails if a connection breaks.
pub async fn drive(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    length: Duration,
) -> anyhow::Result<Outcome> {
    let request: Arc<[u8]> = request.into();
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(Connection::open(address).await?);
    }
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for stream in streams {
        callers.spawn(call_until(stream, request.clone(), begun + length));
    }
    let mut outcome = Outcome {
        answered: 0,
        refused: 0,
        refusal: None,
        elapsed: length,
        latencies: Vec::new(),
    };
    while let Some(ended) = callers.join_next().await {
        let caller = ended.context("a caller panicked")??;
        outcome.answered += caller.latencies.len() as u64;
        outcome.refused += caller.refused;
        outcome.refusal = outcome.refusal.or(caller.refusal);
        outcome.latencies.extend(caller.latencies);
    }
    outcome.elapsed = begun.elapsed();
    outcome.latencies.sort_unstable();
    Ok(outcome)
}

/// Sends one request on a connection of its own.
pub async fn ask(address: SocketAddr, request: &[u8]) -> anyhow::Result<Answer> {
    let mut connection = Connection::open(address).await?;
    let status = connection.call(request).await?.status;
    let (head, body) = connection.answer.split_at(connection.head);
    let head = String::from_utf8_lossy(head);
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    Ok(Answer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    })
}

struct Caller {
    latencies: Vec<u32>,
    refused: u64,
    refusal: Option<String>,
}

async fn call_until(mut connection: Connection, request: Arc<[u8]>, end: Instant) -> anyhow::Result<Caller> {
    let mut caller = Caller {
        latencies: Vec::new(),
        refused: 0,
        refusal: None,
    };
    let mut now = Instant::now();
    while now < end {
        let sent = now;
        let answer = connection.call(&request).await?;
        now = Instant::now();
        if (200..300).contains(&answer.status) {
            let micros = now.duration_since(sent).as_micros();
            caller.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
        } else {
            caller.refused += 1;
            let text = || String::from_utf8_lossy(&connection.answer).into_owned();
            caller.refusal.get_or_insert_with(text);
        }
    }
    Ok(caller)
}

struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// The last answer, and the length of its head with the empty line.
    answer: Vec<u8>,
    head: usize,
}

/// The start of an answer.
struct Head {
    status: u16,
    bytes: usize,
    content_length: usize,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES].into(),
            answer: Vec::new(),
            head: 0,
        })
    }

    async fn call(&mut self, request: &[u8]) -> anyhow::Result<Head> {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request)).await {
            Ok(head) => head,
            Err(_) => bail!("no answer within {ANSWER_TIMEOUT:?}"),
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Head> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof)).context("the server hung up");
            }
            self.answer.extend_from_slice(&self.buffer[..read]);
            let Some(head) = read_head(&self.answer)? else {
                continue;
            };
            let whole = head.bytes + head.content_length;
            if self.answer.len() >= whole {
                if self.answer.len() > whole {
                    bail!("the server sent more than it announced");
                }
                self.head = head.bytes;
                return Ok(head);
            }
        }
    }
}

/// None while the head is not whole.
fn read_head(answer: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        if answer.len() > BUFFER_BYTES {
            bail!("the head of an answer does not end");
        }
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end]).context("the head of an answer is not text")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let content_length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    match (status, content_length) {
        (Some(status), Some(content_length)) => Ok(Some(Head {
            status,
            bytes: end + 4,
            content_length,
        })),
        _ => bail!("this answer cannot be read: {head}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_head_once_it_is_whole() {
        let answer = b"HTTP/1.1 202 Accepted\r\nX: y\r\nCONTENT-LENGTH: 12\r\n\r\n{";
        for length in 0..answer.len() - 1 {
            assert!(read_head(&answer[..length]).expect("no mistake yet").is_none());
        }
        let head = read_head(answer).expect("it can be read").expect("it is whole");
        assert_eq!(
            (head.status, head.bytes, head.content_length),
            (202, answer.len() - 1, 12)
        );
        assert!(read_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn a_percentile_is_one_of_the_latencies() {
        let outcome = |latencies: &[u32]| Outcome {
            answered: 0,
            refused: 0,
            refusal: None,
            elapsed: Duration::ZERO,
            latencies: latencies.to_vec(),
        };
        for (latencies, part, micros) in [
            (&[][..], 0.5, 0),
            (&[7], 0.99, 7),
            (&[1, 2, 3], 0.5, 2),
            (&[1, 2, 3, 4], 0.5, 2),
            (&[1, 2, 3, 4], 1.0, 4),
        ] {
            assert_eq!(outcome(latencies).percentile(part), Duration::from_micros(micros));
        }
    }
}
