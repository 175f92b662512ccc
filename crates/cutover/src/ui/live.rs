//! Lines that change, on a terminal: what is done scrolls away above what goes on.

use super::{figure::duration, paint::Paint};
use crate::story::{Phase, PhaseState, Story};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// How often elapsed times are drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Words of phases to come that are shown.
const TO_COME_MAX: usize = 10;

/// The two last lines of the terminal.
pub struct Live {
    bars: MultiProgress,
    now: ProgressBar,
    to_come: ProgressBar,
    since: Instant,
    title: String,
    detail: String,
    paint: Paint,
}

impl Live {
    /// Draws on stdout.
    pub fn new(paint: Paint) -> Live {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let now = bars.add(ProgressBar::new_spinner());
        now.set_style(style("{spinner} {wide_msg}"));
        let to_come = bars.add(ProgressBar::new_spinner());
        to_come.set_style(style("  {wide_msg}"));
        let live = Live {
            bars,
            now,
            to_come,
            since: Instant::now(),
            title: String::new(),
            detail: String::new(),
            paint,
        };
        live.now.enable_steady_tick(DRAW_EVERY);
        live
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        // It fails where the terminal is gone: then nobody reads it.
        let _ = self.bars.println(text);
    }

    /// What goes on now.
    pub fn doing(&mut self, title: &str) {
        if self.title != title {
            title.clone_into(&mut self.title);
            self.detail.clear();
            self.since = Instant::now();
        }
        self.draw();
    }

    /// What is to be said of it.
    pub fn detail(&mut self, detail: &str) {
        detail.clone_into(&mut self.detail);
        self.draw();
    }

    /// Draws elapsed times anew.
    pub fn draw(&self) {
        let took = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let took = self.paint.dim(&duration(took));
        let text = format!("{} {took} {}", self.title, self.detail);
        self.now.set_message(text.trim_end().to_owned());
    }

    /// By what is known of the deployment.
    pub fn follow(&mut self, story: &Story) {
        if let Some(phase) = story.current() {
            let undo = if phase.state == PhaseState::Undoing { "undoing " } else { "" };
            let (done, all) = phase.count();
            let count = if all > 1 { format!(" {done}/{all}") } else { String::new() };
            self.doing(&format!("{undo}{}{count}", phase.title()));
        }
        let pending = story.phases.iter().filter(|it| it.state == PhaseState::Pending);
        let words: Vec<&str> = pending.map(|it| it.word.as_str()).collect();
        let shown = &words[..words.len().min(TO_COME_MAX)];
        let more = if words.len() > shown.len() { " · …" } else { "" };
        let back = |it: &Phase| matches!(it.state, PhaseState::Undoing | PhaseState::Undone);
        let turned_back = story.failed.is_some() || story.phases.iter().any(back);
        let text = if shown.is_empty() || turned_back {
            String::new()
        } else {
            self.paint.dim(&format!("then {}{more}", shown.join(" · ")))
        };
        self.to_come.set_message(text);
    }

    /// Clears what changes, so that somebody may be asked.
    pub fn hide(&self) {
        self.now.disable_steady_tick();
        let _ = self.bars.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Draws again after [`Live::hide`].
    pub fn show(&self) {
        self.bars.set_draw_target(ProgressDrawTarget::stdout());
        self.now.enable_steady_tick(DRAW_EVERY);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.now.finish_and_clear();
        self.to_come.finish_and_clear();
        let _ = self.bars.clear();
    }
}
