//! How far long work is: on stderr, and only where somebody watches.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
    time::Duration,
};

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

    /// So far of so many. Where nobody knows how many, as of standard input, say none.
    pub(crate) fn at(&self, done: u64, total: u64) {
        self.0.set_length(total.max(done));
        self.0.set_position(done);
    }
}

/// How many bytes were read, while another reads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct BytesRead(Rc<Cell<u64>>);

impl BytesRead {
    /// So far.
    pub(crate) fn so_far(&self) -> u64 {
        self.0.get()
    }

    /// Counts what is read from `source`.
    pub(crate) fn of<R: Read>(&self, source: R) -> Counted<R> {
        Counted { source, read: self.clone() }
    }
}

/// See [`BytesRead::of`].
pub(crate) struct Counted<R> {
    source: R,
    read: BytesRead,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read.0.set(self.read.0.get() + read as u64);
        Ok(read)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
