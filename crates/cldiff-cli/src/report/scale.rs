//! Scales of axes, linear and logarithmic, with ticks at round numbers.

/// Values below this are shown at it on a logarithmic scale: FID of equal images is 0 but for rounding.
const LEAST: f64 = 1e-3;
/// The room beside the outermost values, as a share of the range.
const MARGIN: f64 = 0.06;
/// More ticks than these are confusing.
const MOST_TICKS: usize = 6;
/// Tenths of a decade's end at which a logarithmic scale may have its ticks, the most first.
const FACTORS: [&[i64]; 4] = [&[10, 15, 20, 30, 40, 50, 70], &[10, 20, 50], &[10, 30], &[10]];

/// The room between 0 and the least value above it where 0 stands apart, as a share of the range and in decades at least.
const APART: (f64, f64) = (0.15, 0.3);

/// The kind of a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Equal differences have equal lengths.
    Linear,
    /// The same, with 0 in it.
    WithZero,
    /// Equal ratios have equal lengths.
    Log,
    /// The same, with 0 apart at its low end.
    LogAndZero,
    /// Whole numbers from 1: tasks.
    Count,
}

/// A range of values along an axis, and its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// The ends, as [`Scale::measure`] has them.
    low: f64,
    high: f64,
    is_log: bool,
    /// The place of 0 where it stands apart, between the ends.
    zero: Option<f64>,
    /// Values with their texts.
    pub ticks: Vec<(f64, String)>,
}

impl Scale {
    /// The scale of a kind for some values; numbers that are not finite are in no range.
    pub(super) fn of(kind: Kind, values: impl IntoIterator<Item = f64>) -> Self {
        let (is_log, is_apart) = (matches!(kind, Kind::Log | Kind::LogAndZero), kind == Kind::LogAndZero);
        let zero = (kind == Kind::WithZero).then_some(0.0);
        let is_on = |value: &f64| value.is_finite() && (!is_apart || *value > 0.0);
        let values = values.into_iter().chain(zero).filter(is_on);
        let measured = values.map(|value| if is_log { value.max(LEAST).log10() } else { value });
        let ends = measured.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let (least, most) = if ends.0 > ends.1 { (0.0, 1.0) } else { ends };
        let margin = if most > least {
            (most - least) * MARGIN
        } else if is_log {
            0.1
        } else {
            (least.abs() * 0.1).max(1e-6)
        };
        let (low, high) = (least - margin, most + margin);
        let ticks = match kind {
            Kind::Log | Kind::LogAndZero => log_ticks(low, high),
            // There is no task 0.
            Kind::Count => linear_ticks(low.max(0.5), high, MOST_TICKS, 1.0),
            Kind::Linear | Kind::WithZero => linear_ticks(low, high, MOST_TICKS, 0.0),
        };
        let ticks = if is_log { one_by_one(&ticks) } else { in_one_unit(&ticks) };
        let scale = Self { low, high, is_log, zero: None, ticks };
        if is_apart { scale.with_zero_apart(least, most) } else { scale }
    }

    /// A logarithmic scale with 0 below the least of its values.
    fn with_zero_apart(self, least: f64, most: f64) -> Self {
        let zero = least - ((most - least) * APART.0).max(APART.1);
        let ticks = std::iter::once((0.0, "0".to_owned())).chain(self.ticks).collect();
        Self { low: zero - (self.high - most), zero: Some(zero), ticks, ..self }
    }

    /// The scale of the places of things that are counted from 0, with room for half a one on both sides, and names at every
    /// n-th of them, as many as have room.
    pub(super) fn places(names: &[String], most: usize) -> Self {
        let every = names.len().div_ceil(most.max(1)).max(1);
        let ticks = names.iter().enumerate().step_by(every).map(|(i, name)| (i as f64, name.clone()));
        let high = names.len().max(1) as f64 - 0.4;
        Self { low: -0.6, high, is_log: false, zero: None, ticks: ticks.collect() }
    }

    /// The place of a value between the ends, from 0 to 1; that of an end for a value beyond it.
    pub(super) fn share(&self, value: f64) -> f64 {
        let measure = match self.zero {
            Some(zero) if value <= 0.0 => zero,
            _ if self.is_log => value.max(LEAST).log10(),
            _ => value,
        };
        ((measure - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// A whole number times a power of 10.
#[derive(Debug, Clone, Copy)]
struct Round(i64, i32);

impl Round {
    /// The number in a unit that is a power of 10. It is rounded once, so that its shortest text is the round one.
    fn value(self, unit: i32) -> f64 {
        let Self(number, exponent) = self;
        let power = 10.0_f64.powi((exponent - unit).abs());
        if exponent < unit { number as f64 / power } else { number as f64 * power }
    }
}

/// Multiples of 1, 2 or 5 times a power of 10, at most so many, with a step of at least a size.
fn linear_ticks(low: f64, high: f64, most: usize, least_step: f64) -> Vec<Round> {
    let rough = ((high - low) / most as f64).max(least_step).max(f64::MIN_POSITIVE);
    let exponent = rough.log10().floor() as i32;
    for step in [Round(1, exponent), Round(2, exponent), Round(5, exponent), Round(1, exponent + 1)] {
        let size = step.value(0);
        let (first, last) = ((low / size).ceil() as i64, (high / size).floor() as i64);
        if size >= least_step && last - first < most as i64 {
            return (first..=last).map(|i| Round(i * step.0, step.1)).collect();
        }
    }
    Vec::new()
}

/// Round numbers between two powers of 10, whose exponents are given.
fn log_ticks(low: f64, high: f64) -> Vec<Round> {
    let inside = |tick: &Round| (low..=high).contains(&tick.value(0).log10());
    let exponents = || low.floor() as i32..=high.ceil() as i32;
    for factors in FACTORS {
        let of = |exponent: i32| factors.iter().map(move |factor| Round(*factor, exponent - 1));
        let ticks: Vec<Round> = exponents().flat_map(of).filter(inside).collect();
        if ticks.len() <= MOST_TICKS {
            // Where these are too far apart, the ticks of a linear scale are closer.
            let closer = || linear_ticks(10.0_f64.powf(low), 10.0_f64.powf(high), 5, 0.0);
            return if ticks.len() < 3 { closer() } else { ticks };
        }
    }
    let all: Vec<Round> = exponents().map(|exponent| Round(1, exponent)).filter(inside).collect();
    all.iter().copied().step_by(all.len().div_ceil(MOST_TICKS).max(1)).collect()
}

/// A unit for numbers up to a size, and its sign.
fn unit(largest: f64) -> (i32, &'static str) {
    match largest {
        l if l >= 1e6 => (6, "M"),
        l if l >= 1e4 => (3, "k"),
        _ => (0, ""),
    }
}

fn text(tick: Round, (unit, sign): (i32, &str), largest: f64) -> String {
    match tick.0 {
        0 => "0".to_owned(),
        _ if !(1e-3..1e10).contains(&largest) => format!("{:e}", tick.value(0)),
        _ => format!("{}{sign}", tick.value(unit)),
    }
}

/// The ticks of a linear scale with their texts.
fn in_one_unit(ticks: &[Round]) -> Vec<(f64, String)> {
    let largest = ticks.iter().fold(0.0, |largest: f64, tick| largest.max(tick.value(0).abs()));
    ticks.iter().map(|tick| (tick.value(0), text(*tick, unit(largest), largest))).collect()
}

/// The ticks of a logarithmic scale with their texts.
fn one_by_one(ticks: &[Round]) -> Vec<(f64, String)> {
    let named = |tick: &Round| {
        let value = tick.value(0);
        (value, text(*tick, unit(value), value))
    };
    ticks.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(kind: Kind, values: &[f64]) -> Vec<String> {
        Scale::of(kind, values.iter().copied()).ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(texts(Kind::Linear, &[4.3, 5.1]), ["4.4", "4.6", "4.8", "5"]);
        assert_eq!(texts(Kind::WithZero, &[-0.25, 0.6]), ["-0.2", "0", "0.2", "0.4", "0.6"]);
        assert_eq!(texts(Kind::Linear, &[0.0, 42_000.0]), ["0", "10k", "20k", "30k", "40k"]);
        assert_eq!(texts(Kind::Count, &[1.0, 2.0]), ["1", "2"]);
        assert_eq!(texts(Kind::Count, &[1.0, 25.0]), ["5", "10", "15", "20", "25"]);
        assert_eq!(texts(Kind::Linear, &[0.0, 0.0001]), ["0", "2e-5", "4e-5", "6e-5", "8e-5", "1e-4"]);
    }

    #[test]
    fn a_logarithmic_scale_has_round_numbers_too() {
        assert_eq!(texts(Kind::Log, &[1.12, 248.0]), ["1", "3", "10", "30", "100", "300"]);
        assert_eq!(texts(Kind::Log, &[3.0, 30.0]), ["5", "10", "20"]);
        assert_eq!(texts(Kind::Log, &[40.0, 60.0]), ["40", "45", "50", "55", "60"]);
        assert_eq!(texts(Kind::Log, &[1e-3, 1e9]), ["0.001", "1", "1000", "1M", "1000M"]);
        let scale = Scale::of(Kind::Log, [1.0, 100.0]);
        assert!((scale.share(10.0) - 0.5).abs() < 1e-12);
        assert!((0.0..0.1).contains(&scale.share(1.0)) && scale.share(0.0) == 0.0);
    }

    #[test]
    fn zero_stands_apart_on_a_logarithmic_scale() {
        assert_eq!(texts(Kind::LogAndZero, &[0.0, 0.01, 3.0]), ["0", "0.01", "0.03", "0.1", "0.3", "1", "3"]);
        let scale = Scale::of(Kind::LogAndZero, [0.0, 0.01, 1.0]);
        let [zero, least, middle, most] = [0.0, 0.01, 0.1, 1.0].map(|value| scale.share(value));
        // 0.12 of a decade at both ends, 0.3 decades to the left of 0.01, and two decades.
        let all = 0.12 + 0.3 + 2.0 + 0.12;
        assert!((zero - 0.12 / all).abs() < 1e-12 && (least - 0.42 / all).abs() < 1e-12);
        assert!((middle - 1.42 / all).abs() < 1e-12 && (most - 2.42 / all).abs() < 1e-12);
    }

    #[test]
    fn nothing_and_one_value_have_a_scale() {
        for kind in [Kind::Linear, Kind::WithZero, Kind::Log, Kind::LogAndZero, Kind::Count] {
            for values in [&[][..], &[7.0], &[0.0], &[f64::NAN, f64::INFINITY]] {
                let scale = Scale::of(kind, values.iter().copied());
                assert!(scale.share(7.0).is_finite() && scale.share(f64::MAX) == 1.0, "{kind:?} {values:?}");
            }
        }
    }

    #[test]
    fn names_are_left_out_where_they_have_no_room() {
        let names: Vec<String> = (0..10).map(|i| (100 * i).to_string()).collect();
        let shown: Vec<f64> = Scale::places(&names, 5).ticks.iter().map(|tick| tick.0).collect();
        assert_eq!(shown, [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Scale::places(&names, 20).ticks.len(), 10);
    }

    proptest! {
        /// 4.3999999999999995 was a tick once.
        #[test]
        fn a_tick_is_short_and_says_its_value(low in -1e6..1e6_f64, range in 1e-3..1e6_f64, log in any::<bool>()) {
            let values = if log { [low.abs(), low.abs() + range] } else { [low, low + range] };
            let scale = Scale::of(if log { Kind::Log } else { Kind::Linear }, values);
            prop_assert!(scale.ticks.len() <= MOST_TICKS);
            for pair in scale.ticks.windows(2) {
                prop_assert!(pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1);
            }
            for (value, text) in &scale.ticks {
                let (number, unit) = match text.strip_suffix('k') {
                    Some(number) => (number, 1e3),
                    None => text.strip_suffix('M').map_or((text.as_str(), 1.0), |number| (number, 1e6)),
                };
                let told = number.parse::<f64>().unwrap() * unit;
                prop_assert!((told - value).abs() <= 1e-9 * value.abs(), "{text} {value}");
                let share = scale.share(*value);
                prop_assert!((0.0..=1.0).contains(&share));
            }
        }

        #[test]
        fn a_tick_of_few_digits_has_a_text_of_few_letters(low in -100.0..100.0_f64, range in 0.5..100.0_f64) {
            for (_, text) in Scale::of(Kind::Linear, [low, low + range]).ticks {
                prop_assert!(text.len() <= 5, "{text}");
            }
        }
    }
}
