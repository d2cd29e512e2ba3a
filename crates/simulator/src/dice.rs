//! Chance, in whole numbers only: the same seed gives the same city on every machine.

use rand::Rng;
use rand_pcg::Pcg64Mcg;

/// One stream of chance. Each person has a stream of their own, so that people can be made in any order.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Pcg64Mcg);

impl Dice {
    /// The stream `stream` of the city `seed`.
    pub(crate) fn new(seed: u64, stream: u64) -> Dice {
        let low = mix(seed ^ mix(stream));
        let high = mix(low ^ stream.rotate_left(32));
        Dice(Pcg64Mcg::new(u128::from(high) << 64 | u128::from(low)))
    }

    /// 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`, which is not 0.
    #[inline]
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // Multiply and shift: the bias is below end / 2^64. rand's own ranges may draw differently in its next version.
        ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A number of `first..=last`.
    #[inline]
    pub(crate) fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below((last - first) as u64 + 1) as i64
    }

    /// True `parts` times in a thousand.
    #[inline]
    pub(crate) fn permille(&mut self, parts: u32) -> bool {
        self.below(1000) < u64::from(parts)
    }

    /// One of `options`, each as likely.
    #[inline]
    pub(crate) fn pick<'a, T>(&mut self, options: &'a [T]) -> &'a T {
        &options[self.below(options.len() as u64) as usize]
    }

    /// One of `options`, as likely as its weight says.
    pub(crate) fn weighted<'a, T>(&mut self, options: &'a [(u32, T)]) -> &'a T {
        let total: u64 = options.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut drawn = self.below(total);
        for (weight, option) in options {
            match drawn.checked_sub(u64::from(*weight)) {
                Some(rest) => drawn = rest,
                None => return option,
            }
        }
        unreachable!("a number below the sum of the weights falls on one of them")
    }

    /// How often something happens that has happened `thousandths / 1000` times on average, with a long tail (geometric).
    pub(crate) fn count(&mut self, thousandths: u64) -> u32 {
        let mut count = 0;
        while count < 60 && self.below(1000 + thousandths) < thousandths {
            count += 1;
        }
        count
    }

    /// An amount whose mean is `mean`, spread like a log-normal with a standard deviation of one in its logarithm.
    pub(crate) fn amount(&mut self, mean: i64) -> i64 {
        let part = *self.pick(&LOG_NORMAL);
        // Within the quantile, so that amounts are not 64 different ones.
        mean * part / 1024 * self.between(900, 1100) / 1000
    }
}

/// The log-normal distribution with sigma 1 at the middle of each 64th of its mass, scaled to a mean of 1024: tabled,
/// because `exp` may differ in its last bit between machines.
const LOG_NORMAL: [i64; 64] = [
    56, 87, 109, 128, 145, 162, 177, 193, 208, 223, 238, 253, 268, 284, 299, 315, 331, 347, 363, 380, 397,
    415, 433, 451, 470, 490, 510, 530, 552, 574, 597, 621, 646, 672, 698, 727, 756, 787, 819, 853, 889, 927,
    967, 1010, 1056, 1104, 1157, 1213, 1274, 1341, 1414, 1494, 1583, 1684, 1797, 1928, 2080, 2261, 2483,
    2764, 3140, 3687, 4620, 7104,
];

/// SplitMix64's finaliser: neighbouring people get unrelated streams.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut dice = Dice::new(7, 1);
        let drawn: Vec<u64> = (0..4).map(|_| dice.below(1_000_000)).collect();
        expect_test::expect!["[978404, 23808, 875375, 955867]"].assert_eq(&format!("{drawn:?}"));
    }

    #[test]
    fn means_are_what_they_say() {
        let mut dice = Dice::new(1, 1);
        let counts: u64 = (0..100_000).map(|_| u64::from(dice.count(2100))).sum();
        assert!((200_000..220_000).contains(&counts), "{counts}");
        let amounts: i64 = (0..100_000).map(|_| dice.amount(1000)).sum();
        assert!((97_000_000..103_000_000).contains(&amounts), "{amounts}");
    }
}
