//! Referral load.

use simulator::truth::{Claim, DayNumber, Form, Moment, ReferralStep, Says};

use super::{Sums, days, held, in_force::Fact, world::World, world::came};

const JOINS_WITHIN_DAYS: i32 = 366;
const INFERRED_WORKING_DAYS: usize = 10;
const STALE_AFTER_DAYS: i32 = 60;

/// One referral, whoever told it.
pub(super) struct Sent {
    form: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) issued: DayNumber,
    pub(super) last_day: Option<DayNumber>,
    by_receiver: bool,
    arrival: Option<Arrival>,
    pub(super) accepted: Option<DayNumber>,
    declined: Option<DayNumber>,
    cancelled: Option<DayNumber>,
    returned: Option<DayNumber>,
    /// What told it.
    pub(super) event: u32,
}

#[derive(Clone)]
struct Arrival {
    on: DayNumber,
    at: String,
    inferred: bool,
}

/// What one end says of a form.
struct Telling {
    form: String,
    from: String,
    to: String,
    on: DayNumber,
    event: u32,
}

pub(super) fn count(world: &World, facts: &[Fact<'_>], sums: &mut Sums) {
    let died = held::died(facts);
    for sent in &referrals(world, facts) {
        count_one(world, sent, died, sums);
    }
    for back in returns(facts) {
        count_pair(world, &back.from, &back.to, back.on, "returned", back.on, sums);
    }
    for visit in visits(facts) {
        count_visit(world, &visit, sums);
    }
}

/// Every time somebody was sent back, by the first telling.
fn returns(facts: &[Fact<'_>]) -> Vec<Telling> {
    let mut all: Vec<Telling> = Vec::new();
    for back in tellings(facts, |step| *step == ReferralStep::Returned) {
        let is_known = all.iter().any(|known| {
            let same_ends = (&known.from, &known.to) == (&back.from, &back.to);
            let both_numbered = !known.form.is_empty() && !back.form.is_empty();
            same_ends
                && if both_numbered {
                    known.form == back.form && back.on <= known.on + JOINS_WITHIN_DAYS
                } else {
                    known.on == back.on
                }
        });
        if !is_known {
            all.push(back);
        }
    }
    all
}

/// Every referral of a person.
pub(super) fn referrals(world: &World, facts: &[Fact<'_>]) -> Vec<Sent> {
    let mut all = issues(world, facts);
    arrivals(world, facts, &mut all);
    answers(facts, &mut all);
    all
}

fn tellings(facts: &[Fact<'_>], wanted: impl Fn(&ReferralStep) -> bool) -> Vec<Telling> {
    let told = facts.iter().filter_map(|fact| match &fact.told.says {
        Says::Referral(referral) if wanted(&referral.step) => Some(Telling {
            form: referral.form.as_str().trim().to_uppercase(),
            from: referral.from.to_string(),
            to: referral.to.to_string(),
            on: fact.on(),
            event: fact.event,
        }),
        _ => None,
    });
    told.collect()
}

fn issues(world: &World, facts: &[Fact<'_>]) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    for fact in facts {
        let Says::Referral(referral) = &fact.told.says else { continue };
        let ReferralStep::Issued { kind, valid_until, .. } = referral.step else { continue };
        let telling = tellings(std::slice::from_ref(fact), |_| true).remove(0);
        let known = |sent: &Sent| {
            !sent.form.is_empty()
                && sent.form == telling.form
                && sent.from == telling.from
                && sent.issued == telling.on
        };
        if kind == Form::TestOnly || all.iter().any(known) {
            continue;
        }
        let last_day = valid_until.or_else(|| world.last_day_of(kind, telling.on));
        all.push(Sent::new(telling, last_day));
    }
    all
}

impl Sent {
    fn new(telling: Telling, last_day: Option<DayNumber>) -> Sent {
        Sent {
            form: telling.form,
            from: telling.from,
            to: telling.to,
            issued: telling.on,
            last_day,
            by_receiver: false,
            arrival: None,
            accepted: None,
            declined: None,
            cancelled: None,
            returned: None,
            event: telling.event,
        }
    }

    /// The first day on which the form can no longer be used.
    fn expires(&self) -> Option<DayNumber> {
        self.last_day.map(|last| last + 1)
    }

    /// The day on which something else than time closed it.
    fn closed(&self, died: Option<DayNumber>) -> Option<DayNumber> {
        let arrived = self.arrival.as_ref().map(|arrival| arrival.on);
        [arrived, self.declined, self.cancelled, self.returned, died].into_iter().flatten().min()
    }

    pub(super) fn is_open(&self, died: Option<DayNumber>, on: DayNumber) -> bool {
        self.issued <= on
            && self.closed(died).is_none_or(|closed| on < closed)
            && self.expires().is_none_or(|expires| on < expires)
    }

    fn is_older_than(&self, on: DayNumber) -> bool {
        (0..=JOINS_WITHIN_DAYS).contains(&(on - self.issued))
    }
}

/// The latest issue of this number by this sender.
fn by_number(all: &[Sent], telling: &Telling) -> Option<usize> {
    let fits = |sent: &Sent| {
        !telling.form.is_empty()
            && sent.form == telling.form
            && sent.from == telling.from
            && !sent.by_receiver
            && sent.is_older_than(telling.on)
    };
    latest(all, fits)
}

/// The referral that an answer means: by number, else the latest between the two.
fn meant(all: &[Sent], telling: &Telling) -> Option<usize> {
    let between = |sent: &Sent| {
        sent.from == telling.from
            && sent.to == telling.to
            && !sent.by_receiver
            && sent.is_older_than(telling.on)
    };
    by_number(all, telling).or_else(|| latest(all, between))
}

fn latest(all: &[Sent], fits: impl Fn(&Sent) -> bool) -> Option<usize> {
    let mut found: Option<usize> = None;
    for (at, sent) in all.iter().enumerate() {
        if fits(sent) && found.is_none_or(|best| sent.issued >= all[best].issued) {
            found = Some(at);
        }
    }
    found
}

fn arrivals(world: &World, facts: &[Fact<'_>], all: &mut Vec<Sent>) {
    let mut unnumbered = Vec::new();
    for telling in tellings(facts, |step| *step == ReferralStep::Arrived) {
        match by_number(all, &telling) {
            Some(at) => {
                // Of two tellings the earlier day holds.
                let earlier = all[at].arrival.as_ref().is_none_or(|known| telling.on < known.on);
                if earlier {
                    all[at].arrival = Some(Arrival { on: telling.on, at: telling.to, inferred: false });
                }
            }
            None => unnumbered.push(telling),
        }
    }
    for telling in unnumbered {
        let on = telling.on;
        let near = |one: DayNumber| world.working_days(one, on) <= INFERRED_WORKING_DAYS;
        let mut nearest: Option<usize> = None;
        for (at, sent) in all.iter().enumerate() {
            if sent.from != telling.from || sent.to != telling.to || sent.by_receiver || !near(sent.issued) {
                continue;
            }
            let rank = |sent: &Sent| (sent.arrival.is_some(), (sent.issued - on).abs());
            if nearest.is_none_or(|best| rank(sent) < rank(&all[best])) {
                nearest = Some(at);
            }
        }
        if let Some(at) = nearest {
            let replaces = all[at].arrival.as_ref().is_none_or(|known| known.inferred && on < known.on);
            if replaces {
                all[at].arrival = Some(Arrival { on, at: telling.to, inferred: true });
            }
            continue;
        }
        let again = |sent: &Sent| {
            let both_numbered = !sent.form.is_empty() && !telling.form.is_empty();
            sent.by_receiver
                && sent.from == telling.from
                && sent.to == telling.to
                && if both_numbered {
                    sent.form == telling.form && (on - sent.issued).abs() <= JOINS_WITHIN_DAYS
                } else {
                    near(sent.issued)
                }
        };
        if !all.iter().any(again) {
            let arrival = Arrival { on, at: telling.to.clone(), inferred: false };
            all.push(Sent { by_receiver: true, arrival: Some(arrival), ..Sent::new(telling, None) });
        }
    }
}

fn answers(facts: &[Fact<'_>], all: &mut [Sent]) {
    let earliest =
        |known: &mut Option<DayNumber>, on: DayNumber| *known = Some(known.map_or(on, |known| known.min(on)));
    for telling in tellings(facts, |step| *step == ReferralStep::Accepted) {
        if let Some(at) = meant(all, &telling) {
            earliest(&mut all[at].accepted, telling.on);
        }
    }
    for telling in tellings(facts, |step| *step == ReferralStep::Declined) {
        if let Some(at) = meant(all, &telling) {
            earliest(&mut all[at].declined, telling.on);
        }
    }
    for telling in tellings(facts, |step| *step == ReferralStep::Cancelled) {
        if let Some(at) = meant(all, &telling) {
            earliest(&mut all[at].cancelled, telling.on);
        }
    }
    for telling in tellings(facts, |step| *step == ReferralStep::Returned) {
        // Who returns may name the two ends of the form, or of the way back.
        let back = Telling {
            form: telling.form.clone(),
            from: telling.to.clone(),
            to: telling.from.clone(),
            ..telling
        };
        if let Some(at) = meant(all, &back).or_else(|| meant(all, &telling)) {
            earliest(&mut all[at].returned, telling.on);
        }
    }
}

/// Counts in the cell of a pair of facilities and in that of their tiers on the day of issue.
fn count_pair(
    world: &World,
    from: &str,
    to: &str,
    issued: DayNumber,
    measure: &str,
    on: DayNumber,
    sums: &mut Sums,
) {
    let (pair, tiers) = cells(world, from, to, issued);
    let (pair, tiers) = (pair.each_ref().map(String::as_str), tiers.each_ref().map(String::as_str));
    sums.flow("referral-load/pair", &pair, measure, on, 1);
    sums.flow("referral-load/tiers", &tiers, measure, on, 1);
}

fn cells(world: &World, from: &str, to: &str, issued: DayNumber) -> ([String; 2], [String; 3]) {
    let (one, other) = (world.tier(from, issued), world.tier(to, issued));
    let rank = |tier: &str| ["initial", "basic", "special"].iter().position(|known| *known == tier);
    let direction = match (rank(&one), rank(&other)) {
        (Some(one), Some(other)) if one < other => "up",
        (Some(one), Some(other)) if one > other => "down",
        (Some(_), Some(_)) => "level",
        _ => "unknown",
    };
    ([world.end_of_referral(from), world.end_of_referral(to)], [one, other, direction.to_owned()])
}

fn count_one(world: &World, sent: &Sent, died: Option<DayNumber>, sums: &mut Sums) {
    let mut flow = |measure: &str, on: DayNumber| {
        count_pair(world, &sent.from, &sent.to, sent.issued, measure, on, sums)
    };
    flow("referred", sent.issued);
    if sent.by_receiver {
        flow("by_receiver", sent.issued);
    }
    for (measure, on) in
        [("accepted", sent.accepted), ("declined", sent.declined), ("cancelled", sent.cancelled)]
    {
        if let Some(on) = on {
            flow(measure, on);
        }
    }
    if let Some(expires) = sent.expires()
        && sent.closed(died).is_none_or(|closed| expires <= closed)
    {
        flow("expired", expires);
    }
    let on = sums.on();
    let open = sent.is_open(died, on);
    let (pair, tiers) = cells(world, &sent.from, &sent.to, sent.issued);
    sums.level("referral-load/pair", &pair.each_ref().map(String::as_str), "open", open);
    sums.level("referral-load/tiers", &tiers.each_ref().map(String::as_str), "open", open);
    sums.level("referral-load/waiting", &[&tiers[0], &tiers[1], waited(on - sent.issued)], "open", open);
    if let Some(arrival) = &sent.arrival {
        let measure = if arrival.inferred { "inferred" } else { "arrived" };
        count_pair(world, &sent.from, &arrival.at, sent.issued, measure, arrival.on, sums);
        if !sent.by_receiver {
            let (_, tiers) = cells(world, &sent.from, &arrival.at, sent.issued);
            let codes = [tiers[0].as_str(), tiers[1].as_str(), waited(arrival.on - sent.issued)];
            sums.flow("referral-load/waiting", &codes, measure, arrival.on, 1);
        }
    }
}

fn waited(days: i32) -> &'static str {
    match days {
        ..=0 => "0",
        1..=2 => "1-2",
        3..=5 => "3-5",
        6..=10 => "6-10",
        _ => "11+",
    }
}

/// A visit, told by its claim, else by its check-in.
pub(super) struct Visit<'a> {
    pub(super) fact: Fact<'a>,
    pub(super) facility: &'a str,
    came: &'static str,
    on: DayNumber,
    unbilled: bool,
    pub(super) stay: Option<Stay>,
}

/// The part of it in a ward: present until before one day, stale from then until before the other.
pub(super) struct Stay {
    pub(super) admitted: DayNumber,
    present_until: DayNumber,
    stale_until: DayNumber,
    discharged: Option<DayNumber>,
}

impl Stay {
    pub(super) fn is_present(&self, on: DayNumber) -> bool {
        self.admitted <= on && on < self.present_until
    }

    pub(super) fn is_stale(&self, on: DayNumber) -> bool {
        self.discharged.is_none() && self.admitted + STALE_AFTER_DAYS <= on && on < self.stale_until
    }
}

/// When the patient of a claim was admitted to a ward: as it says, else as the check-in under its key does.
pub(super) fn admitted(facts: &[Fact<'_>], fact: &Fact<'_>, claim: &Claim) -> Option<Moment> {
    claim.admitted_ms.or_else(|| {
        facts.iter().find_map(|other| match other.told.says {
            Says::VisitOpened { admitted_ms, .. } if other.same_record(fact) => admitted_ms,
            _ => None,
        })
    })
}

pub(super) fn visits<'a>(facts: &[Fact<'a>]) -> Vec<Visit<'a>> {
    let mut visits = Vec::new();
    for fact in facts {
        match &fact.told.says {
            Says::Claimed(claim) => {
                let Some(came) = came(claim.route.as_str()) else { continue };
                let ended = days::day_of(claim.ended_ms);
                let stay = admitted(facts, fact, claim).map(|admitted| Stay {
                    admitted: days::day_of(admitted),
                    present_until: ended,
                    stale_until: ended,
                    discharged: Some(ended),
                });
                visits.push(Visit {
                    fact: *fact,
                    facility: claim.facility.as_str(),
                    came,
                    on: days::day_of(claim.started_ms),
                    unbilled: false,
                    stay,
                });
            }
            Says::VisitOpened { facility, route, admitted_ms, .. } => {
                let billed =
                    |other: &Fact<'_>| matches!(other.told.says, Says::Claimed(_)) && other.same_record(fact);
                let Some(came) = came(route.as_str()) else { continue };
                if facts.iter().any(billed) {
                    continue;
                }
                let died = held::died(facts).unwrap_or(DayNumber::MAX);
                let stay = admitted_ms.map(days::day_of).map(|admitted| Stay {
                    admitted,
                    present_until: died.min(admitted + STALE_AFTER_DAYS),
                    stale_until: died,
                    discharged: None,
                });
                let facility = facility.as_str();
                visits.push(Visit { fact: *fact, facility, came, on: fact.on(), unbilled: true, stay });
            }
            _ => {}
        }
    }
    visits
}

fn count_visit(world: &World, visit: &Visit<'_>, sums: &mut Sums) {
    let place = world.facility(visit.facility);
    let inpatient = visit.stay.is_some();
    for (measure, counts) in [("visits", true), ("inpatient", inpatient), ("unbilled", visit.unbilled)] {
        sums.flow("referral-load/visits", &[&place, visit.came], measure, visit.on, i64::from(counts));
    }
    let Some(stay) = &visit.stay else { return };
    let (cube, codes, on) = ("referral-load/inpatients", &[&*place], sums.on());
    sums.level(cube, codes, "present", stay.is_present(on));
    sums.level(cube, codes, "stale", stay.is_stale(on));
    sums.flow(cube, codes, "admitted", stay.admitted, 1);
    if let Some(discharged) = stay.discharged {
        sums.flow(cube, codes, "discharged", discharged, 1);
    }
}
