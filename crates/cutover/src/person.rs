//! Who asks.

use std::{env, fs};

/// The CI actor, the user behind `sudo`, the user, or the user's number.
pub fn name() -> String {
    let user = rustix::process::getuid().as_raw();
    let account = || account_name(&fs::read_to_string("/etc/passwd").unwrap_or_default(), user);
    ["GITHUB_ACTOR", "SUDO_USER", "USER"]
        .iter()
        .filter_map(|it| env::var(it).ok())
        .map(|it| it.trim().to_owned())
        .find(|it| !it.is_empty())
        .or_else(account)
        .unwrap_or_else(|| format!("uid {user}"))
}

fn account_name(accounts: &str, user: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == user).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::account_name;

    #[test]
    fn accounts_are_found_by_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(account_name(accounts, 1000).as_deref(), Some("ann"));
        assert_eq!(account_name(accounts, 7), None);
    }
}
