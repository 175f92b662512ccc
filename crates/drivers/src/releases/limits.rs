//! How much may arrive, whoever sends it.

use std::time::Duration;

/// Files, directories and links.
pub const ENTRIES_MAX: usize = 200_000;
/// Of one path, and of one link's target.
pub const PATH_BYTES_MAX: usize = 4096;
/// Directories above a file, and itself.
pub const DEPTH_MAX: usize = 64;
/// Sum of all files; also of an archive itself.
pub const BYTES_MAX: u64 = 8 << 30;
/// Sum of all paths and links' targets: they are held in memory.
pub const NAMES_BYTES_MAX: usize = 64 << 20;
/// Of what comes out of an archive for each byte of it.
pub const RATIO_MAX: u64 = 200;
/// So much may come out of any archive, however small: padding alone shrinks very well.
pub const RATIO_FREE_BYTES: u64 = 16 << 20;
/// Of one archive, from its first byte to its last file.
pub const UNPACK_TIME_MAX: Duration = Duration::from_secs(60 * 60);

/// Of a whole tar stream: its files, and the heads and padding between them.
pub(super) const STREAM_BYTES_MAX: u64 = BYTES_MAX + (1 << 30);
