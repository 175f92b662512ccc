//! Reads a tar stream, strictly: what two readers might take differently is refused.

mod blocks;
mod extension;
mod header;

use crate::releases::{
    placer::{Head, Placer, What},
    refusal::{cut, refused},
};
use blocks::Blocks;
use extension::Extensions;
use header::Header;
use model::failure::Failure;
use std::io::{self, Read};

/// Places all entries of a tar stream, and reads it to its end.
pub(in crate::releases) fn unpack(
    reader: &mut dyn Read,
    placer: &mut Placer<'_>,
) -> Result<(), Failure> {
    let mut blocks = Blocks::new(reader);
    let mut extensions = Extensions::default();
    while let Some(block) = blocks.head()? {
        let header = Header::parse(&block, blocks.after())?;
        if extensions.take(&header, &mut blocks)? {
            continue;
        }
        let head = head(header, &mut extensions)?;
        blocks.name(&head.path);
        match head.what {
            What::File { bytes } => {
                placer.place(&head, &mut blocks.data(bytes))?;
                blocks.skip_padding(bytes)?;
            }
            _ => placer.place(&head, &mut io::empty())?,
        }
    }
    if extensions.is_pending() {
        return Err(cut(blocks.after(), "is followed by attributes of nothing"));
    }
    blocks.expect_end()
}

fn head(header: Header, extensions: &mut Extensions) -> Result<Head, Failure> {
    let (kind, bytes, mode) = (header.kind, header.bytes, header.mode);
    let (path, link) = extensions.apply(header)?;
    let what = match kind {
        b'0' | 0 => What::File { bytes },
        b'1' => What::Copy { of: link },
        b'2' => What::Link { target: link },
        b'5' => What::Directory,
        b'3' | b'4' => return Err(refused(&path, "is a device")),
        b'6' => return Err(refused(&path, "is a FIFO")),
        b'S' => return Err(refused(&path, "is sparse").hint("pack it without --sparse")),
        b'M' => return Err(refused(&path, "is a part of a larger archive")),
        _ => return Err(refused(&path, "is neither a file, a directory nor a link")),
    };
    if !matches!(what, What::File { .. }) && bytes != 0 {
        return Err(refused(&path, "has content, but is no file"));
    }
    Ok(Head { path, mode, what })
}
