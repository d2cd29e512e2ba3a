//! What a hospital's cashier works out. It makes the money of simulated claims plausible and decides nothing: what a claim
//! should have cost is the policy's to say.

use crate::truth::{Claim, DayNumber, Money};

/// The rate digit a card of this group prints since 2026.
pub(crate) fn digit(group: &str) -> &'static str {
    match group {
        "CC" | "TE" => "1",
        "CK" | "CB" | "KC" | "HN" | "DT" | "DK" | "XD" | "BT" | "TS" | "AK" | "CT" | "CN" | "LH" => "2",
        "HT" | "TC" => "3",
        "QN" | "CA" | "CY" => "5",
        _ => "4",
    }
}

/// The cashier's price list: what changed on which day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tariff {
    /// First of July 2026: the base salary changes and routes that paid nothing pay half.
    pub(crate) raised_on: DayNumber,
}

/// One đồng in hundredths.
pub(crate) const DONG: Money = 100;

impl Tariff {
    fn base_salary(self, day: DayNumber) -> Money {
        if day < self.raised_on { 2_340_000 * DONG } else { 2_530_000 * DONG }
    }

    /// Six months' base salary: above it a person of five years' standing pays no more in the year.
    pub(crate) fn copay_limit(self, day: DayNumber) -> Money {
        6 * self.base_salary(day)
    }

    /// The rate in hundredths of a per cent.
    pub(crate) fn rate(
        self,
        day: DayNumber,
        digit: &str,
        route: &str,
        inpatient: bool,
        covered: Money,
        exempt: bool,
    ) -> u32 {
        let low_cost = covered * 100 < self.base_salary(day) * 15;
        let card = match digit {
            _ if low_cost || exempt || route == "1.2" => 100,
            "3" => 95,
            "4" => 80,
            _ => 100,
        };
        let route = match route {
            "1.13" | "1.14" | "1.18" => {
                if day < self.raised_on {
                    0
                } else {
                    50
                }
            }
            "3.1" if inpatient => 40,
            "3.1" | "9" => 0,
            _ => 100,
        };
        card * route
    }
}

/// Splits a claim's covered cost between patient and fund, to the đồng.
pub(crate) fn settle(claim: &mut Claim) {
    claim.fund = claim.covered / DONG * i64::from(claim.charged_rate) / 10_000 * DONG;
    claim.copay = claim.covered - claim.fund;
    claim.total = claim.covered + claim.self_paid;
}
