//! The listener: HTTP/1.1 with bounds that a slow or greedy caller cannot pass, and an orderly end.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at a time; one more waits in the system's queue.
const MOST_CONNECTIONS: usize = 8192;
/// How long a caller may take to send a request's head, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of a request's head.
const MOST_HEAD_BYTES: usize = 64 * 1024;
/// How long and how far a caller is heard out who was answered before it had sent all.
const LINGER: Duration = Duration::from_secs(2);
const MOST_LINGER_BYTES: u64 = 16 * 1024 * 1024;
/// How long to wait after the system refused a connection, for lack of file handles mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`; then takes no new connection, lets those under way answer, and cuts them off after
/// `grace`.
pub(super) async fn serve(
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    stop: CancellationToken,
    grace: Duration,
) {
    let endpoint = Arc::new(endpoint);
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accept = async {
            // The semaphore is never closed.
            let place = room.clone().acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept => accepted,
        };
        match accepted {
            Some((place, Ok((stream, remote)))) => {
                let connection = connection(stream, remote, endpoint.clone(), stop.clone());
                let cut_off = cut_off.clone();
                connections.spawn(async move {
                    cut_off.run_until_cancelled(connection).await;
                    drop(place);
                });
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None => break,
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut off");
        cut_off.cancel();
        connections.wait().await;
    }
}

async fn connection(
    stream: TcpStream,
    remote: SocketAddr,
    endpoint: Arc<impl Endpoint<Output = Response> + 'static>,
    stop: CancellationToken,
) {
    // Answers are written whole: there is nothing to gather.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().unwrap_or(remote);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let endpoint = endpoint.clone();
        Box::pin(async move {
            let local = LocalAddr(Addr::SocketAddr(local));
            let remote = RemoteAddr(Addr::SocketAddr(remote));
            let response = endpoint
                .get_response((request, local, remote, Scheme::HTTP).into())
                .await;
            Ok::<_, std::convert::Infallible>(hyper::Response::from(response))
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
        () = stop.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    match ended {
        Ok(()) => hang_up(connection.into_parts().io.into_inner()).await,
        Err(error) => tracing::debug!(%error, %remote, "a connection broke"),
    }
}

/// Closes a connection so that the caller can read its answer: what it is still sending would else be met with
/// a reset, which throws the answer away (RFC 9112, section 9.6).
async fn hang_up(mut stream: TcpStream) {
    let heard_out = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(MOST_LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // Whether the caller goes on or is gone, its answer is sent.
    let _ = tokio::time::timeout(LINGER, heard_out).await;
}
