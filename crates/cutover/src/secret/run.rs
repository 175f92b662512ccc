//! A secret that a program prints.

use super::{not_found, too_large, without_line_end};
use config::secret::{NotFound, SECRET_BYTES_MAX};
use drivers::host::{self, Command};
use std::{env, path::Path, time::Duration};

/// A password manager may have to ask somebody.
const TIME_MAX: Duration = Duration::from_secs(60);

/// What the program writes to its standard output.  It runs as the caller would run it; nothing of
/// what it writes is ever shown.
pub(super) async fn output(argv: &[String], directory: &Path) -> Result<String, NotFound> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(not_found("its command is empty", "name a program"));
    };
    let mut command = Command::new(program, TIME_MAX).arguments(arguments);
    command.environment = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    command.directory = std::path::absolute(directory).ok();
    command.output_bytes_max = SECRET_BYTES_MAX + 1;
    let by_hand = || format!("run `{program}` by hand, with the same arguments");
    let finished = host::run(command).await.map_err(|failure| {
        let hint = failure.hints.first().cloned().unwrap_or_else(by_hand);
        not_found(format!("`{program}` could not be run"), hint)
    })?;
    if !finished.success {
        return Err(not_found(format!("`{program}` ended with {}", finished.how), by_hand()));
    }
    if finished.stdout.len() > SECRET_BYTES_MAX {
        return Err(too_large());
    }
    let text = String::from_utf8(finished.stdout)
        .map_err(|_| not_found(format!("`{program}` wrote no UTF-8"), by_hand()))?;
    Ok(without_line_end(&text).to_owned())
}
