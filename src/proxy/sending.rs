//! The request on its way to its upstream: what it looks like there, and that it leaves.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::{io::AsyncWrite, time::Instant};

use super::{checkout::Connected, job::Job};
use crate::{
    admission::Way,
    error::Error,
    http1::{body::BodyReader, head::Request},
    net::{buffer::Buffer, stream::Stream},
    plan::{
        Destination, Exchange,
        rewrite::{self, Onward},
    },
};

impl Job<'_> {
    /// Sends the head of the upstream request, and behind it what has come of the body. An upstream that takes no
    /// more may have answered already, so that is no error here: it shows when the answer is read.
    pub(super) async fn send_request(
        &mut self,
        exchange: &Exchange,
        connected: &mut Connected<'_>,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut out = self.render(exchange, connected)?;
        let upstream: &mut Stream = &mut connected.lease.stream;
        let Self { client, timer, state, .. } = self;
        poll_fn(|cx| {
            while !out.is_empty() {
                match Pin::new(&mut *upstream).poll_write(cx, out.unread()) {
                    Poll::Ready(Ok(size)) if size > 0 => {
                        state.upload.wrote(size);
                        out.consume(size);
                    }
                    Poll::Ready(_) => {
                        state.upload.discard();
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Pending => {
                        return client.poll_leave(cx, timer, deadline, Error::UpstreamSendTimeout).map(Err);
                    }
                }
            }
            match Pin::new(&mut *upstream).poll_flush(cx) {
                Poll::Ready(_) => Poll::Ready(Ok(())),
                Poll::Pending => client.poll_leave(cx, timer, deadline, Error::UpstreamSendTimeout).map(Err),
            }
        })
        .await
    }

    fn render(&mut self, exchange: &Exchange, connected: &Connected<'_>) -> Result<Buffer, Error> {
        let mut out = self.core.buffers.take();
        let inbound = self.inbound.borrow();
        let request = Request { bytes: inbound.all(), head: self.head };
        let spoken_for = &self.route.access.spoken_for;
        let (mut onward, authority) = match (&exchange.destination, connected.endpoint()) {
            (Destination::Target(target), _) => {
                let gateway = self.snapshot.config.gateway.as_ref().ok_or(Error::Internal)?;
                let onward = Onward::to_target(target, &gateway.set_headers, self.plan.framing);
                // Who asks is nothing to a target.
                let onward = Onward { edits: target.edits(gateway), ..onward };
                (onward.asked_by(spoken_for, b""), target.url.authority())
            }
            (Destination::Question { access, .. }, Some(server)) => {
                let Way::Forward(service) = &self.snapshot.config.access(*access).way else {
                    return Err(Error::Internal);
                };
                let target = exchange.target.origin_form(request);
                let onward = Onward::to_service(server, service, exchange, target);
                (onward.beside(self.snapshot.config.gateway.as_ref()), &*server.authority)
            }
            (Destination::Forward(target), _) => {
                let onward = Onward::to_forwarded(target, exchange, request, self.plan.framing);
                (onward, target.url().authority())
            }
            (Destination::Upstream(_), Some(server)) => {
                let framing = self.plan.framing;
                let onward = Onward::to_server(server, self.route, exchange, request, framing);
                let onward = onward.beside(self.snapshot.config.gateway.as_ref());
                (onward.asked_by(spoken_for, self.passed), &*server.authority)
            }
            (Destination::Upstream(_) | Destination::Question { .. }, None) => return Err(Error::Internal),
        };
        if let Some(through) = connected.through.filter(|through| through.is_absolute()) {
            onward = onward.by_parent(through.parent(), authority);
        }
        let sender = rewrite::Sender {
            forwarding: self.forwarding,
            peer: self.peer,
            asker: &self.plan.asker,
            identity: &self.core.identity,
            request_id: self.outcome.request_id,
        };
        let written = rewrite::request(request, exchange, &onward, &sender, out.spare())?;
        let is_whole = onward.without_body;
        drop(inbound);
        out.filled(written);
        if is_whole {
            return Ok(out);
        }
        let mut cx = Context::from_waker(Waker::noop());
        while !self.client.is_written() && out.spare_len() >= BodyReader::MIN_ROOM {
            match self.client.poll_body(&mut cx, out.spare()) {
                Poll::Ready(Ok(size)) => out.filled(size),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(out)
    }
}
