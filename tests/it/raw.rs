//! Connections without an HTTP client: what no client would send, and what none would leave undone.

use std::io::ErrorKind;
use std::time::Duration;

use flowmatic_tests::{PATIENCE, TestApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Raw(TcpStream);

impl Raw {
    pub async fn open(app: &TestApp) -> Self {
        let address = app.url().trim_start_matches("http://");
        Self(
            TcpStream::connect(address)
                .await
                .expect("the server takes connections"),
        )
    }

    /// Tells whether the server still takes bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Sends, one each `pause`, until the server closes or the bytes are over.
    pub async fn drip(&mut self, bytes: &[u8], pause: Duration) {
        let mut pace = tokio::time::interval(pause);
        for byte in bytes {
            pace.tick().await;
            if !self.send(&[*byte]).await {
                return;
            }
        }
    }

    /// All that the server sends until it closes the connection.
    pub async fn rest(mut self) -> Vec<u8> {
        let mut answer = Vec::new();
        match tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut answer)).await {
            Ok(Ok(_)) => answer,
            // It has closed with bytes of ours unread.
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                answer
            }
            Ok(Err(error)) => panic!("the connection broke: {error}"),
            Err(_) => panic!("the server keeps the connection open"),
        }
    }

    /// Ends our side; nothing more is sent.
    pub async fn end(&mut self) {
        // A server that has closed already needs no telling.
        let _ = self.0.shutdown().await;
    }

    /// The status of the answer, once the server has closed the connection; none where there is no answer.
    pub async fn status(self) -> Option<u16> {
        status(&self.rest().await)
    }
}

pub fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).expect("a status line is text");
    let (version, rest) = line.split_once(' ')?;
    assert!(version.starts_with("HTTP/1."), "{line}");
    rest.get(..3)?.parse().ok()
}
