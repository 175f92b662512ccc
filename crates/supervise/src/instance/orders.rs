//! What is asked over the socket, and the answers.

use super::{Instance, ending::signal_group};
use crate::{
    message::{Answer, Ask},
    own_log, place, process,
    socket::ClientId,
    spec::Restart,
    whole_file,
};
use rustix::process::Signal;
use std::time::Instant;

impl Instance {
    /// Takes every whole line of this client.
    pub(super) fn listen_to(&mut self, client: ClientId) {
        for line in self.server.receive(client) {
            let answer = match serde_json::from_slice::<Ask>(&line) {
                Ok(ask) => self.take_ask(client, ask),
                Err(error) => Some(Answer::Refused { message: format!("not understood: {error}") }),
            };
            if let Some(answer) = answer {
                self.server.answer(client, &answer);
            }
        }
    }

    /// None where the answer comes later.
    fn take_ask(&mut self, client: ClientId, ask: Ask) -> Option<Answer> {
        let (Ask::Stop { epoch }
        | Ask::Restart { epoch, .. }
        | Ask::Signal { epoch, .. }
        | Ask::Tell { epoch, .. }) = ask
        else {
            return Some(Answer::Status(self.current_status().clone()));
        };
        if let Err(highest) = self.epoch.admit(epoch) {
            let message =
                format!("a newer controller has spoken: epoch {epoch} is below {highest}");
            return Some(Answer::Refused { message });
        }
        match ask {
            Ask::Restart { restart, .. } => Some(self.set_restart(restart)),
            Ask::Signal { signal, .. } => Some(self.pass_on(signal)),
            Ask::Tell { signal, .. } => Some(self.tell(signal)),
            _ => {
                self.server.let_wait(client);
                self.stop(Some(client));
                None
            }
        }
    }

    /// One that has ended already needs no signal.
    fn pass_on(&self, signal: i32) -> Answer {
        match (Signal::from_named_raw(signal), &self.running) {
            (None, _) => Answer::Refused { message: format!("there is no signal {signal}") },
            (Some(signal), Some(running)) => {
                signal_group(running.process, signal);
                Answer::Taken
            }
            (Some(_), None) => Answer::Taken,
        }
    }

    /// The child alone: whether its own children hear of it is its business.  To one that has
    /// ended there is nothing to say.
    fn tell(&self, number: i32) -> Answer {
        let Some(signal) = Signal::from_named_raw(number) else {
            return Answer::Refused { message: format!("{number} is no signal") };
        };
        if let Some(running) = &self.running {
            process::send(running.process, signal);
        }
        Answer::Taken
    }

    /// Kept on disk as well, for whoever takes over.
    fn set_restart(&mut self, restart: Restart) -> Answer {
        if self.stopping.is_some() {
            return Answer::Refused { message: "it is being stopped".to_owned() };
        }
        self.spec.restart = restart;
        let path = self.place.file(place::SPEC);
        let written = serde_json::to_vec(&self.spec)
            .map_err(std::io::Error::from)
            .and_then(|text| whole_file::write(&path, &text));
        if let Err(error) = written {
            own_log::note(&format!("the restart policy is not on disk: {error}"));
        }
        match restart {
            Restart::Never => self.start_at = None,
            Restart::Always if self.running.is_none() && self.start_at.is_none() => {
                self.start_at = Some(Instant::now());
            }
            Restart::Always => {}
        }
        Answer::Taken
    }
}
