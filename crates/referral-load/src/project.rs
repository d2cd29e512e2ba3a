//! What one person adds.

use contract::{Code, Day};
use policy::Bundle;
use projection::{Span, came, known_facility, named_facility, tier, tier_code};
use timeline::Sink;

use crate::{
    cells::{
        ARRIVAL_TIMES, INPATIENTS, PAIR, TIER_PAIR, VISITS, WAITING, days_code, direction, inpatients,
        referral, visits, waiting,
    },
    person::Person,
    referral::Referral,
    stay::Stay,
};

pub(crate) fn project<S: Sink>(person: &projection::Person<'_>, bundle: &Bundle, sink: &mut S) {
    let person = Person::read(person, bundle);
    for referral in &person.referrals.all {
        sent(referral, person.died, bundle, sink);
    }
    for back in &person.referrals.returns {
        let cells = Cells::new(back.from, back.to, back.on, bundle, sink);
        cells.flow(sink, referral::RETURNED, back.on);
    }
    for (fact, claim) in person.all.claims() {
        let stay = || person.billed_stay(fact, claim);
        visit(claim.facility, claim.route, claim.started, stay, false, bundle, sink);
    }
    for known in person.unbilled() {
        let stay = || known.stay(person.died, bundle);
        visit(known.facility, known.route, known.fact.occurred.day(), stay, true, bundle, sink);
    }
}

/// The cell of a pair of facilities, and that of their tiers.
#[derive(Clone, Copy)]
struct Cells<C> {
    pair: C,
    tiers: C,
    from_tier: Code,
    to_tier: Code,
}

impl<C: Copy> Cells<C> {
    fn new<S: Sink<Cell = C>>(from: Code, to: Code, on: Day, bundle: &Bundle, sink: &mut S) -> Cells<C> {
        let (from_tier, to_tier) = (tier(from, on, bundle), tier(to, on, bundle));
        let direction = direction(from_tier, to_tier);
        let (from_tier, to_tier) = (tier_code(from_tier), tier_code(to_tier));
        Cells {
            pair: sink.cell(PAIR, &[named_facility(from, bundle), named_facility(to, bundle)]),
            tiers: sink.cell(TIER_PAIR, &[from_tier, to_tier, direction]),
            from_tier,
            to_tier,
        }
    }

    fn flow<S: Sink<Cell = C>>(&self, sink: &mut S, measure: usize, on: Day) {
        sink.flow(self.pair, measure, on, 1);
        sink.flow(self.tiers, measure, on, 1);
    }

    fn level<S: Sink<Cell = C>>(&self, sink: &mut S, measure: usize, span: Span) {
        sink.level(self.pair, measure, span.from, span.until, 1);
        sink.level(self.tiers, measure, span.from, span.until, 1);
    }
}

fn sent<S: Sink>(one: &Referral, died: Option<Day>, bundle: &Bundle, sink: &mut S) {
    let cells = Cells::new(one.from, one.to, one.issued, bundle, sink);
    cells.flow(sink, referral::REFERRED, one.issued);
    if one.by_receiver {
        cells.flow(sink, referral::BY_RECEIVER, one.issued);
    }
    let answers = [
        (referral::ACCEPTED, one.accepted),
        (referral::DECLINED, one.declined),
        (referral::CANCELLED, one.cancelled),
    ];
    for (measure, on) in answers {
        if let Some(on) = on {
            cells.flow(sink, measure, on);
        }
    }
    let (open, expired) = one.open(died);
    if expired {
        cells.flow(sink, referral::EXPIRED, open.until);
    }
    if !open.is_empty() {
        cells.level(sink, referral::OPEN, open);
        ages(&cells, open, sink);
    }
    let Some(arrival) = one.arrival else { return };
    let there =
        if arrival.at == one.to { cells } else { Cells::new(one.from, arrival.at, one.issued, bundle, sink) };
    let (measure, waited) = if arrival.inferred {
        (referral::INFERRED, waiting::INFERRED)
    } else {
        (referral::ARRIVED, waiting::ARRIVED)
    };
    there.flow(sink, measure, arrival.on);
    if !one.by_receiver {
        let days = days_code(arrival.on - one.issued);
        let cell = sink.cell(WAITING, &[there.from_tier, there.to_tier, days]);
        sink.flow(cell, waited, arrival.on, 1);
    }
}

/// An open referral grows older without any event: it moves from cell to cell.
fn ages<S: Sink>(cells: &Cells<S::Cell>, open: Span, sink: &mut S) {
    for (at, (first, name)) in ARRIVAL_TIMES.iter().enumerate() {
        let until = ARRIVAL_TIMES.get(at + 1).map_or(Day::MAX, |(next, _)| open.from + *next);
        let span = Span { from: open.from + *first, until }.and(open);
        if !span.is_empty() {
            let cell = sink.cell(WAITING, &[cells.from_tier, cells.to_tier, Code::new(name)]);
            sink.level(cell, waiting::OPEN, span.from, span.until, 1);
        }
    }
}

#[inline]
fn visit<S: Sink>(
    facility: Code,
    route: Code,
    on: Day,
    stay: impl Fn() -> Option<Stay>,
    unbilled: bool,
    bundle: &Bundle,
    sink: &mut S,
) {
    let Some(came) = came(route, bundle) else { return };
    let facility = known_facility(facility, bundle);
    let stay = stay();
    if sink.flows().contains(on) {
        let cell = sink.cell(VISITS, &[facility, came]);
        sink.flow(cell, visits::ALL, on, 1);
        if stay.is_some() {
            sink.flow(cell, visits::INPATIENT, on, 1);
        }
        if unbilled {
            sink.flow(cell, visits::UNBILLED, on, 1);
        }
    }
    let Some(stay) = stay else { return };
    let cell = sink.cell(INPATIENTS, &[facility]);
    sink.level(cell, inpatients::PRESENT, stay.present.from, stay.present.until, 1);
    sink.level(cell, inpatients::STALE, stay.stale.from, stay.stale.until, 1);
    sink.flow(cell, inpatients::ADMITTED, stay.present.from, 1);
    if let Some(on) = stay.discharged {
        sink.flow(cell, inpatients::DISCHARGED, on, 1);
    }
}
