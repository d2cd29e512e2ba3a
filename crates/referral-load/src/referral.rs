//! A person's referrals, each once, with what became of it.

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
    pub(crate) on: Day,
    pub(crate) from: Code,
    pub(crate) to: Code,
}

/// All referrals of a person: what was issued, and then [`Referrals::join`] if anything else was told.
#[derive(Debug, Default)]
pub(crate) struct Referrals {
    pub(crate) all: Vec<Referral>,
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
        let told = |known: &Referral| {
            known.form == transfer.form && known.from == transfer.from && known.issued == on
        };
        // A test only is no referral; the same number on the same day is the same form, told again.
        if kind == ReferralFormKind::TestOnly || transfer.form != 0 && self.all.iter().any(told) {
            return;
        }
        let by_kind =
            || bundle.policy.referral_validity(kind, on).map_or(Day::MAX, |validity| validity.last_day);
        self.all.push(Referral::issued(transfer, fact, valid_until.unwrap_or_else(by_kind)));
    }

    fn arrivals(&mut self, person: &Person<'_>, bundle: &Bundle) {
        let arrivals = person.others().filter_map(|fact| match fact.body {
            Body::ReferralArrived(transfer) => Some((transfer, fact)),
            _ => None,
        });
        let mut unnumbered: SmallVec<[(Transfer, &Fact); 2]> = SmallVec::new();
        for (transfer, fact) in arrivals {
            let on = fact.occurred.day();
            match self.by_number(&transfer, transfer.from, on, bundle) {
                Some(at) => self.all[at].join(Arrival { on, at: transfer.to, inferred: false }),
                None => unnumbered.push((transfer, fact)),
            }
        }
        for (transfer, fact) in unnumbered {
            let on = fact.occurred.day();
            if let Some(at) = self.by_pair(&transfer, on, bundle) {
                self.all[at].join(Arrival { on, at: transfer.to, inferred: true });
            } else if !self.all.iter().any(|known| known.is_same_telling(&transfer, on, bundle)) {
                self.all.push(Referral::told_by_receiver(transfer, fact));
            }
        }
    }

    /// The latest issue of this form number by `sender`, on or before `on`.
    fn by_number(&self, transfer: &Transfer, sender: Code, on: Day, bundle: &Bundle) -> Option<usize> {
        let days = number(Parameter::ArrivalJoinsWithinDays, on, bundle);
        let fits = |known: &Referral| {
            let age = on - known.issued;
            known.form == transfer.form
                && known.from == sender
                && !known.by_receiver
                && (0..=days).contains(&age)
        };
        let all = self.all.iter().enumerate().filter(|(_, known)| transfer.form != 0 && fits(known));
        all.max_by_key(|(at, known)| (known.issued, *at)).map(|(at, _)| at)
    }

    /// The nearest form of this sender and receiver within some working days, one without an arrival first.
    fn by_pair(&self, transfer: &Transfer, on: Day, bundle: &Bundle) -> Option<usize> {
        let fits = |known: &Referral| {
            let pair = known.from == transfer.from && known.to == transfer.to;
            pair && !known.by_receiver && within_working_days(known.issued, on, bundle)
        };
        let all = self.all.iter().enumerate().filter(|(_, known)| fits(known));
        all.min_by_key(|(at, known)| (known.arrival.is_some(), (known.issued - on).abs(), *at))
            .map(|(at, _)| at)
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
                    self.returns.push(Return { on, from: transfer.from, to: transfer.to });
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
        self.by_number(transfer, transfer.from, on, bundle).or_else(|| {
            let days = number(Parameter::ArrivalJoinsWithinDays, on, bundle);
            let fits = |known: &Referral| {
                let pair = known.from == transfer.from && known.to == transfer.to;
                pair && !known.by_receiver && (0..=days).contains(&(on - known.issued))
            };
            let all = self.all.iter().enumerate().filter(|(_, known)| fits(known));
            all.max_by_key(|(at, known)| (known.issued, *at)).map(|(at, _)| at)
        })
    }
}

impl Referral {
    /// Whether an arrival that joins no issue is this referral of the receiver's, told again.
    fn is_same_telling(&self, transfer: &Transfer, on: Day, bundle: &Bundle) -> bool {
        let ends = self.by_receiver && self.from == transfer.from && self.to == transfer.to;
        let days = number(Parameter::ArrivalJoinsWithinDays, on, bundle);
        ends && if self.form != 0 && transfer.form != 0 {
            self.form == transfer.form && (on - self.issued).abs() <= days
        } else {
            within_working_days(self.issued, on, bundle)
        }
    }
}

fn within_working_days(one: Day, other: Day, bundle: &Bundle) -> bool {
    let days = number(Parameter::InferredArrivalWorkingDays, one, bundle);
    bundle.reference.calendar().working_days_between(one, other).abs() <= days
}

/// A number of policy; where it has no row nothing is joined.
fn number(parameter: Parameter, on: Day, bundle: &Bundle) -> i32 {
    bundle.policy.number(parameter, on).map_or(-1, |figure| figure.value as i32)
}
