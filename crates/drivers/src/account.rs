//! The machine's users, by name.

use model::failure::{Blame, Failure};
use std::{fs, path::PathBuf};

const ACCOUNTS: &str = "/etc/passwd";

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: PathBuf,
}

/// Looks a user up.
pub(crate) fn account(user: &str) -> Result<Account, Failure> {
    let text = fs::read_to_string(ACCOUNTS).map_err(|error| {
        Failure::new(Blame::Platform, format!("look user `{user}` up in {ACCOUNTS}: {error}"))
    })?;
    find(&text, |name, _| name == user).ok_or_else(|| {
        let message = format!("run as `{}`: there is no such user here", user.escape_debug());
        Failure::new(Blame::Request, message)
            .hint(format!("add the user to {ACCOUNTS}, or change `user` in the configuration"))
    })
}

/// The one we run as; `/` is the home of a user without an account.
pub(crate) fn own_home() -> PathBuf {
    let own = rustix::process::geteuid().as_raw();
    let text = fs::read_to_string(ACCOUNTS).unwrap_or_default();
    find(&text, |_, uid| uid == own).map_or_else(|| PathBuf::from("/"), |it| it.home)
}

fn find(accounts: &str, wanted: impl Fn(&str, u32) -> bool) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        wanted(name, uid).then(|| Account { uid, gid, home: PathBuf::from(home) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let text = "# a comment\nroot:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/false\n";
        let web = Account { uid: 33, gid: 34, home: PathBuf::from("/var/www") };
        assert_eq!(find(text, |name, _| name == "web"), Some(web.clone()));
        assert_eq!(find(text, |_, uid| uid == 33), Some(web));
        assert_eq!(find(text, |name, _| name == "we"), None);
    }

    #[test]
    fn an_unknown_user_is_the_requests_fault() {
        let failure = account("nobody-of-this-name").unwrap_err();
        assert_eq!(failure.blame, Blame::Request);
    }
}
