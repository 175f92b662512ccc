//! Archives as releases: made by anybody, so nothing in them is trusted.

mod format;
pub(super) mod tar;
mod zip;

pub use format::{Format, HEAD_BYTES};

use super::{
    arrival::{self, Arrival},
    growth::{Growth, Intake, Outflow, is_at_end},
    limits::BYTES_MAX,
    placer::{Packer, Placer},
    refusal::{beyond, refused, unread},
};
use crate::file;
use flate2::bufread::GzDecoder;
use model::failure::{Blame, Failure};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    rc::Rc,
};

/// A window of 128 MiB: what a sender of hostile archives can make us hold.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const BUFFER_BYTES: usize = 128 * 1024;

/// Unpacks `reader` into `directory`, which is made.  A zip is first written to `spool`, which must
/// not exist, and is left there.
pub(super) fn unpack(
    format: Format,
    reader: impl Read,
    directory: &Path,
    spool: &Path,
    growth: &Rc<Growth>,
) -> Result<Arrival, Failure> {
    unpack_all(format, reader, directory, spool, growth).map_err(|failure| {
        if failure.blame == Blame::Request && failure.hints.is_empty() {
            failure.hint("make the archive anew without it, or name the unpacked directory")
        } else {
            failure
        }
    })
}

fn unpack_all(
    format: Format,
    reader: impl Read,
    directory: &Path,
    spool: &Path,
    growth: &Rc<Growth>,
) -> Result<Arrival, Failure> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, Intake::new(reader, growth));
    let mut head = vec![];
    let reading = input.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head);
    reading.map_err(|error| unread(b"", &error))?;
    format.expect(&head)?;
    let mut input = io::Cursor::new(head).chain(input);
    let mut placer = Placer::new(directory, Packer::Unknown, growth.clone())?;
    match format {
        Format::Tar => tar::unpack(&mut Outflow::new(&mut input, growth), &mut placer)?,
        Format::TarGz => {
            let mut decoder = GzDecoder::new(input);
            tar::unpack(&mut Outflow::new(&mut decoder, growth), &mut placer)?;
            expect_end(&mut decoder.into_inner())?;
        }
        Format::TarZst => unpack_zst(input, growth, &mut placer)?,
        Format::Zip => zip::unpack(&spooled(&mut input, spool)?, growth, &mut placer)?,
    }
    arrival::of_archive(placer.finish(), directory)
}

fn unpack_zst(
    input: impl BufRead,
    growth: &Rc<Growth>,
    placer: &mut Placer<'_>,
) -> Result<(), Failure> {
    let odd = |error: io::Error| unread(b"", &error);
    let mut decoder = zstd::Decoder::with_buffer(input).map_err(odd)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(odd)?;
    tar::unpack(&mut Outflow::new(&mut decoder, growth), placer).map_err(|failure| {
        if failure.message.contains("requires too much memory") {
            failure.hint("compress it with a window of at most 128 MiB, without --ultra or --long")
        } else {
            failure
        }
    })?;
    expect_end(&mut decoder.finish())
}

/// Of what is compressed there is one piece, and nothing after it.
fn expect_end(input: &mut dyn BufRead) -> Result<(), Failure> {
    if is_at_end(input).map_err(|error| unread(b"", &error))? {
        return Ok(());
    }
    Err(refused(b"", "goes on after the end of what is compressed")
        .hint("make one archive, compressed in one piece"))
}

/// All of a zip as a file: where it begins is told at its end.
fn spooled(input: &mut dyn Read, spool: &Path) -> Result<File, Failure> {
    let unwritten = |error: io::Error| file::failure("write", spool, &error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(file::MODE_PRIVATE)
        .open(spool)
        .map_err(unwritten)?;
    let mut chunk = vec![0; BUFFER_BYTES];
    let mut bytes = 0_u64;
    loop {
        let read = match input.read(&mut chunk) {
            Ok(0) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| unread(b"", &error))?,
        };
        bytes += read as u64;
        if bytes > BYTES_MAX {
            return Err(beyond(&format!("more than {BYTES_MAX} bytes")));
        }
        file.write_all(&chunk[..read]).map_err(unwritten)?;
    }
}
