//! The input: what programs send, what browsers send, and the worst that passes the default limits.

use std::fmt::Write;

use corsair::{
    config::{Config, compile::compile, flags, machine::Machine},
    http1::head::{
        Fields, HeadEnd, Request, RequestHead, Response, ResponseHead, parse_request, parse_response,
    },
};

/// Fields that a head may have by default.
pub(super) const MAX_FIELDS: usize = 100;

/// What a load generator or a small program sends.
pub(super) const PLAIN: &str =
    "GET /1k HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nOrigin: https://app.example.com\r\n\r\n";

/// What a browser sends for a `fetch` with credentials.
pub(super) const BROWSER: &str = "\
GET /api/v2/projects/1201/items?state=open&sort=updated&page=3 HTTP/1.1\r\n\
Host: api.example.com\r\n\
Connection: keep-alive\r\n\
sec-ch-ua: \"Chromium\";v=\"130\", \"Google Chrome\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n\
sec-ch-ua-mobile: ?0\r\n\
sec-ch-ua-platform: \"Linux\"\r\n\
Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
Accept: application/json, text/plain, */*\r\n\
Origin: https://app.example.com\r\n\
Sec-Fetch-Site: same-site\r\n\
Sec-Fetch-Mode: cors\r\n\
Sec-Fetch-Dest: empty\r\n\
Referer: https://app.example.com/projects/1201\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7\r\n\
Cookie: session=0a6d5c9e8f7b4a3d2c1b0a99; theme=dark; csrftoken=Q2hyb21pdW0gMTMwIGlzIGEgYnJvd3Nlcg\r\n\r\n";

/// What a browser asks before it sends what CORS does not let through unasked.
pub(super) const PREFLIGHT: &str = "\
OPTIONS /api/v2/projects/1201/items HTTP/1.1\r\n\
Host: api.example.com\r\n\
Connection: keep-alive\r\n\
Accept: */*\r\n\
Access-Control-Request-Method: PUT\r\n\
Access-Control-Request-Headers: authorization,content-type,x-request-source\r\n\
Origin: https://app.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
Sec-Fetch-Mode: cors\r\n\
Sec-Fetch-Site: same-site\r\n\
Sec-Fetch-Dest: empty\r\n\
Referer: https://app.example.com/\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n\r\n";

/// What a web server answers for a small file.
pub(super) const SMALL_ANSWER: &str = "\
HTTP/1.1 200 OK\r\n\
Server: nginx/1.22.1\r\n\
Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
Content-Type: application/octet-stream\r\n\
Content-Length: 1024\r\n\
Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
Connection: keep-alive\r\n\
Accept-Ranges: bytes\r\n\r\n";

/// What an application answers that does CORS itself, to be replaced.
pub(super) const APPLICATION_ANSWER: &str = "\
HTTP/1.1 200 OK\r\n\
Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
Content-Type: application/json; charset=utf-8\r\n\
Transfer-Encoding: chunked\r\n\
Connection: keep-alive\r\n\
Cache-Control: private, max-age=0, must-revalidate\r\n\
ETag: W/\"5b8f0d7e6c3a49218e7d6c5b4a392817\"\r\n\
Vary: Accept-Encoding, Accept-Language\r\n\
Access-Control-Allow-Origin: *\r\n\
Access-Control-Expose-Headers: Link, X-Total-Count\r\n\
Link: <https://api.example.com/items?page=4>; rel=\"next\", <https://api.example.com/items?page=9>; rel=\"last\"\r\n\
X-Total-Count: 812\r\n\
X-Request-Id: 3f2b8c1d-9a47-4e0b-8d55-0c6f7b1e2a90\r\n\
X-RateLimit-Limit: 5000\r\n\
X-RateLimit-Remaining: 4987\r\n\
X-RateLimit-Reset: 784111777\r\n\
Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
Referrer-Policy: strict-origin-when-cross-origin\r\n\
Set-Cookie: session=0a6d5c9e8f7b4a3d2c1b0a99; Path=/; HttpOnly; Secure; SameSite=None\r\n\
Set-Cookie: csrftoken=Q2hyb21pdW0gMTMwIGlzIGEgYnJvd3Nlcg; Path=/; SameSite=Lax\r\n\r\n";

/// As many fields as a head may have, 150 bytes each, behind this start line.
fn full(start: &str, fields: &str) -> String {
    let mut head = format!("{start}\r\n{fields}");
    for number in fields.lines().count()..MAX_FIELDS {
        write!(head, "x-field-of-no-rule-{number:02}: {}\r\n", "v".repeat(128)).expect("a String takes all");
    }
    head + "\r\n"
}

/// The worst request: nominated fields make every other one be compared with them.
pub(super) fn full_request() -> String {
    let fields = "Host: api.example.com\r\nOrigin: https://app.example.com\r\nConnection: x-hop-1, x-hop-2, x-hop-3, x-hop-4\r\n";
    full("POST /items HTTP/1.1", &format!("{fields}Content-Length: 5\r\n"))
}

/// The worst response.
pub(super) fn full_answer() -> String {
    full(
        "HTTP/1.1 200 OK",
        "Connection: x-hop-1, x-hop-2, x-hop-3, x-hop-4\r\nContent-Length: 5\r\nVary: *\r\n",
    )
}

/// A request head with its bytes.
pub(super) struct Asked {
    bytes: Vec<u8>,
    head: RequestHead,
}

impl Asked {
    /// Parses a head that is right.
    pub(super) fn new(text: &str) -> Self {
        let mut end = HeadEnd::default();
        let len = end.find_request(text.as_bytes()).ok().flatten().expect("a complete head");
        let head = parse_request(text.as_bytes(), &end, len, MAX_FIELDS, Fields::default());
        Self { bytes: text.into(), head: head.expect("a head that is right") }
    }

    pub(super) const fn request(&self) -> Request<'_> {
        Request { bytes: self.bytes.as_slice(), head: &self.head }
    }
}

/// A response head with its bytes.
pub(super) struct Answered {
    bytes: Vec<u8>,
    head: ResponseHead,
}

impl Answered {
    /// Parses a head that is right.
    pub(super) fn new(text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        let mut end = HeadEnd::default();
        let len = end.find_response(&bytes).ok().flatten().expect("a complete head");
        let head = parse_response(&mut bytes, &end, len, MAX_FIELDS, Fields::default());
        Self { bytes, head: head.expect("a head that is right") }
    }

    pub(super) const fn response(&self) -> Response<'_> {
        Response { bytes: self.bytes.as_slice(), head: &self.head }
    }
}

/// The arguments of a policy with credentials, behind an upstream.
pub(super) const LIST: &[&str] = &[
    "--upstream=http://127.0.0.1:9001",
    "--allow-origin=https://admin.example.com,https://staging.example.com,https://app.example.com",
    "--allow-credentials",
];

/// The arguments of a policy for any origin, behind an upstream.
pub(super) const ANY: &[&str] = &["--upstream=http://127.0.0.1:9001"];

/// The arguments of a policy with as many patterns as somebody may think of; the last one matches.
pub(super) const PATTERNS: &[&str] = &[
    "--upstream=http://127.0.0.1:9001",
    "--allow-origin=https://*.example.org,https://*.example.net,https://*.test.example.com",
    "--allow-origin=~https://preview-[0-9]+[.]example[.]com",
    "--allow-origin=~https://[a-z]+[.]example[.]com",
];

/// The arguments of a gateway.
pub(super) const GATEWAY: &[&str] = &["--allow-target=public"];

/// The configuration of a command line.
pub(super) fn config(arguments: &[&str]) -> Config {
    let typed = std::iter::once("corsair").chain(arguments.iter().copied());
    let settings = flags::parse(typed.map(Into::into)).expect("flags that exist");
    let machine = Machine { descriptors: 20_000, cores: std::num::NonZeroUsize::MIN };
    compile(&settings, machine, None).unwrap_or_else(|faults| panic!("{faults:?}")).0
}
