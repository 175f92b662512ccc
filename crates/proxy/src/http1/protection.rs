//! Headers that tell browsers to be careful, where an application does not set them itself.

use super::request::write_field;

/// With what stands for each where it is missing.
const FIELDS: [(&str, &[u8]); 3] = [
    ("x-content-type-options", b"nosniff"),
    ("x-frame-options", b"SAMEORIGIN"),
    ("referrer-policy", b"strict-origin-when-cross-origin"),
];
const TRANSPORT: &str = "strict-transport-security";

/// What is added to the head of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// The three that concern what a browser does with a page.
    pub fields: bool,
    /// How long a browser shall use TLS only, in seconds; 0: nothing is said.
    pub hsts_s: u64,
}

impl Protection {
    /// Appends what is not there.
    pub fn write(self, out: &mut Vec<u8>, is_there: impl Fn(&str) -> bool) {
        if self.fields {
            for (name, value) in FIELDS {
                if !is_there(name) {
                    write_field(out, name, value);
                }
            }
        }
        if self.hsts_s > 0 && !is_there(TRANSPORT) {
            write_field(out, TRANSPORT, format!("max-age={}", self.hsts_s).as_bytes());
        }
    }
}
