//! What can be asked of figures.

use contract::{Day, Millis};
use serde::{Deserialize, Serialize};

/// A question for figures. Its JSON form stands in receipts: names are stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Name of the projection, as `coverage`.
    pub projection: String,
    /// Name of its cube, as `commune`.
    pub cube: String,
    /// The day of levels.
    #[serde(with = "day_text")]
    pub on: Day,
    /// First day of flows.
    #[serde(with = "day_text")]
    pub from: Day,
    /// Last day of flows.
    #[serde(with = "day_text")]
    pub to: Day,
    /// What rows are told apart by: dimensions of the cube, what can be told from one (`district`, `tier`), or `month`.
    /// Empty: one row. The levels of a month are those of its last day within the period.
    pub by: Vec<String>,
    /// What is left in. Dimensions not named are added up.
    pub filter: Vec<Filter>,
}

/// Leaves in the rows whose `name` is one of `values`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// As in [`Question::by`].
    pub name: String,
    /// Any of these.
    pub values: Vec<String>,
}

impl Question {
    /// Levels on a day, and flows of that day's calendar year up to it.
    #[must_use]
    pub fn on(projection: &str, cube: &str, on: Day) -> Question {
        Question {
            projection: projection.to_owned(),
            cube: cube.to_owned(),
            on,
            from: Day::new_year(on.year()),
            to: on,
            by: Vec::new(),
            filter: Vec::new(),
        }
    }

    /// The same, told apart by `names`.
    #[must_use]
    pub fn by(mut self, names: &[&str]) -> Question {
        self.by = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// The same, with only the rows whose `name` is `value`.
    #[must_use]
    pub fn only(mut self, name: &str, value: &str) -> Question {
        self.filter.push(Filter { name: name.to_owned(), values: vec![value.to_owned()] });
        self
    }
}

/// On which part of the log, and which bundle, an answer stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standpoint {
    /// Which events.
    pub known: Known,
    /// Digest of the bundle; `None`: that of the figures, or with [`Known::At`] the one active then.
    pub bundle: Option<[u8; 32]>,
}

/// Which events an answer stands on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Known {
    /// Those of the last snapshot.
    #[default]
    Snapshot,
    /// All the log holds now.
    Latest,
    /// Those recorded before a moment.
    At(Millis),
    /// Those before these positions, an offset a partition.
    Positions(Vec<u64>),
}

impl Standpoint {
    /// What was known at a moment.
    #[must_use]
    pub fn at(time: Millis) -> Standpoint {
        Standpoint { known: Known::At(time), bundle: None }
    }
}

/// Reads `YYYY-MM-DD` (its end in Hanoi) or an RFC 3339 time as the moment of a known-at.
#[must_use]
pub fn parse_known_at(text: &str) -> Option<Millis> {
    if let Ok(day) = text.parse::<Day>() {
        return Some(projector::Reader::end_of(day));
    }
    let (day, time) = text.split_once(['T', ' '])?;
    let day: Day = day.parse().ok()?;
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let hours_minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes): (i64, i64) = (digits(hours)?, digits(minutes)?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    let hanoi = 7 * 60;
    let offset = match zone.split_at_checked(1) {
        None => hanoi,
        Some(("Z" | "z", "")) => 0,
        Some(("+", zone)) => hours_minutes(zone)?,
        Some(("-", zone)) => -hours_minutes(zone)?,
        Some(_) => return None,
    };
    let minutes = hours_minutes(clock.get(..5)?)?;
    let seconds = match clock.get(5..)? {
        "" => 0,
        rest => {
            let (whole, parts) =
                rest.strip_prefix(':')?.split_once('.').unwrap_or((rest.strip_prefix(':')?, "0"));
            let thousandths = parts.get(..parts.len().min(3))?;
            let scale = [100, 10, 1][thousandths.len().checked_sub(1)?];
            let whole = (whole.len() == 2).then(|| digits(whole)).flatten()?;
            (whole < 60).then_some(whole * 1000 + digits(thousandths)? * scale)?
        }
    };
    // `start` is midnight in Hanoi; the clock was said at `offset`.
    Some(Millis(day.start().0 + (minutes + hanoi - offset) * 60_000 + seconds))
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Days as `YYYY-MM-DD`.
pub(crate) mod day_text {
    use contract::Day;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(day: &Day, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(day)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_or_a_time() {
        let moment = |text| parse_known_at(text).map(|time| time.to_string());
        let said = Some("2026-03-03T00:00:00.000+07:00".to_owned());
        assert_eq!(moment("2026-03-02"), said, "a bare date means its end");
        assert_eq!(moment("2026-03-02T17:00:00Z"), said);
        assert_eq!(moment("2026-03-03T00:00"), said, "without a zone, Hanoi");
        assert_eq!(moment("2026-03-03T00:00:00.000+07:00"), said);
        assert_eq!(moment("2026-03-02T12:30:01.5-05:00"), Some("2026-03-03T00:30:01.500+07:00".to_owned()));
        for broken in
            ["", "2026-13-01", "2026-03-02T", "2026-03-02T25:00", "2026-03-02T10:00:61", "2026-03-02T1é:00"]
        {
            assert_eq!(moment(broken), None, "{broken}");
        }
    }
}
