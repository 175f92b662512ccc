//! The extra fields of a zip entry.

use super::fields::Fields;

const LARGE: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;
const STRONG_ENCRYPTION: u16 = 0x0017;
const AES_ENCRYPTION: u16 = 0x9901;

/// What matters of them.
#[derive(Debug, Default)]
pub(super) struct Extra<'a> {
    /// Sizes that do not fit into 32 bits.
    pub(super) large: Option<Fields<'a>>,
    /// Another name for it.
    pub(super) unicode_path: Option<&'a [u8]>,
    pub(super) is_encrypted: bool,
}

impl<'a> Extra<'a> {
    /// None where they are broken, or say the same thing twice.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Extra<'a>> {
        let mut extra = Extra::default();
        let mut fields = Fields::new(bytes);
        while !fields.is_empty() {
            let (kind, length) = (fields.u16()?, fields.u16()?);
            let data = fields.bytes(length.into())?;
            match kind {
                LARGE if extra.large.is_none() => extra.large = Some(Fields::new(data)),
                // A version and a checksum of the name come first.
                UNICODE_PATH if extra.unicode_path.is_none() => {
                    extra.unicode_path = Some(data.get(5..)?);
                }
                LARGE | UNICODE_PATH => return None,
                STRONG_ENCRYPTION | AES_ENCRYPTION => extra.is_encrypted = true,
                _ => {}
            }
        }
        Some(extra)
    }
}
