//! Parsed heads for the tests of this room and of the rooms above it.

use super::head::{
    Fields, HeadEnd, Request, RequestHead, Response, ResponseHead, parse_request, parse_response,
};
use crate::error::Error;

/// Fields that a head of a test may have.
pub(crate) const MAX_FIELDS: usize = 100;

/// A request head and the bytes it stands in.
#[derive(Debug)]
pub(crate) struct ParsedRequest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) head: RequestHead,
}

impl ParsedRequest {
    pub(crate) fn request(&self) -> Request<'_> {
        Request { bytes: &self.bytes, head: &self.head }
    }
}

/// A response head and the bytes it stands in.
#[derive(Debug)]
pub(crate) struct ParsedResponse {
    pub(crate) bytes: Vec<u8>,
    pub(crate) head: ResponseHead,
}

impl ParsedResponse {
    pub(crate) fn response(&self) -> Response<'_> {
        Response { bytes: &self.bytes, head: &self.head }
    }
}

/// The request head at the start of `bytes`, which must hold all of it.
pub(crate) fn try_request(bytes: impl Into<Vec<u8>>) -> Result<ParsedRequest, Error> {
    let bytes = bytes.into();
    let mut end = HeadEnd::default();
    let len = end.find_request(&bytes).map_err(super::head::HeadFault::in_request)?.expect("a complete head");
    let head = parse_request(&bytes, &end, len, MAX_FIELDS, Fields::default())?;
    Ok(ParsedRequest { bytes, head })
}

/// The response head at the start of `bytes`, which must hold all of it.
pub(crate) fn try_response(bytes: impl Into<Vec<u8>>) -> Result<ParsedResponse, Error> {
    let mut bytes = bytes.into();
    let mut end = HeadEnd::default();
    let len =
        end.find_response(&bytes).map_err(super::head::HeadFault::in_response)?.expect("a complete head");
    let head = parse_response(&mut bytes, &end, len, MAX_FIELDS, Fields::default())?;
    Ok(ParsedResponse { bytes, head })
}

/// A request head that is right.
pub(crate) fn request(bytes: impl Into<Vec<u8>>) -> ParsedRequest {
    let bytes = bytes.into();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    try_request(bytes).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// A response head that is right.
pub(crate) fn response(bytes: impl Into<Vec<u8>>) -> ParsedResponse {
    let bytes = bytes.into();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    try_response(bytes).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}
