//! What a person holds and where they live: read the same way by every projection that asks.
//!
//! A card is in force from its first to its last day, unless something ended it earlier: InsuranceEnded names the first day
//! without, and the grant it ends; without one it ends every card that had begun by then. Entitlements likewise, by grant or
//! by group. Of residences of one kind that disagree the latest begun holds; begun on one day, the latest asserted.

use contract::{Code, Day, IdHash, Millis, RecordHash, v1::ResidenceKind};
use history::{Body, Fact};
use policy::Bundle;
use smallvec::SmallVec;

use crate::{Layers, NONE, Span, Spans, known_commune};

/// Which of several holds: the latest begun, then the latest version.
type Order = (Day, Millis, Millis, IdHash);

/// A card, for as long as it is in force.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// First two letters.
    pub group: Code,
    /// Third character.
    pub digit: Code,
    /// The facility the person is registered at.
    pub primary: Code,
    /// The day on which five consecutive years complete, as the card says.
    pub five_years: Option<Day>,
    /// When it is in force.
    pub span: Span,
    /// The grant.
    pub event: IdHash,
    record: RecordHash,
    order: Order,
}

/// A status that entitles, whatever the card prints.
#[derive(Debug, Clone, Copy)]
pub struct Entitlement {
    /// The group it gives.
    pub group: Code,
    /// When it is in force.
    pub span: Span,
    record: RecordHash,
}

/// A person's cards and entitlements.
#[derive(Debug, Default)]
pub struct Holdings {
    /// Cards in force on some day, the latest begun last.
    pub cards: Vec<Card>,
    /// Entitlements in force on some day.
    pub entitlements: Vec<Entitlement>,
    ends: Vec<End>,
}

/// What ended early: a grant by its record, or what had begun by the day.
#[derive(Debug, Clone, Copy)]
struct End {
    of_card: bool,
    grant: Option<RecordHash>,
    group: Code,
    on: Day,
}

/// Where a person lives. Give it every fact, in order, then ask for [`Residences::places`].
#[derive(Debug, Default)]
pub(crate) struct Residences(Vec<Residence>);

#[derive(Debug, Clone, Copy)]
struct Residence {
    kind: ResidenceKind,
    commune: Code,
    span: Span,
    order: Order,
}

/// The commune on each day of a life.
#[derive(Debug, Default)]
pub struct Places {
    /// By permanent registration.
    pub permanent: Layers<Code>,
    /// Where the person in fact lives, if that differs on some day.
    actual: Option<Layers<Code>>,
}

/// The main group of a stretch of days, and what its card pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Main {
    /// The days.
    pub span: Span,
    /// The group with the highest rate; of equal ones the first in the table of groups.
    pub group: Code,
    /// Its rate in basis points; `None`: neither the group nor its digit is known.
    pub rate: Option<u32>,
}

fn order(from: Day, fact: &Fact) -> Order {
    (from, fact.asserted, fact.recorded, fact.id)
}

impl Holdings {
    pub(crate) fn clear(&mut self) {
        self.cards.clear();
        self.entitlements.clear();
        self.ends.clear();
    }

    /// Takes what `fact` says of cards and entitlements.
    #[inline]
    pub(crate) fn take(&mut self, fact: &Fact) {
        match fact.body {
            Body::InsuranceGranted { group, rate_digit, from, until, primary, five_years, .. } => {
                self.cards.push(Card {
                    group,
                    digit: rate_digit,
                    primary,
                    five_years,
                    span: Span { from, until },
                    event: fact.id,
                    record: fact.record,
                    order: order(from, fact),
                });
            }
            Body::EntitlementGranted { group, from, until } => {
                self.entitlements.push(Entitlement {
                    group,
                    span: Span { from, until },
                    record: fact.record,
                });
            }
            Body::InsuranceEnded { grant, on } => {
                self.ends.push(End { of_card: true, grant, group: Code::EMPTY, on });
            }
            Body::EntitlementEnded { grant, group, on } => {
                self.ends.push(End { of_card: false, grant, group, on });
            }
            _ => {}
        }
    }

    /// The first day of the earliest card that says one.
    pub(crate) fn begins(&self) -> Option<Day> {
        self.cards.iter().map(|card| card.span.from).filter(|from| *from > Day::MIN).min()
    }

    /// Ends what was ended, keeps what is in force on some day of `life`, and puts the latest begun last.
    pub(crate) fn settle(&mut self, life: Span) {
        for End { of_card, grant, group, on } in self.ends.iter().copied() {
            if of_card {
                let meant =
                    |card: &&mut Card| grant.map_or(card.span.from < on, |record| record == card.record);
                self.cards
                    .iter_mut()
                    .filter(meant)
                    .for_each(|card| card.span.until = card.span.until.min(on));
            } else {
                let meant = |held: &&mut Entitlement| {
                    let named = held.group == group && held.span.from < on;
                    grant.map_or(named, |record| record == held.record)
                };
                let held = self.entitlements.iter_mut().filter(meant);
                held.for_each(|held| held.span.until = held.span.until.min(on));
            }
        }
        self.cards.iter_mut().for_each(|card| card.span = card.span.and(life));
        self.cards.retain(|card| !card.span.is_empty());
        if self.cards.len() > 1 {
            self.cards.sort_unstable_by_key(|card| card.order);
        }
        self.entitlements.iter_mut().for_each(|held| held.span = held.span.and(life));
        self.entitlements.retain(|held| !held.span.is_empty());
    }

    /// Adds the days on which some card is in force.
    pub(crate) fn insured(&self, insured: &mut Spans) {
        self.cards.iter().for_each(|card| insured.add(card.span));
    }

    /// Adds the main group of each day on which there is one, by cards and entitlements.
    pub(crate) fn main_groups(&self, bundle: &Bundle, main: &mut Vec<Main>) {
        let policy = &bundle.policy;
        let mut put = |span: Span, group: Code, digit: Code| {
            let rate = policy.card_rate(group, digit, span.from).map(|rate| rate.basis_points);
            match main.last_mut() {
                Some(last) if last.span.until == span.from && (last.group, last.rate) == (group, rate) => {
                    last.span.until = span.until;
                }
                _ => main.push(Main { span, group, rate }),
            }
        };
        let changes = policy.card_rate_changes().iter().copied();
        if let ([Card { group, digit, span, .. }], []) = (self.cards.as_slice(), self.entitlements.as_slice())
        {
            let mut from = span.from;
            for day in changes.filter(|day| *day > span.from && *day < span.until) {
                put(Span { from, until: day }, *group, *digit);
                from = day;
            }
            put(Span { from, until: span.until }, *group, *digit);
            return;
        }
        let cards = self.cards.iter().map(|card| (card.group, card.digit, card.span));
        let statuses = self.entitlements.iter().map(|held| (held.group, Code::EMPTY, held.span));
        let held: SmallVec<[(Code, Code, Span); 4]> = cards.chain(statuses).collect();
        let mut days: SmallVec<[Day; 16]> =
            held.iter().flat_map(|(.., span)| [span.from, span.until]).collect();
        days.sort_unstable();
        if let (Some(first), Some(last)) = (days.first().copied(), days.last().copied()) {
            days.extend(changes.filter(|day| *day > first && *day < last));
            days.sort_unstable();
        }
        days.dedup();
        for pair in days.windows(2) {
            let span = Span { from: pair[0], until: pair[1] };
            let mut in_force = held.iter().filter(|(.., held)| held.contains(span.from));
            let (group, digit) = match (in_force.next(), in_force.next()) {
                (None, _) => continue,
                (Some((group, digit, _)), None) => (*group, *digit),
                (Some(first), Some(second)) => {
                    let all =
                        [first, second].into_iter().chain(in_force).map(|(group, digit, _)| (*group, *digit));
                    let Some(main) = policy.main_group(all, span.from) else { continue };
                    main
                }
            };
            put(span, group, digit);
        }
    }
}

impl Residences {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes what `fact` says of a residence.
    #[inline]
    pub(crate) fn take(&mut self, fact: &Fact) {
        if let Body::ResidenceChanged { kind, commune, from, until } = fact.body {
            self.0.push(Residence { kind, commune, span: Span { from, until }, order: order(from, fact) });
        }
    }

    /// The first day of the earliest residence that says one.
    pub(crate) fn begins(&self) -> Option<Day> {
        self.0.iter().map(|residence| residence.span.from).filter(|from| *from > Day::MIN).min()
    }

    /// Puts into `places` the commune on each day of `life`: `none` where no residence holds, `unknown` where the reference
    /// doesn't know it.
    pub(crate) fn places(&mut self, life: Span, bundle: &Bundle, Places { permanent, actual }: &mut Places) {
        if self.0.len() > 1 {
            self.0.sort_unstable_by_key(|residence| residence.order);
        }
        permanent.begin(life, Code::new(NONE));
        let mut differs = false;
        for residence in &self.0 {
            if residence.kind == ResidenceKind::Permanent {
                permanent.paint(residence.span, known_commune(residence.commune, bundle));
            } else {
                differs = true;
            }
        }
        *actual = differs.then(|| {
            let mut actual = permanent.clone();
            // A residence that doesn't say its kind says less than an actual one.
            for stronger in [false, true] {
                for residence in &self.0 {
                    let is_actual = residence.kind == ResidenceKind::Actual;
                    if residence.kind != ResidenceKind::Permanent && is_actual == stronger {
                        actual.paint(residence.span, known_commune(residence.commune, bundle));
                    }
                }
            }
            actual
        });
    }
}

impl Places {
    /// Where the person in fact lives: the actual residence, where none holds the temporary, else the permanent one.
    #[must_use]
    #[inline]
    pub fn actual(&self) -> &Layers<Code> {
        self.actual.as_ref().unwrap_or(&self.permanent)
    }
}
