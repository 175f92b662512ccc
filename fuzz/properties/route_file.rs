//! A route file: whatever says that it is one is read without harm, and comes back the same.

use proxy::route_file::{RouteFile, RouteFileError};
use std::path::Path;

/// Panics where it does not hold for these bytes.
pub fn hold(bytes: &[u8]) {
    let path = Path::new("shop.production.json");
    // As it stands: refused, or what its checksum is of.
    if let Ok(file) = RouteFile::parse(bytes, path) {
        comes_back(&file, path);
    }
    // With a checksum that fits, so that what lies behind it is reached too.
    let Ok(file) = serde_json::from_slice::<RouteFile>(bytes) else { return };
    comes_back(&file.seal(), path);
}

fn comes_back(file: &RouteFile, path: &Path) {
    let text = serde_json::to_vec_pretty(file).expect("it has a form in JSON");
    match RouteFile::parse(&text, path) {
        Ok(again) => assert_eq!(&again, file),
        Err(RouteFileError::Unfit { reason, .. }) => assert!(!reason.is_empty()),
        Err(other) => panic!("{other}"),
    }
}
