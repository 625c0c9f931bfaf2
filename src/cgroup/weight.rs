//! Weights of v1 as those of v2.

/// cpu.weight for cpu.shares: 2 is 1, 1024 is 100, 262144 is 10000, and between them 10 to the power
/// of (l² + 125 l) / 612 - 7 / 34, l the logarithm of the shares to base 2. That is what runc 1.3.2
/// and crun 1.23 do; the line through the outer two that was used before made 39 of 1024.
#[inline(never)]
pub fn of_shares(shares: u64) -> u64 {
    match shares {
        ..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let l = log2(shares);
            let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
            let weight = exp(exponent * core::f64::consts::LN_10);
            // Rounded up, but not for what the arithmetic has lost.
            (weight - 1e-9) as u64 + 1
        }
    }
}

/// io.weight, 1 to 10000, for blkio.weight, 10 to 1000: a straight line.
#[inline(never)]
pub fn of_blkio(weight: u64) -> u64 {
    1 + weight.saturating_sub(10) * 9_999 / 990
}

/// The logarithm to base 2, bit by bit: there is no libm here. A square doubles it.
fn log2(n: u64) -> f64 {
    let whole = n.max(1).ilog2();
    let (mut rest, mut sum, mut bit) = (n as f64 / (1u64 << whole) as f64, f64::from(whole), 0.5);
    for _ in 0..52 {
        rest *= rest;
        if rest >= 2.0 {
            (rest, sum) = (rest / 2.0, sum + bit);
        }
        bit /= 2.0;
    }
    sum
}

/// e to the power of x, by its series, which is quick enough up to the 10 that is needed.
fn exp(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..60u32 {
        term *= x / f64::from(n);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_shares_has_the_weight_of_the_formula() {
        assert_eq!([1, 2, 1024, 262_144].map(of_shares), [1, 1, 100, 10_000]);
        let mut last = 1;
        for shares in 3..262_144u64 {
            let l = (shares as f64).log2();
            let exact = 10f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0);
            let weight = of_shares(shares);
            let near = (exact - exact.round()).abs() < 1e-8;
            assert!(
                weight == exact.ceil() as u64 || near && weight == exact.round() as u64,
                "{shares}"
            );
            assert!(weight >= last && weight <= 10_000);
            last = weight;
        }
    }

    #[test]
    fn weights_of_block_devices() {
        assert_eq!([10, 500, 1000].map(of_blkio), [1, 4950, 10_000]);
    }
}
