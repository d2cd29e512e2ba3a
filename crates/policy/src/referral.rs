//! How long a transfer form may be used.

use contract::{Day, v1::ReferralFormKind};

use crate::{NoRate, Policy, Rule};

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
const NONE: usize = 2;

impl Policy {
    /// The last day on which a form of this kind, signed on `issued`, may be used.
    ///
    /// # Errors
    /// [`NoRate`] with its reason: the form is for a test only, which is no referral, or no row fits.
    pub fn referral_validity(&self, form: ReferralFormKind, issued: Day) -> Result<Validity<'_>, NoRate<'_>> {
        let form = match form {
            ReferralFormKind::Unspecified => 0,
            ReferralFormKind::Standard => 1,
            ReferralFormKind::OneYear => 2,
            ReferralFormKind::TestOnly => 3,
        };
        let Some(rule) = self.referral_validity.first(&[form], issued) else {
            return Err(NoRate { reason: "no row says how long the form holds", rule: None });
        };
        let last_day = match (rule.number(WORKING_DAYS), rule.number(YEARS)) {
            (Some(days), _) => self.calendar.add_working_days(issued, days as i32),
            (_, Some(years)) => issued.anniversary(years as i32),
            _ => return Err(NoRate { reason: rule.text(NONE), rule: Some(rule) }),
        };
        Ok(Validity { last_day, rule })
    }
}
