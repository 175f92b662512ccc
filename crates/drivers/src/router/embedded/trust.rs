//! Tells the proxy whose word on clients counts.

use super::{EmbeddedRouter, ask::ANSWER_WAIT};
use crate::file;
use model::failure::{Blame, Failure};
use proxy::{
    control::{Answer, Ask},
    trusted::{trusted_path, trusted_text},
};

impl EmbeddedRouter {
    /// The file is what counts: a proxy that starts later reads it.
    pub(super) fn trust_now(&self, peers: &[String]) -> Result<(), Failure> {
        let root = self.layout().root();
        let wrong =
            |why| Failure::new(Blame::Request, format!("trust the proxies in front: {why}"));
        let text = trusted_text(peers).map_err(wrong)?;
        let path = trusted_path(root);
        if file::read(&path).is_ok_and(|it| it.as_deref() == Some(&text)) {
            return Ok(());
        }
        file::make_directory(&self.layout().proxy(), file::MODE_PRIVATE_DIRECTORY)
            .and_then(|()| file::write(&path, &text, file::MODE_PRIVATE))
            .map_err(|error| file::failure("write", &path, &error))?;
        match proxy::client::ask(root, &Ask::Trust, ANSWER_WAIT) {
            Ok(Answer::Trusts) => Ok(()),
            Ok(Answer::Refused { message, .. }) => {
                let message = format!("trust the proxies in front: {message}");
                // It may be of an earlier build, and must not hold up a deployment.
                tracing::warn!(message, "the proxy reads the list when it starts again");
                Ok(())
            }
            Ok(_) => Err(wrong("the proxy gave another answer".to_owned())),
            Err(error) => {
                Err(Failure::new(Blame::Platform, format!("trust the proxies in front: {error}")))
            }
        }
    }
}
