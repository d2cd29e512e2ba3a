//! What happens to a person in the year: check-ups, visits and their claims, transfers from one facility to another.

use contract::Day;

use crate::{
    Key, Short,
    billing::{DONG, settle},
    city::City,
    dice::Dice,
    doubt::doubt_claim,
    person::{Traits, at, working_hours},
    places::{Facility, Tier},
    registers::{PAYER, key},
    teller::{Teller, Word, delay},
    truth::{Card, Claim, DayNumber, Form, Moment, Money, Referral, ReferralStep, Says, Segment},
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// Diagnoses, as often as they bring somebody to a doctor (per thousand).
const DIAGNOSES: [(u32, &str); 20] = [
    (110, "J02"),
    (90, "J06.9"),
    (110, "I10"),
    (80, "E11.9"),
    (60, "K29.7"),
    (50, "M54.5"),
    (50, "J20.9"),
    (40, "K21.9"),
    (40, "M17"),
    (40, "H10"),
    (35, "L20.9"),
    (35, "N39.0"),
    (30, "I25.1"),
    (30, "K02.1"),
    (30, "A09"),
    (25, "J18.9"),
    (20, "S72.001"),
    (20, "I63.9"),
    (10, "C34.9"),
    (10, "N18.5"),
];
const NO_FORM: Key = Key::EMPTY;

/// Everything the year brings. `cards` are the person's, in the order they were granted.
pub(crate) fn year(city: &City, traits: &Traits, cards: &[Card], teller: &mut Teller, dice: &mut Dice) {
    check_ups(city, traits, teller, dice);
    let (first, last) = (traits.first_day(city), traits.last_day(city));
    let per_year = match traits.age {
        ..=5 => 2600,
        6..=17 => 1050,
        18..=39 => 1250,
        40..=59 => 2050,
        _ => 3900,
    };
    // Dialysis, cancer: few people, many visits, and most of those whom the law exempts from copay.
    let costly = traits.age >= 40 && dice.permille(5);
    let visits = if costly { 12 + dice.count(12_000) } else { dice.count(per_year) };
    let mut days: Vec<DayNumber> =
        (0..visits).map(|_| dice.between(first.into(), last.into()) as DayNumber).collect();
    days.sort_unstable();
    let mut year = Year { city, traits, cards, costly, visits: 0, copay: 0, exempt_from: None };
    let mut busy_until = first;
    for day in days {
        if day < busy_until {
            continue;
        }
        busy_until = year.visit(day, None, teller, dice);
    }
    year.payer_reports(teller, dice);
}

fn check_ups(city: &City, traits: &Traits, teller: &mut Teller, dice: &mut Dice) {
    let (first, last) = (i64::from(traits.first_day(city)), i64::from(traits.last_day(city)));
    let near = city.places.near(traits.commune);
    if traits.age >= 0 && dice.permille(if traits.age >= 60 { 520 } else { 330 }) {
        let (programme, payer) = match traits.age {
            ..=17 => ("2", "2"),
            60.. => ("1", "2"),
            _ if dice.permille(600) => ("3", "4"),
            _ => ("5", "2"),
        };
        let done = working_hours(dice.between(first, last) as DayNumber, dice);
        let facility = city.places.facility(*dice.pick(near)).code;
        let class = *dice.weighted(&[(300, 1u8), (420, 2), (200, 3), (70, 4), (10, 5)]);
        let recorded =
            done + if dice.permille(970) { dice.between(MINUTE, DAY) } else { dice.between(DAY, 40 * DAY) };
        let word = Word { recorded_ms: recorded, ..Word::new(facility, key("KSK", traits.index, 0), done) };
        let told = teller
            .tell(word, Says::CheckUp { facility, class, programme: programme.into(), payer: payer.into() });
        if let Some(told) = told
            && dice.permille(8)
        {
            teller.copy(told, recorded + dice.between(MINUTE, 9 * DAY));
        }
    }
    if dice.permille(60) {
        let done = working_hours(dice.between(first, last) as DayNumber, dice);
        let facility = city.places.facility(near[0]).code;
        let care = *dice.pick(&["home-visit", "vaccination", "antenatal", "chronic-care"]);
        teller.tell(Word::new(facility, key("QL", traits.index, 0), done), Says::Care { facility, care });
    }
}

/// A person's year of visits, as it goes.
struct Year<'a> {
    city: &'a City,
    traits: &'a Traits,
    cards: &'a [Card],
    costly: bool,
    visits: u64,
    copay: Money,
    exempt_from: Option<DayNumber>,
}

/// Where a visit comes from.
#[derive(Clone, Copy)]
struct Sent {
    from: Short,
    to: u16,
    form: Key,
}

impl Year<'_> {
    /// One visit, with the transfer that may follow; answers with the first day on which the next can begin.
    fn visit(
        &mut self,
        day: DayNumber,
        sent: Option<Sent>,
        teller: &mut Teller,
        dice: &mut Dice,
    ) -> DayNumber {
        let card = self
            .cards
            .iter()
            .rev()
            .find(|card| card.from <= day && card.until.is_none_or(|until| day <= until));
        if card.is_none() && !dice.permille(150) {
            // Paid in cash: the payer hears of few of them.
            return day + 1;
        }
        let places = &self.city.places;
        let number = match sent {
            Some(sent) => sent.to,
            None => match dice.below(1000) {
                0..=569 => self.traits.primary,
                570..=819 => *dice.pick(places.near(self.traits.commune)),
                _ => *dice.pick(places.hospitals()),
            },
        };
        let facility = places.facility(number);
        let inpatient = facility.has_beds && dice.permille(if sent.is_some() { 450 } else { 190 });
        let emergency = sent.is_none() && inpatient && dice.permille(250);
        let route = route(
            facility,
            number == self.traits.primary,
            inpatient,
            emergency,
            sent.is_some(),
            card.is_some(),
            number,
        );
        let started =
            if emergency { at(day, dice.below(86_000_000) as i64) } else { working_hours(day, dice) };
        let admitted = inpatient.then(|| started + dice.between(30 * MINUTE, 300 * MINUTE));
        let ended = if inpatient {
            started + DAY * dice.between(1, 12) + dice.between(0, 120 * MINUTE)
        } else {
            started + dice.between(20 * MINUTE, 240 * MINUTE)
        };
        let last_moment = at(self.traits.last_day(self.city) + 1, 0) - 1;
        let (ended, died) = if ended > last_moment && self.traits.died.is_some() {
            (last_moment.max(started + MINUTE), true)
        } else {
            (ended, false)
        };
        self.visits += 1;
        let record_key = visit_key(facility.code, self.traits.index, self.visits);
        let visit_type = if inpatient {
            "03"
        } else {
            *dice.weighted(&[(780, "01"), (60, "02"), (80, "05"), (40, "07"), (30, "08"), (10, "09")])
        };
        if !emergency && dice.permille(if inpatient { 600 } else { 90 }) {
            let recorded = started + dice.between(MINUTE, 30 * MINUTE);
            teller.tell(
                Word { recorded_ms: recorded, ..Word::new(facility.code, record_key, started) },
                Says::VisitOpened {
                    facility: facility.code,
                    visit_type: visit_type.into(),
                    route: route.into(),
                    admitted_ms: admitted.filter(|admitted| *admitted <= recorded),
                },
            );
            if dice.permille(20) {
                // The bill never comes.
                return Day(day).0 + 1;
            }
        }
        let mut claim = Claim {
            facility: facility.code,
            visit_type: visit_type.into(),
            route: route.into(),
            referred_from: sent.map(|sent| sent.from).unwrap_or_default(),
            form: sent.map_or(NO_FORM, |sent| sent.form),
            started_ms: started,
            admitted_ms: admitted,
            ended_ms: ended,
            diagnosis: (*dice.weighted(&DIAGNOSES)).into(),
            other_diagnosis: if dice.permille(250) {
                (*dice.weighted(&DIAGNOSES)).into()
            } else {
                Short::EMPTY
            },
            outcome: if died { 5 } else { *dice.weighted(&[(500, 1u8), (400, 2), (90, 3), (10, 4)]) },
            discharge: 1,
            group: card.map(|card| card.group).unwrap_or_default(),
            digit: card.map(|card| card.digit).unwrap_or_default(),
            ..Claim::default()
        };
        let ended_on = contract::Millis(ended).day().0;
        self.bill(&mut claim, card, ended_on, inpatient, facility.tier, dice);
        let transfer = self.transfer(facility, number, sent.is_some() || died, dice);
        if let Some((to, _)) = &transfer {
            claim.referred_to = places.facility(*to).code;
            claim.discharge = 2;
        }
        let recorded = ended + delay(dice);
        // Six in ten hospital systems say only the day on which they made a version.
        let day_only = number % 5 < 3;
        let asserted = if day_only { Day(ended_on).start().0 } else { ended + 2 * MINUTE };
        let word = Word {
            emitter: facility.code,
            record_key,
            asserted_ms: asserted.min(recorded),
            occurred_ms: ended,
            recorded_ms: recorded,
        };
        let told = teller.tell(word, Says::Claimed(Box::new(claim)));
        if let Some(told) = told {
            doubt_claim(teller, told, claim, day_only, self.traits.index, self.visits, dice);
        }
        match transfer {
            Some((to, form)) => self.follow(facility, to, form, ended, claim.diagnosis, teller, dice),
            None => ended_on + 1,
        }
    }

    fn bill(
        &mut self,
        claim: &mut Claim,
        card: Option<&Card>,
        day: DayNumber,
        inpatient: bool,
        tier: Tier,
        dice: &mut Dice,
    ) {
        let mean = match (inpatient, tier) {
            (true, Tier::Specialised) => 7_500_000,
            (true, _) => 3_600_000,
            (false, Tier::Specialised) => 640_000,
            (false, Tier::Basic) => 390_000,
            (false, Tier::Initial) => 190_000,
        };
        let mean = if self.costly { 4_200_000 + mean } else { mean };
        claim.covered = dice.amount(mean).max(20_000) * DONG;
        claim.self_paid = if dice.permille(300) { dice.amount(mean / 8) * DONG } else { 0 };
        let exempt = self.exempt_from.is_some_and(|from| from <= day);
        let tariff = self.city.tariff;
        let digit = claim.digit;
        claim.charged_rate = match card {
            None => 0,
            Some(_) => {
                tariff.rate(day, digit.as_str(), claim.route.as_str(), inpatient, claim.covered, exempt)
            }
        };
        if exempt && card.is_some() {
            claim.exempt_from = self.exempt_from;
        }
        settle(claim);
        let started_on = contract::Millis(claim.started_ms).day().0;
        // A stay that goes on past the card's last day has a segment for the days after it.
        if let Some(until) = card.and_then(|card| card.until)
            && started_on <= until
            && until < day
        {
            let part = claim.covered / 2 / DONG * DONG;
            let fund = claim.fund / 2 / DONG * DONG;
            let year = Day(day).year() as u32;
            let segment = |covered: Money, fund: Money| {
                Some(Segment {
                    group: claim.group,
                    digit: claim.digit,
                    charged_rate: claim.charged_rate,
                    year,
                    covered,
                    copay: covered - fund,
                    fund,
                })
            };
            claim.segments = [segment(part, fund), segment(claim.covered - part, claim.fund - fund)];
        }
        if card.is_some() {
            self.copay += claim.copay;
            let five_years = card.and_then(|card| card.five_years_on).is_some_and(|on| on <= day);
            if self.exempt_from.is_none() && five_years && self.copay > tariff.copay_limit(day) {
                self.exempt_from = Some(day);
            }
        }
    }

    /// Whether the visit ends in a transfer, and to where.
    fn transfer(&self, facility: &Facility, number: u16, never: bool, dice: &mut Dice) -> Option<(u16, Key)> {
        if never || facility.tier == Tier::Specialised || !dice.permille(34) {
            return None;
        }
        let places = &self.city.places;
        let to = *dice.pick(places.hospitals());
        if to == number || places.facility(to).tier < facility.tier {
            return None;
        }
        let mut form = Key::EMPTY;
        form.push_number(dice.below(60_000), 5);
        form.push(b"/");
        form.push_number(Day(self.city.first_day).year() as u64 % 100, 2);
        form.push(b".GCT");
        Some((to, form))
    }

    /// What becomes of a transfer; answers with the first day on which the next visit can begin.
    #[allow(clippy::too_many_arguments)]
    fn follow(
        &mut self,
        from: &Facility,
        to: u16,
        form: Key,
        issued: Moment,
        diagnosis: Short,
        teller: &mut Teller,
        dice: &mut Dice,
    ) -> DayNumber {
        let (code, receiver) = (from.code, self.city.places.facility(to).code);
        let step = |step, form| Says::Referral(Referral { step, form, from: code, to: receiver });
        let issued_on = contract::Millis(issued).day().0;
        let kind = *dice.weighted(&[(800, Form::Standard), (170, Form::OneYear), (30, Form::TestOnly)]);
        let record = |letters: &str| {
            let mut key = Key::new(letters);
            key.push(form.as_bytes());
            key
        };
        if dice.permille(920) {
            let recorded = issued + dice.between(MINUTE, 180 * MINUTE);
            let reason = *dice.weighted(&[(700, 1u8), (250, 2), (50, 3)]);
            let word = Word { recorded_ms: recorded, ..Word::new(code, record(""), issued) };
            let says = step(ReferralStep::Issued { kind, valid_until: None, reason, diagnosis }, form);
            if let Some(told) = teller.tell(word, says)
                && dice.permille(10)
            {
                teller.copy(told, recorded + dice.between(MINUTE, 3 * DAY));
            }
        }
        let later = |dice: &mut Dice| issued + dice.between(2 * 60 * MINUTE, 2 * DAY);
        match dice.below(1000) {
            0..=19 => {
                teller.tell(Word::new(code, record("H"), later(dice)), step(ReferralStep::Cancelled, form));
                return issued_on + 1;
            }
            20..=49 => {
                teller
                    .tell(Word::new(receiver, record("K"), later(dice)), step(ReferralStep::Declined, form));
                return issued_on + 1;
            }
            50..=249 => {
                teller
                    .tell(Word::new(receiver, record("N"), later(dice)), step(ReferralStep::Accepted, form));
            }
            // Never seen again.
            250..=359 => return issued_on + 1,
            _ => {}
        }
        let day = issued_on + *dice.weighted(&[(450, 0), (250, 1), (150, 3), (100, 8), (50, 24)]);
        let last = self.traits.last_day(self.city);
        if kind == Form::TestOnly || day > last {
            return issued_on + 1;
        }
        // Numbers are typed by hand at both ends.
        let typed = match dice.below(1000) {
            0..=39 => Key::EMPTY,
            40..=109 => Key::new(&format!(" {}", form.as_str().to_lowercase())),
            110..=124 => {
                let mut wrong = Key::EMPTY;
                wrong.push_number(dice.below(60_000), 5);
                wrong
            }
            _ => form,
        };
        let arrived = working_hours(day, dice).max(issued + 30 * MINUTE);
        if dice.permille(850) {
            let recorded = arrived + delay(dice);
            teller.tell(
                Word { recorded_ms: recorded, ..Word::new(receiver, record("D"), arrived) },
                step(ReferralStep::Arrived, typed),
            );
        }
        let next = self.visit(
            contract::Millis(arrived).day().0,
            Some(Sent { from: code, to, form: typed }),
            teller,
            dice,
        );
        if dice.permille(150) && next <= last {
            let says =
                Says::Referral(Referral { step: ReferralStep::Returned, form, from: receiver, to: code });
            teller.tell(Word::new(receiver, record("V"), working_hours(next, dice)), says);
        }
        next
    }

    /// What the payer says about the person's copay of the year.
    fn payer_reports(&self, teller: &mut Teller, dice: &mut Dice) {
        let year = Day(self.city.first_day).year() as u32;
        if self.copay > 1_500_000 * DONG && dice.permille(300) {
            let told = at(self.city.first_day + dice.between(200, 350) as DayNumber, 3_600_000);
            // The payer knows of more, or of less, than the city was told.
            let copay = self.copay / DONG * dice.between(90, 112) / 100 * DONG;
            teller.tell(
                Word::new(PAYER.into(), key("CT", self.traits.index, 0), told),
                Says::CopayBalance { year, copay },
            );
        }
        if let Some(from) = self.exempt_from
            && dice.permille(900)
        {
            let told = working_hours(from + dice.below(20) as DayNumber, dice);
            teller.tell(
                Word::new(PAYER.into(), key("MC", self.traits.index, 0), told),
                Says::Exempted { year, from },
            );
        }
    }
}

fn route(
    facility: &Facility,
    own: bool,
    inpatient: bool,
    emergency: bool,
    sent: bool,
    insured: bool,
    number: u16,
) -> &'static str {
    match facility.tier {
        _ if !insured => "9",
        _ if emergency => "2",
        _ if facility.is_station => "1.2",
        _ if own => "1.1",
        _ if sent => "1.3",
        Tier::Initial => "1.11",
        Tier::Basic if inpatient => "1.15",
        Tier::Basic if number.is_multiple_of(3) => "1.13",
        Tier::Basic => "1.12",
        Tier::Specialised if inpatient => "3.2",
        Tier::Specialised if number.is_multiple_of(3) => "3.1",
        Tier::Specialised => "1.18",
    }
}

/// A visit's key (MA_LK): the facility, then a number of its own.
fn visit_key(facility: Short, index: u64, visit: u64) -> Key {
    let mut key = Key::new(facility.as_str());
    key.push(b".");
    key.push_number(index, 8);
    key.push_number(visit, 2);
    key
}
