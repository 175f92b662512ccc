//! The thread that holds the writer, and the way to it.

use crate::writer::Writer;
use model::failure::{Blame, Failure};
use std::{
    io,
    thread::{self, JoinHandle},
};
use tokio::sync::{mpsc, oneshot};

/// Calls that may wait for the thread; then callers wait for room.
const CALLS_MAX: usize = 256;

type Call = Box<dyn FnOnce(&mut Writer) + Send>;

/// The way to the writer.  Dropping it ends the thread after the calls that wait.
#[derive(Debug)]
pub struct Queue {
    calls: Option<mpsc::Sender<Call>>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the thread.
    pub fn start(mut writer: Writer) -> io::Result<Queue> {
        let (calls, mut waiting) = mpsc::channel::<Call>(CALLS_MAX);
        let work = move || {
            while let Some(call) = waiting.blocking_recv() {
                call(&mut writer);
            }
        };
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(work)?;
        Ok(Queue { calls: Some(calls), thread: Some(thread) })
    }

    /// Has the thread do it.  It is done also where the caller does not wait for the answer.
    pub async fn call<T, F>(&self, act: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writer) -> Result<T, Failure> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |writer| {
            // Nobody may wait for it any more.
            let _ = answer.send(act(writer));
        });
        let gone = || Failure::new(Blame::Us, "reach the journal: its thread has ended");
        let calls = self.calls.as_ref().ok_or_else(gone)?;
        calls.send(call).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            // It says of its own panic; here only its end counts, with which the lock is free.
            let _ = thread.join();
        }
    }
}
