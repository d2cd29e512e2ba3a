//! The format's numbers, days and lists.

use contract::{Day, Millis};

/// A decimal number in millionths: exact for everything the format writes (prices carry three decimals).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Decimal(pub(crate) i128);

/// Why a text is not a [`Decimal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotDecimal {
    Syntax,
    TooLarge,
}

const SCALE: i128 = 1_000_000;
/// The most the contract takes for one amount: ten billion dong.
const DONG_MAX: i128 = contract::MONEY_MAX as i128 / 100;

impl Decimal {
    /// Reads digits with an optional minus and a point before at most six decimals (more, where they are zeros).
    pub(crate) fn parse(text: &str) -> Result<Decimal, NotDecimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let decimals = if decimals.len() > 6 { decimals.trim_end_matches('0') } else { decimals };
        if !is_number(whole) || !(decimals.is_empty() || is_number(decimals)) || decimals.len() > 6 {
            return Err(NotDecimal::Syntax);
        }
        let whole = whole.trim_start_matches('0');
        // What has more digits than the limit needs no sum, which could overflow.
        if whole.len() > 15 {
            return Err(NotDecimal::TooLarge);
        }
        let read = |part: &str| part.bytes().fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let fraction = read(decimals) * 10i128.pow(6 - decimals.len() as u32);
        let value = read(whole) * SCALE + fraction;
        if value > DONG_MAX * SCALE {
            return Err(NotDecimal::TooLarge);
        }
        Ok(Decimal(if negative { -value } else { value }))
    }

    /// In hundredths, halves away from zero, and whether that lost nothing.
    pub(crate) fn hundredths(self) -> (i64, bool) {
        let step = SCALE / 100;
        let rounded = (self.0.abs() + step / 2) / step * self.0.signum();
        // One amount is far below 63 bits, and so is the sum of all the rows a record may have.
        (i64::try_from(rounded).unwrap_or(i64::MAX), self.0 % step == 0)
    }

    /// The product, cut to millionths.
    pub(crate) fn times(self, other: Decimal) -> Decimal {
        Decimal(self.0.saturating_mul(other.0) / SCALE)
    }
}

/// What a text says about a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    Empty,
    Impossible,
    At(Millis),
}

/// The years in which a visit can lie: health insurance began in 1992.
const VISIT_YEARS: std::ops::RangeInclusive<i32> = 1990..=2099;

/// Reads `yyyymmddHHMM`, with seconds or without a time of day: a moment of a visit.
pub(crate) fn visit_moment(text: &str) -> Moment {
    if text.is_empty() {
        return Moment::Empty;
    }
    if !matches!(text.len(), 8 | 12 | 14) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Moment::Impossible;
    }
    let Some(day) = day(&text[..8]).filter(|day| VISIT_YEARS.contains(&day.year())) else {
        return Moment::Impossible;
    };
    let two = |at: usize| text.get(at..at + 2).map_or(0, number);
    let (hour, minute, second) = (two(8), two(10), two(12));
    if hour > 23 || minute > 59 || second > 59 {
        return Moment::Impossible;
    }
    Moment::At(Millis(day.start().0 + i64::from((hour * 60 + minute) * 60 + second) * 1000))
}

/// The years a day of an event may lie in.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2100;

/// Reads `yyyymmdd`, and ignores a time of day behind it.
pub(crate) fn day(text: &str) -> Option<Day> {
    any_day(text).filter(|day| YEARS.contains(&day.year()))
}

/// Whether `text` is a day after all that an event can say: how facilities write that a card has no end.
pub(crate) fn is_no_end(text: &str) -> bool {
    any_day(text).is_some_and(|day| day.year() > *YEARS.end())
}

fn any_day(text: &str) -> Option<Day> {
    if !matches!(text.len(), 8 | 12 | 14) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Day::from_ymd(number(&text[..4]) as i32, number(&text[4..6]), number(&text[6..8]))
}

/// Reads NGAY_SINH: `yyyymmddHHMM` with zeros for what is unknown, as `YYYY-MM-DD`, `YYYY-MM` or `YYYY`, and the first
/// day it can be.
pub(crate) fn birth_date(text: &str) -> Option<(String, Day)> {
    if !matches!(text.len(), 4 | 8 | 12 | 14) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = number(&text[..4]);
    let month = text.get(4..6).map_or(0, number);
    let day = text.get(6..8).map_or(0, number);
    let first =
        Day::from_ymd(year as i32, month.max(1), day.max(1)).filter(|day| YEARS.contains(&day.year()))?;
    let written = match (month, day) {
        (0, 0) => format!("{year:04}"),
        (0, _) => return None,
        (_, 0) => format!("{year:04}-{month:02}"),
        _ => first.to_string(),
    };
    Some((written, first))
}

/// Items of a `;` list, trimmed; a list that ends in `;` has no empty last item.
pub(crate) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.trim_end_matches([';', ' ']).split(';').map(str::trim).filter(move |_| !text.is_empty())
}

/// Whether `text` has the form of a facility code: the province's two digits, then three digits or capitals.
pub(crate) fn is_facility_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 5
        && bytes[..2].iter().all(u8::is_ascii_digit)
        && bytes[2..].iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// All bytes are digits, `width` of them.
pub(crate) fn is_digits(text: &str, width: usize) -> bool {
    text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(digits: &str) -> u32 {
    digits.bytes().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_to_the_last_decimal() {
        let hundredths = |text: &str| Decimal::parse(text).unwrap().hundredths();
        assert_eq!(hundredths("0"), (0, true));
        assert_eq!(hundredths("000351000"), (35_100_000, true));
        assert_eq!(hundredths("2359.996"), (236_000, false));
        assert_eq!(hundredths("2360.00000000"), (236_000, true));
        assert_eq!(hundredths("0.1"), (10, true));
        assert_eq!(hundredths("-0.005"), (-1, false));
        assert_eq!(hundredths("9999999999.99"), (999_999_999_999, true));
        for text in
            ["", "-", ".", ".5", "1,5", "1.000.000", "1e3", "+1", "٣", "1.0000001", " 1", "0x1", "NaN"]
        {
            assert_eq!(Decimal::parse(text), Err(NotDecimal::Syntax), "{text}");
        }
        for text in ["10000000000.01", "1000000000000000", &"9".repeat(1000)] {
            assert_eq!(Decimal::parse(text), Err(NotDecimal::TooLarge));
        }
        assert_eq!(
            Decimal::parse("4.000").unwrap().times(Decimal::parse("589.999").unwrap()).hundredths(),
            (236_000, false)
        );
    }

    #[test]
    fn moments_of_a_visit_exist() {
        let at = |text: &str| match visit_moment(text) {
            Moment::At(at) => at.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(at("202603020815"), "2026-03-02T08:15:00.000+07:00");
        assert_eq!(at("20260302"), "2026-03-02T00:00:00.000+07:00");
        assert_eq!(at("20260302081530"), "2026-03-02T08:15:30.000+07:00");
        assert_eq!(at(""), "Empty");
        for text in [
            "000000000000",
            "999912312359",
            "202602300815",
            "202603022400",
            "2026-03-02",
            "20260302 0815",
            "2026030208150",
        ] {
            assert_eq!(at(text), "Impossible", "{text}");
        }
    }

    #[test]
    fn a_birth_date_is_as_long_as_what_is_known() {
        let read = |text: &str| birth_date(text).map(|(written, first)| format!("{written} from {first}"));
        assert_eq!(read("198003210000").unwrap(), "1980-03-21 from 1980-03-21");
        assert_eq!(read("198003000000").unwrap(), "1980-03 from 1980-03-01");
        assert_eq!(read("198000000000").unwrap(), "1980 from 1980-01-01");
        assert_eq!(read("1980").unwrap(), "1980 from 1980-01-01");
        for text in ["", "000000000000", "198002300000", "198000210000", "1980-03-21", "01011980"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn lists_keep_the_place_of_what_is_missing() {
        let items = |text| list(text).collect::<Vec<_>>();
        assert_eq!(items(""), Vec::<&str>::new());
        assert_eq!(items("A; B;"), ["A", "B"]);
        assert_eq!(items("A;;B"), ["A", "", "B"]);
        assert_eq!(items(";B"), ["", "B"]);
    }
}
