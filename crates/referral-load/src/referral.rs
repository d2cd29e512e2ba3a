//! A person's referrals, each once, with what became of it.

use std::ops::Range;

use contract::{Code, Day, IdHash, v1::ReferralFormKind};
use history::{Body, Fact, Transfer};
use policy::{Bundle, Parameter};
use projection::{Person, Span};
use smallvec::SmallVec;

/// One referral, whoever told it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Referral {
    pub(crate) form: u64,
    pub(crate) from: Code,
    pub(crate) to: Code,
    /// The day of issue; told by the receiver only, the day of arrival.
    pub(crate) issued: Day,
    /// Its last valid day; [`Day::MAX`]: no rule says one.
    pub(crate) last_day: Day,
    /// Only the receiver told it.
    pub(crate) by_receiver: bool,
    pub(crate) arrival: Option<Arrival>,
    pub(crate) accepted: Option<Day>,
    pub(crate) declined: Option<Day>,
    pub(crate) cancelled: Option<Day>,
    returned: Option<Day>,
    /// The event that issued it, or told it first.
    pub(crate) event: IdHash,
}

/// The person arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) on: Day,
    pub(crate) at: Code,
    /// Joined without a matching form number.
    pub(crate) inferred: bool,
}

/// The person was sent back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Return {
    form: u64,
    pub(crate) on: Day,
    pub(crate) from: Code,
    pub(crate) to: Code,
}

/// All referrals of a person: what was issued, and then [`Referrals::join`] if anything else was told.
#[derive(Debug, Default)]
pub(crate) struct Referrals {
    /// First those that were issued, then those that only their receivers told, each in the order of their days: what joins is
    /// looked for near its day, and never among thousands.
    pub(crate) all: Vec<Referral>,
    /// So many were issued.
    issued: usize,
    /// Each once, in the order of their days.
    pub(crate) returns: Vec<Return>,
}

impl Referral {
    fn issued(transfer: Transfer, fact: &Fact, last_day: Day) -> Referral {
        Referral {
            form: transfer.form,
            from: transfer.from,
            to: transfer.to,
            issued: fact.occurred.day(),
            last_day,
            by_receiver: false,
            arrival: None,
            accepted: None,
            declined: None,
            cancelled: None,
            returned: None,
            event: fact.id,
        }
    }

    fn told_by_receiver(transfer: Transfer, fact: &Fact) -> Referral {
        let arrival = Arrival { on: fact.occurred.day(), at: transfer.to, inferred: false };
        Referral { by_receiver: true, arrival: Some(arrival), ..Referral::issued(transfer, fact, Day::MAX) }
    }

    /// The days on which it is open, and whether it ends because the form expired.
    pub(crate) fn open(&self, died: Option<Day>) -> (Span, bool) {
        let closings =
            [self.arrival.map(|arrival| arrival.on), self.declined, self.cancelled, self.returned, died];
        let closed = closings.into_iter().flatten().min().unwrap_or(Day::MAX);
        let expires = if self.last_day == Day::MAX { Day::MAX } else { self.last_day.next() };
        (Span { from: self.issued, until: closed.min(expires) }, expires <= closed && expires < Day::MAX)
    }

    fn join(&mut self, arrival: Arrival) {
        match &mut self.arrival {
            // A number says more than a guess; of two tellings the earlier day holds.
            Some(known) if known.inferred != arrival.inferred || known.on <= arrival.on => {}
            known => *known = Some(arrival),
        }
    }
}

impl Referrals {
    /// Joins arrivals and answers to what was issued.
    pub(crate) fn join(&mut self, person: &Person<'_>, bundle: &Bundle) {
        self.arrivals(person, bundle);
        self.outcomes(person, bundle);
    }

    /// Takes what `fact` says was issued.
    pub(crate) fn issue(
        &mut self,
        transfer: Transfer,
        kind: ReferralFormKind,
        valid_until: Option<Day>,
        fact: &Fact,
        bundle: &Bundle,
    ) {
        let on = fact.occurred.day();
        let told = |known: &Referral| known.form == transfer.form && known.from == transfer.from;
        let mut of_day = self.all.iter().rev().take_while(|known| known.issued == on);
        // A test only is no referral; the same number on the same day is the same form, told again.
        if kind == ReferralFormKind::TestOnly || transfer.form != 0 && of_day.any(told) {
            return;
        }
        let by_kind =
            || bundle.policy.referral_validity(kind, on).map_or(Day::MAX, |validity| validity.last_day);
        self.all.push(Referral::issued(transfer, fact, valid_until.unwrap_or_else(by_kind)));
        self.issued = self.all.len();
    }

    /// Numbers of those issued on these days, in order.
    fn issued_within(&self, days: Range<Day>) -> Range<usize> {
        let before = |day: Day| self.all[..self.issued].partition_point(|known| known.issued < day);
        before(days.start)..before(days.end)
    }

    fn arrivals(&mut self, person: &Person<'_>, bundle: &Bundle) {
        let arrivals = person.others().filter_map(|fact| match fact.body {
            Body::ReferralArrived(transfer) => Some((transfer, fact)),
            _ => None,
        });
        let mut unnumbered: SmallVec<[(Transfer, &Fact); 2]> = SmallVec::new();
        for (transfer, fact) in arrivals {
            let on = fact.occurred.day();
            match self.by_number(&transfer, on, bundle) {
                Some(at) => self.all[at].join(Arrival { on, at: transfer.to, inferred: false }),
                None => unnumbered.push((transfer, fact)),
            }
        }
        for (transfer, fact) in unnumbered {
            let on = fact.occurred.day();
            let days = number(Parameter::InferredArrivalWorkingDays, on, bundle);
            let near = bundle.reference.calendar().within_working_days(on, days);
            if let Some(at) = self.by_pair(&transfer, on, near.clone()) {
                self.all[at].join(Arrival { on, at: transfer.to, inferred: true });
            } else if !self.is_told(&transfer, on, near, bundle) {
                self.all.push(Referral::told_by_receiver(transfer, fact));
            }
        }
    }

    /// The latest issue of this form number by its sender, on or before `on`.
    fn by_number(&self, transfer: &Transfer, on: Day, bundle: &Bundle) -> Option<usize> {
        let fits = |at: &usize| self.all[*at].form == transfer.form && self.all[*at].from == transfer.from;
        if transfer.form == 0 { None } else { self.issued_within(joins(on, bundle)).rev().find(fits) }
    }

    /// Of the forms of this sender and receiver issued on the days of `near` the nearest, one without an arrival first.
    fn by_pair(&self, transfer: &Transfer, on: Day, near: Range<Day>) -> Option<usize> {
        let pair = self.issued_within(near).filter(|at| self.all[*at].is_between(transfer));
        pair.min_by_key(|at| {
            let known = &self.all[*at];
            (known.arrival.is_some(), (known.issued - on).abs(), *at)
        })
    }

    /// Whether an arrival that joins no issue is a referral that its receiver told before.
    fn is_told(&self, transfer: &Transfer, on: Day, near: Range<Day>, bundle: &Bundle) -> bool {
        let days = joins(on, bundle);
        let told = self.all[self.issued..].iter().rev().filter(|known| known.is_between(transfer));
        told.take_while(|known| days.start.min(near.start) <= known.issued).any(|known| {
            if known.form != 0 && transfer.form != 0 {
                known.form == transfer.form && days.contains(&known.issued)
            } else {
                near.contains(&known.issued)
            }
        })
    }

    fn outcomes(&mut self, person: &Person<'_>, bundle: &Bundle) {
        for fact in person.others() {
            let on = fact.occurred.day();
            let earliest = |known: &mut Option<Day>| *known = Some(known.map_or(on, |known| known.min(on)));
            match fact.body {
                Body::ReferralAccepted(transfer) => {
                    self.meant(&transfer, on, bundle)
                        .into_iter()
                        .for_each(|known| earliest(&mut known.accepted));
                }
                Body::ReferralDeclined(transfer) => {
                    self.meant(&transfer, on, bundle)
                        .into_iter()
                        .for_each(|known| earliest(&mut known.declined));
                }
                Body::ReferralCancelled(transfer) => {
                    self.meant(&transfer, on, bundle)
                        .into_iter()
                        .for_each(|known| earliest(&mut known.cancelled));
                }
                Body::ReferralReturned(transfer) => {
                    // Who returns may name the two ends of the form, or of the way back.
                    let back = Transfer { from: transfer.to, to: transfer.from, ..transfer };
                    let known = match self.find(&back, on, bundle) {
                        Some(at) => Some(at),
                        None => self.find(&transfer, on, bundle),
                    };
                    if let Some(at) = known {
                        earliest(&mut self.all[at].returned);
                    }
                    if !self.is_returned(&transfer, on, bundle) {
                        let Transfer { form, from, to, .. } = transfer;
                        self.returns.push(Return { form, on, from, to });
                    }
                }
                _ => {}
            }
        }
    }

    fn meant(&mut self, transfer: &Transfer, on: Day, bundle: &Bundle) -> Option<&mut Referral> {
        self.find(transfer, on, bundle).map(|at| &mut self.all[at])
    }

    /// The referral that an answer to it means: by its number, else the latest of sender and receiver.
    fn find(&self, transfer: &Transfer, on: Day, bundle: &Bundle) -> Option<usize> {
        self.by_number(transfer, on, bundle).or_else(|| {
            self.issued_within(joins(on, bundle)).rev().find(|at| self.all[*at].is_between(transfer))
        })
    }

    /// Whether the other end, or the same one, has told this return: by its number, without one on the same day.
    fn is_returned(&self, transfer: &Transfer, on: Day, bundle: &Bundle) -> bool {
        let days = joins(on, bundle);
        let known = self.returns.iter().rev().take_while(|known| known.on == on || days.contains(&known.on));
        let mut between = known.filter(|known| known.from == transfer.from && known.to == transfer.to);
        between.any(|known| {
            let numbered = known.form != 0 && transfer.form != 0;
            if numbered { known.form == transfer.form } else { known.on == on }
        })
    }
}

impl Referral {
    fn is_between(&self, transfer: &Transfer) -> bool {
        self.from == transfer.from && self.to == transfer.to
    }
}

/// The days of what an event of `on` may join: on or before it, not too long ago.
fn joins(on: Day, bundle: &Bundle) -> Range<Day> {
    on - number(Parameter::ArrivalJoinsWithinDays, on, bundle)..on.next()
}

/// A number of policy; where it has no row nothing is joined.
fn number(parameter: Parameter, on: Day, bundle: &Bundle) -> i32 {
    bundle.policy.number(parameter, on).map_or(-1, |figure| figure.value as i32)
}
