//! HTTP/2 without a socket.  Frames and streams are the `h2` crate's; here a request becomes the
//! bytes that [`crate::http1`] judges, an answer in HTTP/1.1 becomes fields and data again, and
//! frames are counted.

pub mod meter;
pub mod request;
pub mod response;
