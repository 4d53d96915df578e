//! What is kept of the head of a request in which nothing moves.
//!
//! While no answer has begun, that is the head: the request may be sent once more, and answers are judged by what it
//! says. Its fields are found in it again. Once an answer has begun nothing is left to judge, and what counts the
//! request and what the log will tell of it is enough.

use std::mem;

use super::{
    core::Core,
    kept_request::KeptRequest,
    record::{Finished, Told},
};
use crate::{
    http1::head::{Request, RequestHead},
    net::buffer::Buffer,
    plan::Client,
};

/// What is kept of a head.
pub(super) struct KeptHead {
    head: RequestHead,
    /// What it is the start of; without the head, if there is something instead of it.
    bytes: Box<[u8]>,
    /// How many of them came behind the request.
    unread: usize,
    told: Option<Told>,
}

/// A head, the buffer that it is the start of, and what stands for both where they are not needed any more.
pub(super) type HeadAgain = (RequestHead, Buffer, Option<Told>);

impl KeptHead {
    /// What is kept of the head of this request, whose answer has begun or not.
    pub(super) fn of(
        core: &Core,
        client: &Client,
        request: &KeptRequest,
        (mut head, mut inbound, mut told): HeadAgain,
        has_begun: bool,
    ) -> Self {
        inbound.reclaim(head.len);
        let KeptRequest { snapshot, plan, outcome, begun, head_took, .. } = request;
        // Who develops is told of requests when they have ended, and so is whoever looks for what was refused.
        let is_needed = !has_begun || snapshot.config.dev || plan.cors.reason().is_some();
        if told.is_none() && !is_needed {
            let request = Request { bytes: inbound.all(), head: &head };
            let (begun, head_took) = (*begun, *head_took);
            let finished = Finished { client, request, plan, outcome, snapshot, begun, head_took };
            told = Some(Told::of(core, &finished));
            core.put_fields(mem::take(&mut head.fields));
            head.len = 0;
        }
        let unread = inbound.unread();
        let bytes = match told {
            None => {
                let recycled = core.take_fields();
                core.put_fields(head.forget_fields(inbound.all(), snapshot.config.limits.fields, recycled));
                inbound.all()
            }
            Some(_) => unread,
        };
        Self { head, bytes: bytes.into(), unread: unread.len(), told }
    }

    /// The head again; that it has `max_fields` at most is known.
    pub(super) fn again(self, core: &Core, max_fields: usize) -> HeadAgain {
        let Self { mut head, bytes, unread, told } = self;
        let mut inbound = core.buffers.take();
        inbound.push(&bytes);
        inbound.consume(bytes.len().saturating_sub(unread));
        if told.is_none() {
            head.recall_fields(&bytes, max_fields, &mut core.take_fields());
        }
        (head, inbound, told)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        rc::Rc,
        sync::Arc,
        time::{Instant as StdInstant, SystemTime},
    };

    use tokio::time::Instant;

    use super::*;
    use crate::{
        admission::Shown,
        http1::{
            fields::FieldId,
            head::{HeadEnd, parse_request, parse_whole_request},
        },
        net::testing::in_worker,
        observe::metrics::Metrics,
        plan::{
            request as plan_request,
            sample::{client, config, identity},
        },
        proxy::{core::Core, outcome::Outcome},
    };

    const HEAD: &str =
        "GET /path HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nX-Some: thing\r\n\r\n";

    fn core(arguments: &[&str]) -> Rc<Core> {
        let config = config(&[&["--upstream=http://127.0.0.1:1"], arguments].concat());
        Core::new(Arc::new(config), Arc::new(identity()), Metrics::new().register(), None)
    }

    /// What is known of a head and of what came behind it, kept while its answer has begun or not.
    fn kept(core: &Rc<Core>, text: &str, has_begun: bool) -> HeadAgain {
        let mut inbound = core.buffers.take();
        inbound.push(text.as_bytes());
        let bytes = text.as_bytes();
        let whole = parse_whole_request(bytes, 100, &mut core.take_fields());
        let head = whole.unwrap_or_else(|| {
            let mut end = HeadEnd::default();
            let len = end.find_request(bytes).unwrap().unwrap();
            parse_request(bytes, &end, len, 100, core.take_fields()).unwrap()
        });
        inbound.consume(head.len);
        let (snapshot, client, shown) = (core.snapshot(), client(), Shown::nothing(SystemTime::now()));
        let request = Request { bytes, head: &head };
        let (plan, _) = plan_request(request, &shown, &snapshot.config, &client, &core.identity.id);
        let begun = Instant::from_std(StdInstant::now());
        let request = KeptRequest {
            snapshot: Rc::clone(&snapshot),
            plan,
            head_took: None,
            begun,
            sets_out: begun,
            outcome: Outcome::default(),
            passed: Vec::new(),
            held: Default::default(),
        };
        KeptHead::of(core, &client, &request, (head, inbound, None), has_begun).again(core, 100)
    }

    #[test]
    fn a_head_whose_answer_has_not_begun_is_the_same_again() {
        in_worker(async {
            let core = core(&[]);
            // The second has what takes a second look, so that its fields are kept.
            for text in [
                HEAD,
                "\r\nGET / HTTP/1.1\r\nHost: a\r\nx_some: thing\r\nOrigin: https://app.example\r\n\r\n",
            ] {
                let whole = format!("{text}GET /next");
                let (head, inbound, told) = kept(&core, &whole, false);
                assert!(told.is_none());
                assert_eq!((inbound.all(), inbound.unread()), (whole.as_bytes(), &b"GET /next"[..]));
                let request = Request { bytes: inbound.all(), head: &head };
                assert_eq!(request.value(FieldId::Origin), Some(&b"https://app.example"[..]), "{text}");
                assert_eq!(head.fields.len(), 3);
            }
        });
    }

    #[test]
    fn a_head_whose_answer_has_begun_is_gone_but_for_what_came_behind_it() {
        in_worker(async {
            let core = core(&[]);
            let (head, inbound, told) = kept(&core, &format!("{HEAD}GET /next"), true);
            assert!(told.is_some());
            assert_eq!((head.len, head.fields.len(), inbound.all()), (0, 0, &b"GET /next"[..]));
            assert_eq!(inbound.unread(), b"GET /next");
        });
    }

    #[test]
    fn who_has_to_be_told_of_a_request_has_its_head_to_the_end() {
        in_worker(async {
            let refused = core(&["--allow-origin=https://other.example"]);
            for (core, is_kept) in [(core(&["--dev"]), true), (refused, true), (core(&[]), false)] {
                assert_eq!(kept(&core, HEAD, true).2.is_none(), is_kept);
            }
        });
    }
}
