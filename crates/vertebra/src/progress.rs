//! How far long work is: on stderr, and only where somebody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that fills; nothing at all where stderr is no terminal.
pub(crate) struct Watched(ProgressBar);

impl Watched {
    /// A bar for `what`, counted in `unit`.
    pub(crate) fn new(what: &'static str, unit: &'static str) -> Watched {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {human_pos} of {human_len} {prefix} {eta}")
                .expect("the template is a constant that was tried");
        bar.set_style(style);
        bar.set_message(what);
        bar.set_prefix(unit);
        bar.enable_steady_tick(Duration::from_millis(200));
        Watched(bar)
    }

    /// So far of so many.
    pub(crate) fn at(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
