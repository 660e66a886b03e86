//! Metrics of a program's own. One test: the list of metrics is one for the process.

use std::sync::atomic::{AtomicUsize, Ordering};

use cl_metrics::{
    MetricError,
    features::FeatureMatrix,
    sample::{
        Arguments, Compared, Comparison, Describe, Estimate, ImageSet, ListError, Metric, Need, Parameter,
        SampleMetric, Sets, Takes, Values, comparisons, measure,
    },
    summary::Direction,
};

/// How often [`Median::measure`] was called.
static MEASURED: AtomicUsize = AtomicUsize::new(0);

fn median(set: &FeatureMatrix) -> f64 {
    let mut values: Vec<f32> = (0..set.rows()).map(|i| set.row(i)[0]).collect();
    values.sort_by(f32::total_cmp);
    f64::from(values[values.len() / 2])
}

/// Yields the metric [`Spread`] too.
struct Median;

impl Describe for Median {
    const NAME: &'static str = "median";
    const SUMMARY: &'static str = "Distance of the medians of the first feature";
    const CITATION: &'static str = "Galton 1881";
}

impl Metric for Median {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Features]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        MEASURED.fetch_add(1, Ordering::Relaxed);
        let (real, samples) = sets.features();
        let distance = (median(real) - median(samples)).abs();
        Ok(vec![(Self::NAME, Estimate::new(distance, 0.5)), (Spread::NAME, 1.0.into())])
    }

    fn comparison(&self) -> Option<&'static Comparison> {
        static COMPARISON: Comparison = Comparison {
            name: "median",
            aliases: &[],
            summary: "Distance of medians",
            takes: Takes::Pair,
            parameters: &[SCALE],
            compare: |sets, given| {
                let (a, b) = sets.features()?;
                Ok(vec![(Median::NAME, given.number(&SCALE) as f64 * (median(a) - median(b)).abs())])
            },
        };
        Some(&COMPARISON)
    }
}

const SCALE: Parameter = Parameter { name: "scale", placeholder: "N", meaning: "A factor", default: Some(1) };

struct Spread;

impl Describe for Spread {
    const NAME: &'static str = "spread";
    const SUMMARY: &'static str = "A second number of the same computation";
}

impl Metric for Spread {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::HigherIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        Median.needs()
    }

    fn is_default(&self) -> bool {
        false
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        Median.measure(sets)
    }
}

/// Asks for pixels without saying so.
struct Careless;

impl Describe for Careless {
    const NAME: &'static str = "careless";
    const SUMMARY: &'static str = "Asks for what it does not say that it needs";
}

impl Metric for Careless {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::LowerIsBetter)
    }

    fn needs(&self) -> &'static [Need] {
        &[]
    }

    fn measure(&self, sets: &Sets<'_>) -> Result<Values, MetricError> {
        sets.pixels().map(|_| Vec::new())
    }
}

/// Named as another metric, or as nothing can be.
macro_rules! named {
    ($Type:ident, $name:literal) => {
        struct $Type;
        impl Describe for $Type {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = "Never added";
        }
        impl Metric for $Type {
            fn direction(&self) -> Option<Direction> {
                Some(Direction::LowerIsBetter)
            }
            fn needs(&self) -> &'static [Need] {
                &[]
            }
            fn measure(&self, _: &Sets<'_>) -> Result<Values, MetricError> {
                Ok(Vec::new())
            }
        }
    };
}

named!(BuiltIn, "fid");
named!(Dashed, "my-metric");
named!(Empty, "");

fn is_refused() {
    let taken = |name| Err(ListError::NameTaken { kind: "metric", name });
    let bad = |name| Err(ListError::BadName { kind: "metric", name });
    assert_eq!(SampleMetric::add(&BuiltIn), taken("fid"));
    assert_eq!(SampleMetric::add(&Median), taken("median"));
    assert_eq!(SampleMetric::add(&Dashed), bad("my-metric"));
    assert_eq!(SampleMetric::add(&Empty), bad(""));
}

#[test]
fn a_metric_of_ones_own_is_one_of_the_list() {
    let built_in = SampleMetric::names();
    assert!(serde_json::from_str::<SampleMetric>("\"median\"").is_err());
    let (median, spread) = (SampleMetric::add(&Median).unwrap(), SampleMetric::add(&Spread).unwrap());
    is_refused();

    // Named, parsed, written, described and ordered behind the built-in ones.
    assert_eq!(SampleMetric::names(), [&built_in[..], &["median", "spread"]].concat());
    assert_eq!(serde_json::from_str::<SampleMetric>("\"median\"").unwrap(), median);
    assert_eq!(serde_json::to_string(&[median, spread]).unwrap(), r#"["median","spread"]"#);
    assert!(SampleMetric::named("memorisation").unwrap() < median && median < spread);
    assert!(SampleMetric::defaults().contains(&median) && !SampleMetric::defaults().contains(&spread));
    let schema = schemars::schema_for!(SampleMetric).to_value();
    let last_two = &schema["oneOf"].as_array().unwrap()[built_in.len()..];
    assert_eq!(last_two[0]["description"], "Distance of the medians of the first feature (Galton 1881)");
    assert_eq!(last_two[1]["description"], "A second number of the same computation");

    // Both numbers of one computation, which is done once.
    let column = |values: [f32; 3]| FeatureMatrix::new(1, values.to_vec()).unwrap();
    let (a, b) = (column([1.0, 2.0, 9.0]), column([5.0, 6.0, 7.0]));
    let (real, samples) = (ImageSet::of_features(&a), ImageSet::of_features(&b));
    let wanted = [spread, SampleMetric::FID, median];
    let found = measure(&wanted, &real, &samples, None).unwrap();
    assert_eq!(
        (found[&median].clone().unwrap(), found[&spread].clone().unwrap()),
        (Estimate::new(4.0, 0.5), 1.0.into())
    );
    assert_eq!(MEASURED.load(Ordering::Relaxed), 1);
    let keys: Vec<&str> = found.keys().map(|metric| metric.name()).collect();
    assert_eq!(keys, ["fid", "median", "spread"]);

    // From two sets alone, with its parameter.
    let (_, comparison) = comparisons().into_iter().find(|(metric, _)| *metric == median).unwrap();
    let sets = Compared { a: &a, b: &b, held_out: None };
    let scaled = (comparison.compare)(&sets, &Arguments::default().with(&SCALE, 3)).unwrap();
    assert_eq!(scaled, [("median", 12.0)]);

    let careless = SampleMetric::add(&Careless).unwrap();
    let error = measure(&[careless], &real, &samples, None).unwrap_err();
    assert!(matches!(error, MetricError::NotKnown { need: Need::Pixels }), "{error}");
}
