//! Request and response heads as spans into the bytes that they were read from.
//!
//! httparse finds the fields; the rules that it leaves out are ours: every line ends in CRLF, the parts of
//! the first line are parted by single blanks, at most two empty lines stand before it, no 8-bit byte in the
//! target, no folding. In a request nothing is repaired; a response is read as every browser would read it.

mod fault;

mod message;

mod end;

mod start_line;

mod field_section;

mod parse;

mod whole;

#[cfg(test)]
mod tests;

pub use self::{
    end::HeadEnd,
    fault::HeadFault,
    field_section::{MAX_FIELDS, parse_fields},
    message::{Fields, Method, Request, RequestHead, Response, ResponseHead, Version},
    parse::{parse_request, parse_response},
    whole::{parse_whole_request, parse_whole_response},
};
