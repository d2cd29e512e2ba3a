//! Money and shares.

use std::fmt;

/// An amount in hundredths of a đồng: claim totals carry two decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(pub i64);

impl Money {
    /// Whole đồng.
    #[must_use]
    pub const fn dong(dong: i64) -> Money {
        Money(dong * 100)
    }

    /// Whole đồng, cut toward zero.
    #[must_use]
    pub const fn to_dong(self) -> i64 {
        self.0 / 100
    }
}

impl fmt::Display for Money {
    /// `14,124,444.44`; decimals only where there are some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        let digits = whole.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        if hundredths > 0 {
            text.push_str(&format!(".{hundredths:02}"));
        }
        f.pad_integral(self.0 >= 0, "", &text)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Shows basis points (hundredths of a per cent) as a share: `47.5%`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Percent(pub u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        let text = match hundredths {
            0 => format!("{whole}%"),
            tenths if tenths % 10 == 0 => format!("{whole}.{}%", tenths / 10),
            _ => format!("{whole}.{hundredths:02}%"),
        };
        f.pad(&text)
    }
}

impl Percent {
    /// Reads `47.5%`; `None` for anything else and above 100 %.
    pub(crate) fn parse(text: &str) -> Option<u32> {
        let number = text.strip_suffix('%')?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || whole.len() > 3 || decimals.len() > 2 {
            return None;
        }
        format!("{whole}{decimals:0<2}").parse().ok().filter(|share| *share <= 10_000)
    }
}
