//! How long a transfer form may be used.

use contract::{Day, v1::ReferralFormKind};

use crate::{Policy, Rule};

/// Until when a form may be used.
#[derive(Debug, Clone, Copy)]
pub struct Validity<'p> {
    /// The last day.
    pub last_day: Day,
    /// The row that says so.
    pub rule: &'p Rule,
}

const WORKING_DAYS: usize = 0;
const YEARS: usize = 1;

impl Policy {
    /// The last day on which a form of this kind, signed on `issued`, may be used; `None`: it is no referral (a test only), or no
    /// row fits.
    #[must_use]
    pub fn referral_validity(&self, form: ReferralFormKind, issued: Day) -> Option<Validity<'_>> {
        let form = match form {
            ReferralFormKind::Unspecified => 0,
            ReferralFormKind::Standard => 1,
            ReferralFormKind::OneYear => 2,
            ReferralFormKind::TestOnly => 3,
        };
        let rule = self.referral_validity.first(&[form], issued)?;
        let last_day = match (rule.number(WORKING_DAYS), rule.number(YEARS)) {
            (Some(days), _) => self.calendar.add_working_days(issued, days as i32),
            (_, Some(years)) => issued.anniversary(years as i32),
            _ => return None,
        };
        Some(Validity { last_day, rule })
    }
}
