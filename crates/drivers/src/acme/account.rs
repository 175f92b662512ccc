//! Who we are to an authority: a key, and the name it gave us.

use super::{order::Trouble, wire::Wire};
use crate::file;
use instant_acme::{Account, AccountCredentials, NewAccount};
use model::edge::Acme;
use proxy::challenge::acme_directory;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The format this build writes and reads.
const FORMAT: u32 = 1;

/// `ROOT/proxy/acme/account.json`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    format: u32,
    /// Of the authority whose account it is.
    directory: String,
    email: Option<String>,
    credentials: AccountCredentials,
}

/// The one that is kept, or else a new one.
pub(super) async fn open(root: &Path, acme: &Acme, wire: &Wire) -> Result<Account, Trouble> {
    let path = path(root);
    let bytes = file::read(&path)
        .map_err(|error| Trouble::of(format!("{} cannot be read: {error}", path.display())))?;
    // A damaged one is no account: a new one costs nothing but a request.
    let kept = bytes.and_then(|it| serde_json::from_slice::<AccountFile>(&it).ok());
    let kept = kept.filter(|it| {
        it.format == FORMAT && it.directory == acme.directory && it.email == acme.email
    });
    match kept {
        Some(kept) => Account::builder_with_http(Box::new(wire.clone()))
            .from_credentials(kept.credentials)
            .await
            .map_err(|error| Trouble::asked(&error, wire)),
        None => make(root, acme, wire).await,
    }
}

/// A new one, which is kept from now on.
pub(super) async fn make(root: &Path, acme: &Acme, wire: &Wire) -> Result<Account, Trouble> {
    let contact = acme.email.as_ref().map(|it| format!("mailto:{it}"));
    let contacts: Vec<&str> = contact.iter().map(String::as_str).collect();
    // The configuration is refused where it does not say so.
    let wanted = NewAccount {
        contact: &contacts,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = Account::builder_with_http(Box::new(wire.clone()))
        .create(&wanted, acme.directory.clone(), None)
        .await
        .map_err(|error| Trouble::asked(&error, wire))?;
    let (directory, email) = (acme.directory.clone(), acme.email.clone());
    let kept = AccountFile { format: FORMAT, directory, email, credentials };
    let path = path(root);
    let written = serde_json::to_vec(&kept).map_err(io::Error::from);
    written
        .and_then(|text| file::write(&path, &text, file::MODE_PRIVATE))
        .map_err(|error| Trouble::of(format!("{} cannot be written: {error}", path.display())))?;
    tracing::info!(directory = acme.directory, "an account was made");
    Ok(account)
}

fn path(root: &Path) -> PathBuf {
    acme_directory(root).join("account.json")
}
