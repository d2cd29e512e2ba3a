//! Checks of single fields, and where they stand.

use prost_types::Timestamp;

use super::{
    CODE_BYTES_MAX, FAULTS_MAX, Fault, FaultCode, KEY_BYTES_MAX, LIST_MAX, MONEY_MAX, TEXT_BYTES_MAX, YEARS,
};
use crate::{Day, Millis};

/// Whether a field must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

/// Collects faults. Knows where it stands, and spells it out only when there is one.
pub(super) struct Checker {
    at: Vec<Step>,
    faults: Vec<Fault>,
}

enum Step {
    Field(&'static str),
    Element(&'static str, usize),
}

impl Checker {
    pub(super) fn new() -> Checker {
        Checker { at: Vec::new(), faults: Vec::new() }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    #[cold]
    pub(super) fn fault(&mut self, field: &'static str, code: FaultCode, message: impl FnOnce() -> String) {
        let fault = match self.faults.len() {
            ..FAULTS_MAX => Fault { field: self.path(field), code, message: message() },
            FAULTS_MAX => Fault {
                field: String::new(),
                code: FaultCode::More,
                message: format!("more than {FAULTS_MAX} faults; correct these and send it again"),
            },
            _ => return,
        };
        self.faults.push(fault);
    }

    /// `field` of the message it stands in; empty: the element it stands on.
    fn path(&self, field: &'static str) -> String {
        let mut path = String::new();
        for step in self.at.iter().chain((!field.is_empty()).then_some(&Step::Field(field))) {
            if !path.is_empty() {
                path.push('.');
            }
            match step {
                Step::Field(name) => path.push_str(name),
                Step::Element(name, index) => path.push_str(&format!("{name}[{index}]")),
            }
        }
        path
    }

    /// Checks inside a message.
    pub(super) fn inside(&mut self, field: &'static str, check: impl FnOnce(&mut Checker)) {
        self.at.push(Step::Field(field));
        check(self);
        self.at.pop();
    }

    /// Checks each element of a list, and that there are not more than `most`.
    pub(super) fn each<T>(
        &mut self,
        field: &'static str,
        list: &[T],
        most: usize,
        check: impl Fn(&mut Checker, &T),
    ) {
        if list.len() > most {
            self.fault(field, FaultCode::TooMany, || format!("{} elements; the most is {most}", list.len()));
        }
        for (index, element) in list.iter().enumerate().take(most) {
            self.at.push(Step::Element(field, index));
            check(self, element);
            self.at.pop();
        }
    }

    pub(super) fn required(&mut self, field: &'static str) {
        self.fault(field, FaultCode::Required, || "required; send it".into());
    }

    /// Whether there is something to check; a fault if there must be.
    fn there(&mut self, field: &'static str, empty: bool, need: Need) -> bool {
        if empty && need == Need::Required {
            self.required(field);
        }
        !empty
    }

    pub(super) fn at_most(&mut self, field: &'static str, length: usize, most: usize) {
        if length > most {
            self.fault(field, FaultCode::TooLong, || {
                format!("{length} bytes; the most is {most}: shorten it")
            });
        }
    }

    fn one_line(&mut self, field: &'static str, text: &str, most: usize, need: Need) {
        if !self.there(field, text.is_empty(), need) {
            return;
        }
        self.at_most(field, text.len(), most);
        if text.chars().any(char::is_control) {
            self.fault(field, FaultCode::ControlCharacter, || {
                "a control character (tab, line break ...); remove it".into()
            });
        }
    }

    /// A code, as the source sent it.
    pub(super) fn code(&mut self, field: &'static str, code: &str, need: Need) {
        self.one_line(field, code, CODE_BYTES_MAX, need);
    }

    /// Who speaks: a word, for it is in names of files, headers and permissions. In capitals, or one emitter would be two.
    pub(super) fn emitter(&mut self, field: &'static str, code: &str) {
        self.code(field, code, Need::Required);
        let in_word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let is_word = code.bytes().all(|byte| in_word(byte) || byte.is_ascii_control());
        if !is_word || code.starts_with(['.', '-']) {
            self.fault(field, FaultCode::NotACode, || {
                "not the code of a facility, payer or register: capital letters A-Z, digits, '.', '_' and '-' only"
                    .into()
            });
        }
    }

    /// A key of the source's own.
    pub(super) fn key(&mut self, field: &'static str, key: &str, need: Need) {
        self.one_line(field, key, KEY_BYTES_MAX, need);
    }

    /// A longer code.
    pub(super) fn long_code(&mut self, field: &'static str, code: &str, need: Need) {
        self.one_line(field, code, TEXT_BYTES_MAX, need);
    }

    /// A list of codes, none of them empty.
    pub(super) fn codes(&mut self, field: &'static str, codes: &[String]) {
        self.each(field, codes, LIST_MAX, |checker, code| checker.code("", code, Need::Required));
    }

    /// A text for people; it may have lines.
    pub(super) fn text(&mut self, field: &'static str, text: &str, need: Need) {
        if self.there(field, text.is_empty(), need) {
            self.at_most(field, text.len(), TEXT_BYTES_MAX);
        }
    }

    pub(super) fn length(&mut self, field: &'static str, bytes: &[u8], length: usize, need: Need) {
        if self.there(field, bytes.is_empty(), need) && bytes.len() != length {
            self.fault(field, FaultCode::Length, || format!("{} bytes; it must have {length}", bytes.len()));
        }
    }

    /// An id, a subject, a hash.
    pub(super) fn sixteen(&mut self, field: &'static str, bytes: &[u8], need: Need) {
        self.length(field, bytes, 16, need);
    }

    pub(super) fn enumeration<E: TryFrom<i32>>(&mut self, field: &'static str, value: i32, need: Need) {
        if self.there(field, value == 0, need) && E::try_from(value).is_err() {
            self.fault(field, FaultCode::UnknownValue, || {
                "not a value of this version; use one of those in the contract, or upgrade".into()
            });
        }
    }

    /// A day; the day, where it is one.
    pub(super) fn day(&mut self, field: &'static str, text: &str, need: Need) -> Option<Day> {
        if !self.there(field, text.is_empty(), need) {
            return None;
        }
        let Some(day) = Day::parse(text.as_bytes()) else {
            self.fault(field, FaultCode::NotADay, || "not a day; write it YYYY-MM-DD".into());
            return None;
        };
        self.year_inside(field, day.year()).then_some(day)
    }

    /// An interval of days, both inside; a missing last day is open.
    pub(super) fn interval(&mut self, from: (&'static str, &str), until: (&'static str, &str), need: Need) {
        let first = self.day(from.0, from.1, need);
        let last = self.day(until.0, until.1, Need::Optional);
        if let (Some(first), Some(last)) = (first, last)
            && last < first
        {
            self.fault(until.0, FaultCode::Reversed, || {
                format!("before {}; the last day is not before the first", from.0)
            });
        }
    }

    /// A year, a year and a month, or a day.
    pub(super) fn part_of_day(&mut self, field: &'static str, text: &str) {
        // The unknown part counts as the first.
        let whole = match text.len() {
            0 => return,
            4 => format!("{text}-01-01"),
            7 => format!("{text}-01"),
            _ => text.to_owned(),
        };
        match Day::parse(whole.as_bytes()) {
            Some(day) => _ = self.year_inside(field, day.year()),
            None => self.fault(field, FaultCode::NotADay, || {
                "not a day; write YYYY-MM-DD, or YYYY-MM or YYYY where no more is known".into()
            }),
        }
    }

    fn year_inside(&mut self, field: &'static str, year: i32) -> bool {
        let inside = YEARS.contains(&year);
        if !inside {
            self.fault(field, FaultCode::OutOfRange, || {
                let (first, last) = YEARS.into_inner();
                format!("not in the years {first} to {last}; where there is no day, or no end, leave it out")
            });
        }
        inside
    }

    /// A calendar year by itself.
    pub(super) fn year(&mut self, field: &'static str, year: u32, need: Need) {
        if self.there(field, year == 0, need) {
            self.year_inside(field, i32::try_from(year).unwrap_or(i32::MAX));
        }
    }

    pub(super) fn time(
        &mut self,
        field: &'static str,
        time: Option<&Timestamp>,
        need: Need,
    ) -> Option<Millis> {
        let Some(time) = time else {
            self.there(field, true, need);
            return None;
        };
        if !(0..1_000_000_000).contains(&time.nanos) || time.nanos % 1_000_000 != 0 {
            self.fault(field, FaultCode::NotATime, || {
                "times are whole milliseconds: nanos from 0 to 999000000, in steps of 1000000".into()
            });
            return None;
        }
        // In seconds first: what is far outside has no day.
        let first = Day::new_year(*YEARS.start()).start();
        let last = Day::new_year(*YEARS.end() + 1).start();
        let inside = (first.0 / 1000..last.0 / 1000).contains(&time.seconds);
        if !inside {
            self.year_inside(field, i32::MAX);
        }
        inside.then(|| Millis::from_timestamp(time))
    }

    /// Money in hundredths of a dong.
    pub(super) fn money(&mut self, field: &'static str, amount: i64) {
        if amount < 0 {
            self.fault(field, FaultCode::Negative, || {
                "less than nothing; to take a claim back, send it again or withdraw it".into()
            });
        } else if amount > MONEY_MAX {
            self.fault(field, FaultCode::OutOfRange, || {
                format!("more than {MONEY_MAX} hundredths of a dong; is the unit right?")
            });
        }
    }

    /// A rate in hundredths of a per cent.
    pub(super) fn rate(&mut self, field: &'static str, rate: u32) {
        if rate > 10_000 {
            self.fault(field, FaultCode::OutOfRange, || {
                "more than 10000, which is 100 %; is the unit right?".into()
            });
        }
    }
}
