//! Made-up names, addresses and numbers: nobody's.

use crate::{
    PEOPLE_MAX, Text,
    dice::{Dice, mix},
    person::Traits,
};

const FAMILY: [(u32, &str); 12] = [
    (315, "Nguyễn"),
    (109, "Trần"),
    (89, "Lê"),
    (70, "Phạm"),
    (55, "Hoàng"),
    (50, "Vũ"),
    (45, "Đặng"),
    (40, "Bùi"),
    (40, "Đỗ"),
    (25, "Ngô"),
    (20, "Dương"),
    (15, "Lý"),
];
const MIDDLE_MALE: [&str; 8] = ["Văn", "Đức", "Minh", "Quang", "Hữu", "Tuấn", "Xuân", "Công"];
const MIDDLE_FEMALE: [&str; 8] = ["Thị", "Thu", "Ngọc", "Thanh", "Phương", "Kim", "Hồng", "Bích"];
const GIVEN_MALE: [&str; 12] =
    ["Anh", "Dũng", "Hùng", "Long", "Nam", "Phong", "Quân", "Sơn", "Thắng", "Trung", "Tùng", "Việt"];
const GIVEN_FEMALE: [&str; 12] =
    ["Anh", "Chi", "Dung", "Giang", "Hà", "Hoa", "Hương", "Lan", "Linh", "Mai", "Ngân", "Yến"];
const STREETS: [&str; 10] = [
    "phố Huế",
    "phố Hàng Bông",
    "đường Láng",
    "đường Giải Phóng",
    "phố Kim Mã",
    "thôn Đông",
    "thôn Đoài",
    "tổ 5",
    "ngõ 72",
    "xóm Chùa",
];
/// First three digits of a personal number: where the birth was registered. Hanoi first, then its neighbours.
const BIRTHPLACES: [&str; 12] =
    ["001", "030", "033", "034", "035", "036", "037", "038", "040", "025", "026", "027"];

pub(crate) fn full_name(male: bool, dice: &mut Dice, out: &mut Vec<u8>) {
    let family = *dice.weighted(&FAMILY);
    let (middle, given) = if male { (&MIDDLE_MALE, &GIVEN_MALE) } else { (&MIDDLE_FEMALE, &GIVEN_FEMALE) };
    let (middle, given) = (*dice.pick(middle), *dice.pick(given));
    for part in [family, " ", middle, " ", given] {
        out.extend_from_slice(part.as_bytes());
    }
}

pub(crate) fn address(dice: &mut Dice, out: &mut Vec<u8>) {
    let mut number = Text::<4>::EMPTY;
    number.push_number(dice.between(1, 299) as u64, 1);
    number.push(b" ");
    out.extend_from_slice(number.as_bytes());
    out.extend_from_slice(dice.pick(&STREETS).as_bytes());
}

pub(crate) fn phone(dice: &mut Dice) -> Text<10> {
    numbered("09", dice.below(100_000_000), 8)
}

/// Twelve digits: birthplace, century and sex, year of birth, six of the person's own. No two people of a city have the same
/// (a city has up to twelve million).
pub(crate) fn personal_number(traits: &Traits) -> Text<12> {
    let year = contract::Day(traits.born).year() as u64;
    let century = if year >= 2000 { 2 } else { 0 };
    let sex = u64::from(!traits.male);
    // 387,420,489 and a million have no common divisor: the digits are a permutation of the index.
    let own = (traits.index % 1_000_000) * 387_420_489 % 1_000_000;
    let place = BIRTHPLACES[(traits.index / 1_000_000) as usize % BIRTHPLACES.len()];
    let mut number = Text::new(place);
    number.push_number(century + sex, 1);
    number.push_number(year % 100, 2);
    number.push_number(own, 6);
    number
}

/// The ten digits of a social insurance number: the province, then eight of the person's own.
pub(crate) fn social_insurance_number(index: u64) -> Text<12> {
    numbered("01", index % 100_000_000 * 387_420_489 % 100_000_000, 8)
}

/// A passport number of one letter and seven digits; another letter for each ten million.
pub(crate) fn passport_number(index: u64) -> Text<12> {
    const LETTERS: [&str; PEOPLE_MAX.div_ceil(10_000_000) as usize] = ["B", "C"];
    let letter = LETTERS[(index / 10_000_000) as usize % LETTERS.len()];
    numbered(letter, index % 10_000_000 * 9_420_489 % 10_000_000, 7)
}

/// A facility's own patient number.
pub(crate) fn local_number(index: u64) -> Text<12> {
    numbered("BN", mix(index) % 100_000_000, 8)
}

fn numbered<const N: usize>(letters: &str, number: u64, digits: usize) -> Text<N> {
    let mut text = Text::new(letters);
    text.push_number(number, digits);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_people_of_the_largest_city_have_one_number() {
        // Numbers are permutations of the last digits of the index: only what is above them could make two alike.
        for low in [0, 1, 999_999] {
            let indices = || (0..PEOPLE_MAX / 1_000_000).map(|million| million * 1_000_000 + low);
            let passports: BTreeSet<_> =
                indices().map(|index| passport_number(index).as_str().to_owned()).collect();
            assert_eq!(passports.len(), indices().count());
            let insured: BTreeSet<_> =
                indices().map(|index| social_insurance_number(index).as_str().to_owned()).collect();
            assert_eq!(insured.len(), indices().count());
        }
    }
}
