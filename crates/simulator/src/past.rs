//! What chance alone seldom gives an adversarial life: what lies at a limit of the law. Cards that make five years in a row, or
//! nearly; copay of just what a year is limited to; forms that are used on their last day; and what ended before the days that
//! figures are kept for.

use crate::{
    billing::{DONG, settle},
    dice::Dice,
    truth::{Card, DayNumber, Money, Person, Referral, ReferralStep, Says, Told},
};

/// About five years.
const FIVE_YEARS_DAYS: i32 = 1826;
const EARLIER_DAYS: [i32; 4] = [900, 1461, FIVE_YEARS_DAYS, 3000];
/// Around what breaks five years in a row, and what doesn't.
const GAP_DAYS: [i32; 8] = [0, 60, 90, 91, 92, 93, 100, 110];

/// Six months' base salary, before and after it changes; a dong more; and most of it.
const LIMITS_DONG: [Money; 4] = [14_040_000, 14_040_001, 15_180_000, 12_000_000];

/// What a form can take: working days as days, and a year.
const LATE_DAYS: [i32; 8] = [0, 9, 13, 14, 15, 16, 365, 366];

/// Lets some intervals begin earlier, or lie earlier as a whole, some people be insured for long, and some arrive late.
pub(crate) fn reach_back(person: &mut Person, first_day: DayNumber, dice: &mut Dice) {
    let originals = person.told.iter_mut().filter(|told| told.copy_of.is_none());
    if dice.permille(350) {
        insure_for_long(originals.map(|told| &mut told.says), first_day, dice);
    } else {
        originals.for_each(|told| shift(&mut told.says, dice));
    }
    if dice.permille(300) {
        arrive_late(person, dice);
    }
    // What was sent again says what it said.
    for at in 0..person.told.len() {
        if let Some(original) = person.told[at].copy_of {
            let original = &person.told[original as usize];
            let (says, occurred_ms) = (original.says.clone(), original.occurred_ms);
            person.told[at] = Told { says, occurred_ms, ..person.told[at].clone() };
        }
    }
}

/// Somebody arrives with the first form that was issued, about as late as that is still possible.
fn arrive_late(person: &mut Person, dice: &mut Dice) {
    let step_of = |told: &Told| match told.says {
        Says::Referral(referral) if told.copy_of.is_none() => Some(referral.step),
        _ => None,
    };
    let issued =
        person.told.iter().position(|told| matches!(step_of(told), Some(ReferralStep::Issued { .. })));
    let arrived = person.told.iter().position(|told| step_of(told) == Some(ReferralStep::Arrived));
    let (Some(issued), Some(arrived)) = (issued, arrived) else { return };
    let (Says::Referral(form), occurred_ms) =
        (person.told[issued].says.clone(), person.told[issued].occurred_ms)
    else {
        return;
    };
    let told = &mut person.told[arrived];
    told.says = Says::Referral(Referral { step: ReferralStep::Arrived, ..form });
    told.occurred_ms = occurred_ms + i64::from(*dice.pick(&LATE_DAYS)) * 86_400_000;
}

/// One card after the other from about five years ago on, with gaps, and none that says how long it has been; and care that
/// costs about what a year's copay is limited to.
fn insure_for_long<'a>(said: impl Iterator<Item = &'a mut Says>, first_day: DayNumber, dice: &mut Dice) {
    let mut from = first_day - FIVE_YEARS_DAYS + dice.between(-120, 120) as DayNumber;
    for says in said {
        match says {
            Says::Insured(card) => {
                let until = from + dice.between(700, 1500) as DayNumber;
                *card = Card { from, until: Some(until), five_years_on: None, ..*card };
                from = until + 1 + *dice.pick(&GAP_DAYS);
            }
            Says::Claimed(claim) if dice.permille(300) => {
                claim.covered = dice.pick(&LIMITS_DONG) * DONG;
                claim.charged_rate = 0;
                claim.segments = [None; 2];
                settle(claim);
            }
            _ => {}
        }
    }
}

fn shift(says: &mut Says, dice: &mut Dice) {
    if !dice.permille(250) {
        return;
    }
    let days = *dice.pick(&EARLIER_DAYS);
    let as_a_whole = dice.permille(400);
    let earlier = |from: &mut DayNumber, until: &mut Option<DayNumber>| {
        *from -= days;
        if as_a_whole {
            *until = until.map(|until| until - days);
        }
    };
    match says {
        Says::Insured(card) => {
            earlier(&mut card.from, &mut card.until);
            if dice.permille(700) {
                card.five_years_on = None;
            }
        }
        Says::Lives { from, until, .. } | Says::Entitled { from, until, .. } => earlier(from, until),
        _ => {}
    }
}
