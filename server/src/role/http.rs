//! The listener: HTTP/1.1 with bounds that a slow or greedy caller cannot pass, and an orderly end.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod connections;
use connections::{Place, Places, Seat};

/// The most bytes of a request's head.
const MOST_HEAD_BYTES: usize = 64 * 1024;
/// Connections that wait to be taken; the system may allow fewer.
const BACKLOG: u32 = 4096;
/// How long and how far a caller is heard out who was answered before it had sent all.
const LINGER: Duration = Duration::from_secs(2);
const MOST_LINGER_BYTES: u64 = 16 * 1024 * 1024;
/// How long to wait after the system refused a connection, for lack of file handles mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener that many may call at once.
pub(super) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A server that starts again finds its port, though connections of the one before still end.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop`; then takes no new connection, lets those under way answer, and cuts them off after
/// `grace`. A caller may take `request_timeout` to send a request's head, and as long to send the next one.
pub(super) async fn serve(
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    stop: CancellationToken,
    request_timeout: Duration,
    grace: Duration,
) {
    let endpoint = Arc::new(endpoint);
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let places = Places::new(connections::most());
    let upkeep = stop
        .child_token()
        .run_until_cancelled_owned(places.clone().free_stalled(request_timeout * 2));
    let upkeep = tokio::spawn(upkeep);
    loop {
        let accept = async { (listener.accept().await, places.take().await) };
        let (accepted, place) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                let cut_off = cut_off.clone();
                let connection = connection(
                    stream,
                    remote,
                    endpoint.clone(),
                    place,
                    request_timeout,
                    stop.clone(),
                );
                connections.spawn(async move {
                    cut_off.run_until_cancelled(connection).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // It ends with `stop`.
    let _ = upkeep.await;
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
    place: Place,
    request_timeout: Duration,
    stop: CancellationToken,
) {
    // A connection costs memory once somebody speaks.
    let mut first = [0];
    tokio::select! {
        spoke = tokio::time::timeout(request_timeout, stream.peek(&mut first)) => {
            if !matches!(spoke, Ok(Ok(1))) {
                return;
            }
        }
        () = place.seat.lost() => return,
        () = stop.cancelled() => return,
    }
    Box::pin(talk(stream, remote, endpoint, place, request_timeout, stop)).await;
}

async fn talk(
    stream: TcpStream,
    remote: SocketAddr,
    endpoint: Arc<impl Endpoint<Output = Response> + 'static>,
    place: Place,
    request_timeout: Duration,
    stop: CancellationToken,
) {
    // Answers are written whole: there is nothing to gather.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().unwrap_or(remote);
    let seat = place.seat.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (endpoint, seat, moving) = (endpoint.clone(), seat.clone(), seat.clone());
        Box::pin(async move {
            let _busy = seat.work();
            let local = LocalAddr(Addr::SocketAddr(local));
            let remote = RemoteAddr(Addr::SocketAddr(remote));
            let response = endpoint
                .get_response((request, local, remote, Scheme::HTTP).into())
                .await;
            let response = hyper::Response::from(response);
            Ok::<_, std::convert::Infallible>(response.map(|body| Moving { body, seat: moving }))
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(request_timeout)
        .max_buf_size(MOST_HEAD_BYTES)
        .max_header_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
        () = place.seat.lost() => return,
        () = stop.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %remote, "a connection broke");
    }
    // What is no HTTP has an answer too.
    hang_up(connection.into_parts().io.into_inner()).await;
}

/// An answer on its way: the connection is not stalled as long as the caller takes more of it.
struct Moving<B> {
    body: B,
    seat: Arc<Seat>,
}

impl<B: Body + Unpin> Body for Moving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(context);
        if next.is_ready() {
            self.seat.rest();
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
