//! Sets of days, as the intervals they are made of.

use contract::Day;
use smallvec::SmallVec;
use timeline::Axis;

/// An interval of days: `until` is the first day outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first day inside.
    pub from: Day,
    /// The first day outside.
    pub until: Day,
}

impl Span {
    /// The days that are in both; empty (`until <= from`) where there are none.
    #[must_use]
    #[inline]
    pub fn and(self, other: Span) -> Span {
        Span { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    /// Whether there is no day in it.
    #[must_use]
    #[inline]
    pub fn is_empty(self) -> bool {
        self.until <= self.from
    }

    /// Whether `day` is inside.
    #[must_use]
    #[inline]
    pub fn contains(self, day: Day) -> bool {
        self.from <= day && day < self.until
    }
}

impl From<Axis> for Span {
    fn from(days: Axis) -> Span {
        Span { from: days.first, until: days.horizon.next().min(Day::MAX) }
    }
}

/// Of parts in order that don't overlap, those with a day in `window`, each with the days it has there. However many there are,
/// only those are looked at.
#[inline]
pub fn within<T>(parts: &[T], span: impl Fn(&T) -> Span, window: Span) -> impl Iterator<Item = (Span, &T)> {
    let first = parts.partition_point(|part| span(part).until <= window.from);
    let both = parts[first..].iter().map(move |part| (span(part).and(window), part));
    both.take_while(|(days, _)| !days.is_empty())
}

/// A set of days: intervals in order that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans(SmallVec<[Span; 4]>);

impl Spans {
    /// No day.
    #[must_use]
    pub fn new() -> Spans {
        Spans::default()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the days of `span`. Cheapest when they come in order.
    #[inline]
    pub fn add(&mut self, span: Span) {
        if span.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if span.from > last.until => self.0.push(span),
            Some(last) if span.from >= last.from => last.until = last.until.max(span.until),
            Some(_) => self.insert(span),
            None => self.0.push(span),
        }
    }

    fn insert(&mut self, mut span: Span) {
        let first = self.0.partition_point(|known| known.until < span.from);
        let mut after = first;
        while let Some(known) = self.0.get(after).filter(|known| known.from <= span.until) {
            span = Span { from: span.from.min(known.from), until: span.until.max(known.until) };
            after += 1;
        }
        self.0.drain(first..after);
        self.0.insert(first, span);
    }

    /// The intervals, in order.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[Span] {
        &self.0
    }

    /// Whether there is no day in it.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The intervals of the days that are also in `window`.
    #[inline]
    pub fn within(&self, window: Span) -> impl Iterator<Item = Span> {
        within(&self.0, |span| *span, window).map(|(span, _)| span)
    }

    /// The days that are in both.
    #[must_use]
    pub fn and(&self, other: &Spans) -> Spans {
        let mut both = Spans::new();
        for span in &other.0 {
            for part in self.within(*span) {
                both.0.push(part);
            }
        }
        both
    }

    /// The days of this set that are not in the other.
    #[must_use]
    pub fn without(&self, other: &Spans) -> Spans {
        let mut left = Spans::new();
        for span in &self.0 {
            let mut rest = *span;
            for taken in other.within(*span) {
                if rest.from < taken.from {
                    left.0.push(Span { from: rest.from, until: taken.from });
                }
                rest.from = taken.until;
            }
            if !rest.is_empty() {
                left.0.push(rest);
            }
        }
        left
    }

    /// The interval `day` is inside of.
    #[must_use]
    pub fn at(&self, day: Day) -> Option<Span> {
        self.0.iter().copied().find(|span| span.contains(day))
    }
}

impl From<Span> for Spans {
    fn from(span: Span) -> Spans {
        let mut spans = Spans::new();
        spans.add(span);
        spans
    }
}

/// What holds on each day of a window, where of several the one that was laid last holds.
///
/// ```text
/// over:   ------------- A -------------
/// paint:        --- B ---
/// gives:  - A --   B    -------- A ----
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers<T>(SmallVec<[(Span, T); 4]>);

impl<T: Copy + PartialEq> Layers<T> {
    /// `ground` on every day of `window`.
    #[must_use]
    pub fn over(window: Span, ground: T) -> Layers<T> {
        Layers(SmallVec::from_iter((!window.is_empty()).then_some((window, ground))))
    }

    /// Begins again, with `ground` on every day of `window`.
    pub(crate) fn begin(&mut self, window: Span, ground: T) {
        self.0.clear();
        self.0.extend((!window.is_empty()).then_some((window, ground)));
    }

    /// `value` holds on the days of `span`, whatever held there before. Days outside the window stay outside.
    pub fn paint(&mut self, span: Span, value: T) {
        let Some((first, last)) = self.0.first().zip(self.0.last()) else { return };
        let (window, until) = (first.0, last.0.until);
        let part = span.and(Span { until, ..window });
        if part.is_empty() {
            return;
        }
        if part.until == until {
            self.paint_rest(part, value);
        } else {
            self.paint_between(part, value);
        }
    }

    /// As [`Layers::paint`], to the end of the window: most of what is laid holds until something else does.
    fn paint_rest(&mut self, rest: Span, value: T) {
        while self.0.last().is_some_and(|(part, _)| part.from >= rest.from) {
            self.0.pop();
        }
        if let Some((last, below)) = self.0.last_mut() {
            if *below == value {
                last.until = rest.until;
                return;
            }
            last.until = rest.from;
        }
        self.0.push((rest, value));
    }

    fn paint_between(&mut self, span: Span, value: T) {
        let mut painted: SmallVec<[(Span, T); 4]> = SmallVec::new();
        let mut put = |part: Span, value: T| {
            if part.is_empty() {
                return;
            }
            match painted.last_mut() {
                Some((last, same)) if *same == value && last.until == part.from => last.until = part.until,
                _ => painted.push((part, value)),
            }
        };
        for (part, below) in &self.0 {
            put(Span { from: part.from, until: part.until.min(span.from) }, *below);
            put(part.and(span), value);
            put(Span { from: part.from.max(span.until), until: part.until }, *below);
        }
        self.0 = painted;
    }

    /// What holds, interval after interval.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[(Span, T)] {
        &self.0
    }

    /// What holds on days of `window`, interval after interval.
    #[inline]
    pub fn within(&self, window: Span) -> impl Iterator<Item = (Span, T)> {
        within(&self.0, |(span, _)| *span, window).map(|(span, (_, value))| (span, *value))
    }

    /// What holds on `day`.
    #[must_use]
    pub fn on(&self, day: Day) -> Option<T> {
        self.0.iter().find(|(span, _)| span.contains(day)).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0..40, 0..40), 0..8).prop_map(|pairs| {
            pairs.into_iter().map(|(from, until)| Span { from: Day(from), until: Day(until) }).collect()
        })
    }

    proptest! {
        #[test]
        fn a_set_of_days_is_the_days_that_were_added(one in spans(), other in spans()) {
            let of = |spans: &[Span]| spans.iter().fold(Spans::new(), |mut set, span| { set.add(*span); set });
            let (first, second) = (of(&one), of(&other));
            let (both, rest) = (first.and(&second), first.without(&second));
            for day in (0..41).map(Day) {
                let inside = |spans: &[Span]| spans.iter().any(|span| span.contains(day));
                prop_assert_eq!(first.at(day).is_some(), inside(&one));
                prop_assert_eq!(both.at(day).is_some(), inside(&one) && inside(&other));
                prop_assert_eq!(rest.at(day).is_some(), inside(&one) && !inside(&other));
            }
            for set in [&first, &both, &rest] {
                prop_assert!(set.as_slice().windows(2).all(|pair| pair[0].until < pair[1].from));
            }
        }

        #[test]
        fn what_was_painted_last_holds(paints in spans(), cut in -2..40) {
            let window = Span { from: Day(3), until: Day(35) };
            let mut layers = Layers::over(window, usize::MAX);
            for (number, span) in paints.iter().enumerate() {
                layers.paint(*span, number);
            }
            for day in (0..41).map(Day) {
                let last = paints.iter().rposition(|span| span.contains(day)).unwrap_or(usize::MAX);
                prop_assert_eq!(layers.on(day), window.contains(day).then_some(last));
                let within = Span { from: Day(7), until: Day(7 + cut) };
                let found: Vec<_> = layers.within(within).filter(|(span, _)| span.contains(day)).collect();
                let expected = layers.on(day).filter(|_| within.contains(day));
                prop_assert_eq!(found.iter().map(|(_, value)| *value).collect::<Vec<_>>(), Vec::from_iter(expected));
            }
        }
    }
}
