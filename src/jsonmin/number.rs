//! Numbers: exact integers of 64 bits, or what is known about the others.

use super::{Reader, Stop};

/// A number, as far as a configuration can use it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Number {
    /// An integer: whether it is below 0, and its distance from 0. `1.0` and `1e3` are integers.
    Int(bool, u64),
    /// Not an integer.
    Fraction,
    /// An integer beyond 64 bits.
    Huge,
}

impl Number {
    /// As a signed number, if it is one of 64 bits.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Number::Int(false, n) => i64::try_from(n).ok(),
            Number::Int(true, n) => 0i64.checked_sub_unsigned(n),
            _ => None,
        }
    }

    /// As an unsigned number, if it is one of 64 bits.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Number::Int(false, n) | Number::Int(true, n @ 0) => Some(n),
            _ => None,
        }
    }
}

/// A decimal number in the making: `digits` has no 0 at its end, those are counted apart, so that
/// neither `1000…e-…` nor `1.000…` overflows what its value does not.
#[derive(Default)]
struct Decimal {
    digits: u64,
    zeros: u32,
    overflow: bool,
}

impl Decimal {
    fn push(&mut self, digit: u8) {
        if digit == b'0' {
            self.zeros = self.zeros.saturating_add(u32::from(self.digits != 0));
            return;
        }
        let shifted = 10u64.checked_pow(self.zeros + 1).and_then(|p| self.digits.checked_mul(p));
        match shifted.and_then(|n| n.checked_add(u64::from(digit - b'0'))) {
            Some(digits) => self.digits = digits,
            None => self.overflow = true,
        }
        self.zeros = 0;
    }

    fn value(&self, negative: bool, exponent: i64) -> Number {
        let exponent = exponent + i64::from(self.zeros);
        if self.digits == 0 {
            return Number::Int(negative, 0);
        }
        if exponent < 0 {
            return Number::Fraction;
        }
        let power = u32::try_from(exponent).ok().and_then(|e| 10u64.checked_pow(e));
        match power.and_then(|p| self.digits.checked_mul(p)) {
            Some(n) if !self.overflow => Number::Int(negative, n),
            _ => Number::Huge,
        }
    }
}

impl Reader<'_> {
    pub(super) fn number(&mut self) -> Result<Number, Stop> {
        let negative = self.byte_is(b'-');
        let mut decimal = Decimal::default();
        let leading_zero = self.rest.get(self.at) == Some(&b'0');
        let whole = self.digits(&mut decimal)?;
        if leading_zero && whole > 1 {
            return Err(self.wrong("a number can't begin with 0"));
        }
        let mut exponent = 0;
        if self.byte_is(b'.') {
            exponent -= self.digits(&mut decimal)?;
        }
        if self.byte_is(b'e') || self.byte_is(b'E') {
            let below = self.byte_is(b'-');
            if !below {
                self.byte_is(b'+');
            }
            let mut power = Decimal::default();
            self.digits(&mut power)?;
            let power = match power.value(below, 0).as_i64() {
                Some(n) => n.clamp(-1 << 32, 1 << 32),
                None if below => -1 << 32,
                None => 1 << 32,
            };
            exponent += power;
        }
        if self.rest.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'.') {
            return Err(self.wrong_at(self.at, "not a part of a number"));
        }
        Ok(decimal.value(negative, exponent))
    }

    /// Takes `byte`, if it is the next.
    fn byte_is(&mut self, byte: u8) -> bool {
        let is = self.rest.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }

    /// Takes digits, at least one; how many.
    fn digits(&mut self, into: &mut Decimal) -> Result<i64, Stop> {
        let start = self.at;
        while let Some(&digit @ b'0'..=b'9') = self.rest.get(self.at) {
            into.push(digit);
            self.at += 1;
        }
        match self.at - start {
            0 => Err(self.wrong_at(self.at, "expected a digit")),
            n => Ok(n as i64),
        }
    }
}
