//! `cert`

use clap::{Args, Subcommand};

/// `cert`
#[derive(Debug, Args)]
#[command(
    after_help = "The proxy reads certificates again by itself within seconds of a change.  One that
cannot be presented changes nothing: the one before it is presented on, and
`status` says why.

Certificates of an authority (`proxy: { https: { acme: … } }`) are renewed by the
controller when two thirds of their time are over.

Exit codes: 0 all are in order, 2 at least one is not."
)]
pub struct Cert {
    #[command(subcommand)]
    pub act: CertAct,
}

/// What is to be done with certificates.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CertAct {
    /// Look at those of the configuration as they lie on disk; nothing is changed.
    Check,
    /// Have the proxy take what the configuration says of TLS, and read all certificates again.
    Reload,
    /// Show what the proxy presents, where it is from, and when it is renewed.
    List,
    /// Have an authority issue a certificate now, and wait for it.
    Renew {
        /// Of this host, however long its certificate is good.  Without it: of all that are due, or
        /// failed.
        host: Option<String>,
    },
}
