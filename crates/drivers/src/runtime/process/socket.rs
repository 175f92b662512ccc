//! Where instances that listen at Unix sockets make them.

use crate::{file, layout::Layout};
use model::{
    failure::{Blame, Failure},
    id::InstanceId,
};
use proxy::limits::SOCKET_PATH_BYTES_MAX;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};
use supervise::spec::User;

/// Who serves others goes through these directories, and cannot list them.
const MODE_PASSED_THROUGH: u32 = 0o711;

/// Makes the directory in which the instance makes its socket, as its user's own.
pub(super) fn prepare(
    layout: &Layout,
    instance: &InstanceId,
    socket: &Path,
    user: Option<User>,
) -> Result<(), Failure> {
    let length = socket.as_os_str().len();
    if length > SOCKET_PATH_BYTES_MAX {
        let message = format!(
            "let {instance} listen at a socket: its path {} has {length} bytes, and the system \
             allows {SOCKET_PATH_BYTES_MAX}",
            socket.display()
        );
        return Err(Failure::new(Blame::Request, message)
            .hint("use a state directory with a shorter path (`--root`), or `listen: port`"));
    }
    let directory = layout.socket_directory(instance);
    let failed = |error| file::failure("make the directory", &directory, &error);
    let above = directory.parent().unwrap_or(&directory);
    file::make_directory(above, MODE_PASSED_THROUGH).map_err(failed)?;
    // What lies there is of an earlier attempt, and its user's to fill.
    file::remove_tree(&directory).map_err(failed)?;
    file::make_directory(&directory, file::MODE_PRIVATE_DIRECTORY).map_err(failed)?;
    if let Some(User { uid, gid }) = user {
        chown(&directory, Some(uid), Some(gid)).map_err(failed)?;
    }
    let mode = fs::Permissions::from_mode(MODE_PASSED_THROUGH);
    fs::set_permissions(&directory, mode).map_err(failed)
}

/// Removes what the instance had there, if anything.
pub(super) fn remove(layout: &Layout, instance: &InstanceId) -> Result<(), Failure> {
    let directory = layout.socket_directory(instance);
    file::remove_tree(&directory).map_err(|error| file::failure("remove", &directory, &error))
}
