//! What the controller is asked about one-off processes.

use super::{ANSWER_WAIT, CallError, Controller, TAKE_WAIT, call, empty, json};
use daemon::{
    api::one_offs::{Shown, Signal},
    one_off::Cursor,
};
use http_body_util::BodyExt;
use hyper::Method;
use model::one_off::{Asked, OneOff};

impl Controller {
    /// Runs a command once.  Asking again for the same id is harmless.
    ///
    /// # Errors
    ///
    /// Where it is refused.
    pub async fn run_once(&self, asked: &Asked) -> Result<OneOff, CallError> {
        self.ask(Method::POST, "/v1/one-offs", json(asked)?, TAKE_WAIT).await
    }

    /// All that run, and those that ended not long ago.
    ///
    /// # Errors
    ///
    /// Where nobody answers.
    pub async fn one_offs(&self) -> Result<Vec<Shown>, CallError> {
        self.ask(Method::GET, "/v1/one-offs", empty(), ANSWER_WAIT).await
    }

    /// What one writes, and how it ends.
    ///
    /// # Errors
    ///
    /// Where there is none of this id.
    pub async fn output(
        &self,
        id: &str,
        out: Cursor,
        error: Cursor,
    ) -> Result<call::Lines, CallError> {
        let place = |it: Cursor| format!("{}:{}", it.inode, it.position);
        let path = format!("/v1/one-offs/{id}/output?out={}&error={}", place(out), place(error));
        let response = call(&self.root, Method::GET, &path, None, empty(), ANSWER_WAIT).await?;
        call::lines(response).await
    }

    /// Sends one a signal.
    ///
    /// # Errors
    ///
    /// Where there is none of this id.
    pub async fn signal_once(&self, id: &str, signal: i32) -> Result<(), CallError> {
        let path = format!("/v1/one-offs/{id}/signal");
        self.order(&path, json(&Signal { signal })?).await
    }

    /// Stops one; returns when it has ended.
    ///
    /// # Errors
    ///
    /// Where there is none of this id, or it does not end.
    pub async fn stop_once(&self, id: &str) -> Result<(), CallError> {
        self.order(&format!("/v1/one-offs/{id}/stop"), empty()).await
    }

    async fn order(&self, path: &str, body: call::Body) -> Result<(), CallError> {
        let response = call(&self.root, Method::POST, path, None, body, TAKE_WAIT).await?;
        // The status was the answer.
        let _ = response.into_body().collect().await;
        Ok(())
    }
}
