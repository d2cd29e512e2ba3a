//! What goes wrong with a claim after it was sent: resends, corrections, withdrawals, and taking those back.

use contract::Day;

use crate::{
    Key,
    billing::{DONG, settle},
    dice::Dice,
    registers::{PAYER, key},
    teller::{Teller, Word},
    truth::{Claim, Moment, Says, TakesBack, Told},
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// What follows a claim that was told as number `told`.
pub(crate) fn doubt_claim(
    teller: &mut Teller,
    told: u32,
    mut claim: Claim,
    day_only: bool,
    person: u64,
    visit: u64,
    dice: &mut Dice,
) {
    // Nothing of this happens to nine claims in ten.
    let fate = dice.below(1000);
    if fate >= 112 {
        return;
    }
    let recorded = teller.told(told).recorded_ms;
    let serial = visit * 10;
    match fate {
        // The same file once more.
        0..=11 => teller.copy(told, recorded + dice.between(MINUTE, 6 * DAY)),
        // A corrected version: some cost was forgotten.
        12..=41 => {
            claim.covered += dice.amount(90_000) * DONG;
            settle(&mut claim);
            claim.segments = [None, None];
            version(teller, told, claim, day_only, recorded + dice.between(10 * MINUTE, 7 * DAY));
        }
        // Withdrawn; a third of them come again.
        42..=47 => {
            let first = recorded + dice.between(10 * MINUTE, 9 * DAY);
            teller.withdraw(told, asserted(first, day_only), first);
            if dice.permille(330) {
                let again = first + dice.between(10 * MINUTE, 9 * DAY);
                version(teller, told, claim, day_only, again);
            }
        }
        // Taken back by its id; a quarter of those is a mistake and taken back too.
        48..=50 => {
            let first = recorded + dice.between(10 * MINUTE, 20 * DAY);
            let void = teller.take_back(told, key("HB", person, serial), first);
            if let Some(void) = void
                && dice.permille(250)
            {
                teller.take_back(
                    void,
                    key("HB", person, serial + 1),
                    first + dice.between(10 * MINUTE, 9 * DAY),
                );
            }
        }
        // Replaced by another record: the course of treatment got a new key.
        51..=52 => {
            let first = recorded + dice.between(10 * MINUTE, 20 * DAY);
            claim.covered += dice.amount(60_000) * DONG;
            settle(&mut claim);
            claim.segments = [None, None];
            let mut record_key = Key::new(teller.told(told).record_key.as_str());
            record_key.push(b"-2");
            let old = teller.told(told).clone();
            teller.push(Told {
                record_key,
                asserted_ms: asserted(first, day_only),
                recorded_ms: first,
                says: Says::Claimed(Box::new(claim)),
                takes_back: Some(TakesBack { target: told, instead: true }),
                ..old
            });
        }
        // Sent again once it is paid, as the portal wants.
        53..=82 => {
            let paid = recorded + dice.between(8 * DAY, 40 * DAY);
            claim.paid_on = Some(contract::Millis(paid).day().0);
            version(teller, told, claim, day_only, paid);
        }
        // The payer's answer.
        _ => {
            let assessed = recorded + dice.between(DAY, 10 * DAY);
            let refused = if dice.permille(80) { claim.fund / 4 / DONG * DONG } else { 0 };
            let word = Word::new(PAYER.into(), key("GD", person, serial), assessed);
            let (facility, claim_key) = (claim.facility, teller.told(told).record_key);
            let approved = claim.fund - refused;
            teller.tell(word, Says::Adjudicated { facility, claim: claim_key, approved, refused });
            if fate >= 98 {
                let paid = assessed + dice.between(10 * DAY, 40 * DAY);
                let word = Word::new(PAYER.into(), key("TT", person, serial), paid);
                let on = contract::Millis(paid).day().0;
                teller.tell(word, Says::Paid { facility, claim: claim_key, amount: approved, on });
            }
        }
    }
}

fn version(teller: &mut Teller, told: u32, claim: Claim, day_only: bool, recorded: Moment) {
    teller.version(told, asserted(recorded, day_only), recorded, Says::Claimed(Box::new(claim)));
}

/// When the emitter says it made what is recorded at `recorded`.
fn asserted(recorded: Moment, day_only: bool) -> Moment {
    if day_only { Day::start(contract::Millis(recorded).day()).0 } else { recorded - MINUTE }
}
