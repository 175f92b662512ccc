//! Tells a deployment as it goes on, to whoever reads.

use super::{
    Manner, Ui,
    figure::{self, bytes},
    json,
    live::Live,
    plain,
};
use crate::story::{Beat, Story};
use daemon::api::words::Place;
use model::deployment::Progress;
use std::time::{Duration, Instant};

/// Nothing is silent for longer.
pub const SILENCE_MAX: Duration = Duration::from_millis(2900);
/// As [`SILENCE_MAX`], once it is known that something takes long.
const LONG_SILENCE_MAX: Duration = Duration::from_secs(15);
/// From then on it is known.
const LONG: Duration = Duration::from_secs(60);

/// Tells a deployment as it goes on.
pub struct View<'u> {
    ui: &'u Ui,
    live: Option<Live>,
    /// All that was told.
    pub story: Story,
    /// What is waited for where the news do not say.
    doing: String,
    doing_since: Instant,
    last_line: Instant,
    /// Programs get one object at the end, and nothing before it.
    at_last: bool,
}

impl<'u> View<'u> {
    /// Begins with what is done before there are news.
    pub fn new(ui: &'u Ui, doing: &str) -> View<'u> {
        let mut live = (ui.manner == Manner::Live).then(|| Live::new(ui.paint));
        if let Some(live) = &mut live {
            live.doing(doing);
        }
        let now = Instant::now();
        let story = Story::default();
        let doing = doing.to_owned();
        View { ui, live, story, doing, doing_since: now, last_line: now, at_last: false }
    }

    /// As [`View::new`], where programs get one object at the end, and nothing before it.
    pub fn of_one_object(ui: &'u Ui, doing: &str) -> View<'u> {
        View { at_last: true, ..View::new(ui, doing) }
    }

    /// Something else is done now.
    pub fn doing(&mut self, doing: &str) {
        if self.doing == doing {
            return;
        }
        doing.clone_into(&mut self.doing);
        self.doing_since = Instant::now();
        if let Some(live) = &mut self.live {
            live.doing(doing);
        }
    }

    /// How far content is sent.
    pub fn sent(&mut self, sent: u64, total: Option<u64>) {
        if let Some(live) = &mut self.live {
            let total = total.map(|it| format!("/{}", bytes(it.max(sent)))).unwrap_or_default();
            live.detail(&format!("{}{total}", bytes(sent)));
        }
    }

    /// All content is sent.
    pub fn sent_all(&mut self, sent: u64, total: Option<u64>, left_out: &str) {
        if self.ui.is_json() {
            if !self.at_last {
                self.ui.out.line(&json::upload(sent, total, figure::now_ms()));
            }
        } else {
            let took = u64::try_from(self.doing_since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let took = self.ui.paint.dim(&figure::duration(took));
            let tick = self.ui.paint.good("✓");
            self.say(&format!("{tick} upload {}{left_out} {took}", bytes(sent)));
        }
    }

    /// A place in the queue, where it changed.
    pub fn queued(&mut self, place: &Place, waited_ms: u64) {
        if self.ui.is_json() {
            self.ui.out.line(&json::waiting(place, waited_ms, figure::now_ms()));
            return;
        }
        let (position, count) = (place.position, place.queue.len().max(place.position));
        self.note(&format!("waiting for the lock: place {position} of {count}"));
    }

    /// A line besides the news.
    pub fn note(&mut self, text: &str) {
        match self.ui.manner {
            Manner::Json if self.at_last => (),
            Manner::Json => self.ui.note(text),
            _ => self.say(&format!("  {text}")),
        }
    }

    /// Tells a line of news.
    pub fn tell(&mut self, progress: &Progress) {
        let beats = self.story.take(progress);
        if self.ui.is_json() {
            self.ui.out.line(&json::progress(progress, &self.story));
            return;
        }
        if self.ui.verbose
            && let Some(text) = plain::step(progress)
        {
            self.say_at(&text, progress.at_ms);
        }
        for beat in beats {
            // On a terminal a note is about what goes on: it stands beside it.
            if let (Beat::Note(text), Some(live)) = (&beat, &mut self.live)
                && !self.ui.verbose
            {
                live.detail(&self.ui.paint.dim(&daemon::logs::plain(text)));
                continue;
            }
            if let Some(text) = plain::line(&beat, &self.story, &self.ui.paint) {
                self.say_at(&text, progress.at_ms);
            }
        }
        if let Some(live) = &mut self.live {
            live.follow(&self.story);
        }
        // Each phase is waited for anew.
        self.doing_since = Instant::now();
        if let Some(phase) = self.story.current() {
            self.doing = phase.title();
        }
    }

    /// To be called often: says that it still waits, where nothing was said for long.
    pub fn tick(&mut self) {
        self.live.iter().for_each(Live::draw);
        if self.ui.manner != Manner::Plain {
            return;
        }
        let waited = self.doing_since.elapsed();
        let silence_max = if waited > LONG { LONG_SILENCE_MAX } else { SILENCE_MAX };
        if self.last_line.elapsed() >= silence_max {
            let ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            self.say(&plain::waiting(&self.doing.clone(), ms));
        }
    }

    /// Clears what changes, so that somebody may be asked.
    pub fn hide(&self) {
        self.live.iter().for_each(Live::hide);
    }

    /// Goes on after [`View::hide`].
    pub fn show(&self) {
        self.live.iter().for_each(Live::show);
    }

    /// Ends what changes; what follows is printed below.
    pub fn finish(mut self) -> Story {
        self.live = None;
        self.story
    }

    fn say(&mut self, text: &str) {
        self.say_at(text, figure::now_ms());
    }

    fn say_at(&mut self, text: &str, at_ms: u64) {
        self.last_line = Instant::now();
        match (self.ui.manner, &self.live) {
            (Manner::Live, Some(live)) => live.line(text),
            (Manner::Plain | Manner::Live, _) => {
                self.ui.out.line(&plain::timed(text, at_ms, &self.ui.clock, &self.ui.paint));
            }
            (Manner::Json | Manner::Quiet, _) => (),
        }
    }
}
