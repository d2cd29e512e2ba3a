//! Short texts without allocation.

use std::fmt;

/// A text of at most `N` bytes, kept in place: a city's codes and keys are many and short.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

/// A code: facility, commune, group, route, ICD-10.
pub type Short = Text<7>;
/// A record key or a form number.
pub type Key = Text<31>;

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Text<N> = Text { length: 0, bytes: [0; N] };

    /// The text.
    ///
    /// # Panics
    /// When it has more than `N` bytes: the caller chooses the type by what it keeps in it.
    #[must_use]
    pub fn new(text: &str) -> Text<N> {
        let mut new = Text::EMPTY;
        new.bytes[..text.len()].copy_from_slice(text.as_bytes());
        new.length = text.len() as u8;
        new
    }

    /// The text, if it has no more than `N` bytes.
    #[must_use]
    pub fn fitting(text: &str) -> Option<Text<N>> {
        (text.len() <= N).then(|| Text::new(text))
    }

    /// As a slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("made of a str or of ASCII alone")
    }

    /// Its bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends ASCII text.
    pub(crate) fn push(&mut self, text: &[u8]) {
        let end = usize::from(self.length) + text.len();
        self.bytes[usize::from(self.length)..end].copy_from_slice(text);
        self.length = end as u8;
    }

    /// Appends `number` with at least `width` digits.
    pub(crate) fn push_number(&mut self, number: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        let mut rest = number;
        while rest > 0 || digits.len() - at < width {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.push(&digits[at..]);
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Text::EMPTY
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        Text::new(text)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}
