//! All that is made of the experiments: blocks and values by the names of their marks, and figures by the names of their files.

use std::collections::BTreeMap;

use super::{
    correlation, curve,
    experiments::Experiments,
    law, optimum, pareto,
    rows::Rows,
    source::source,
    spec::{Correlation, Spec, Timesteps, With},
    table, timesteps, value,
};

/// The place of the figures in a block, from the page that the block is in.
pub const FIGURES: &str = "{figures}";
/// The word at the marks of an experiment that is running.
const UNFINISHED: &str = "not finished";

/// Everything that is made of the experiments.
#[derive(Debug, Default)]
pub struct Made {
    /// Markdown by `EXPERIMENT/NAME`.
    pub blocks: BTreeMap<String, String>,
    /// Texts of values by `EXPERIMENT/NAME`.
    pub values: BTreeMap<String, String>,
    /// SVG by the name of its file.
    pub figures: BTreeMap<String, String>,
}

impl Made {
    /// Makes everything.
    ///
    /// # Panics
    /// For what the files cannot give, and for a name that is used twice.
    pub fn of(all: &Experiments) -> Self {
        let mut made = Self::default();
        for (name, spec, rows) in all.iter() {
            made.tables(name, spec, rows);
            made.curves(name, spec, rows);
            for law in &spec.laws {
                let figure = law::figure(law, all);
                made.figure_block(name, &law.name, (&law.title, spec), figure);
            }
            made.paretos(name, spec, rows);
            spec.timesteps.iter().for_each(|of| made.timesteps(name, (spec, of), rows));
            spec.correlations.iter().for_each(|of| made.correlation(name, (spec, of), all));
            for value in &spec.values {
                let text = rows.map_or(Ok(None), |rows| value::text(spec, rows, all, value));
                let text = text.unwrap_or_else(|error| panic!("{name}/{}: {error}", value.name));
                let text = text.unwrap_or_else(|| UNFINISHED.into());
                assert!(
                    made.values.insert(format!("{name}/{}", value.name), text).is_none(),
                    "{}",
                    value.name
                );
            }
        }
        made
    }

    fn block(&mut self, experiment: &str, name: &str, text: Option<String>) {
        let unfinished = || format!("*Not finished: the run of `{experiment}` has not ended.*\n");
        let text = text.unwrap_or_else(unfinished);
        let is_first = self.blocks.insert(format!("{experiment}/{name}"), text).is_none();
        assert!(is_first, "{experiment}/{name} is there twice");
    }

    /// Notes a figure and gives the picture in Markdown.
    fn figure(&mut self, experiment: &str, name: &str, title: &str, svg: String) -> String {
        let file = format!("{experiment}-{name}.svg");
        let picture = format!("![{title}]({FIGURES}{file})\n");
        assert!(self.figures.insert(file, svg).is_none(), "{experiment}/{name} is there twice");
        picture
    }

    fn figure_block(
        &mut self,
        experiment: &str,
        name: &str,
        (title, spec): (&str, &Spec),
        svg: Option<String>,
    ) {
        let text = svg.map(|svg| self.figure(experiment, name, title, svg));
        let text = text.map(|picture| format!("{picture}\n*{}*\n", source(spec)));
        self.block(experiment, name, text);
    }

    fn tables(&mut self, experiment: &str, spec: &Spec, rows: Option<&Rows>) {
        for table in &spec.tables {
            let text = rows.map(|rows| table::markdown(spec, table, rows));
            self.block(experiment, &table.name, text);
        }
    }

    fn curves(&mut self, experiment: &str, spec: &Spec, rows: Option<&Rows>) {
        for curve in &spec.curves {
            let figure = rows.map(|rows| curve::figure(curve, rows));
            self.figure_block(experiment, &curve.name, (&curve.title, spec), figure);
            if let Some(digits) = curve.optima {
                let table = rows.map(|rows| optimum::table(spec, curve, rows, digits));
                self.block(experiment, &format!("{}-optima", curve.name), table);
            }
        }
    }

    fn paretos(&mut self, experiment: &str, spec: &Spec, rows: Option<&Rows>) {
        for of in &spec.paretos {
            let text = rows.map(|rows| {
                let found = pareto::front(spec, of, rows);
                let found =
                    found.unwrap_or_else(|| panic!("{experiment}/{}: fewer than two strategies", of.name));
                let picture = self.figure(experiment, &of.name, &of.title, pareto::figure(of, &found));
                format!("{picture}\n{} {}*\n", pareto::table(of, &found), source(spec))
            });
            self.block(experiment, &of.name, text);
        }
    }

    fn timesteps(&mut self, experiment: &str, (spec, of): (&Spec, &Timesteps), rows: Option<&Rows>) {
        let text = rows.map(|rows| {
            let (figures, gaps) = timesteps::figures(of, rows);
            let mut text = String::new();
            for (ending, svg) in figures {
                let name = format!("{}-{ending}", of.name);
                text += &self.figure(experiment, &name, &of.title, svg);
                text.push('\n');
            }
            let gaps =
                if gaps.is_empty() { String::new() } else { format!(" Not drawn: {}.", gaps.join("; ")) };
            format!("{text}*{}{gaps}*\n", source(spec))
        });
        self.block(experiment, &of.name, text);
    }

    fn correlation(&mut self, experiment: &str, (spec, of): (&Spec, &Correlation), all: &Experiments) {
        let one = |with| Some((with, correlation::found(of, with, all)?));
        let found: Option<Vec<(&With, correlation::Found)>> = of.with.iter().map(one).collect();
        let cells = found.as_ref().map(|found| correlation::disagreements(of, found));
        let text = found.map(|found| {
            let mut text = String::new();
            for (with, found) in &found {
                let name = format!("{}-{}", of.name, with.name);
                let title = correlation::title(of, with);
                text += &self.figure(experiment, &name, &title, correlation::figure(of, with, found));
                text.push('\n');
            }
            format!("{text}{}\n*{}*\n", correlation::correlations(of, &found), source(spec))
        });
        self.block(experiment, &of.name, text);
        self.block(experiment, &format!("{}-cells", of.name), cells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::experiment;

    /// A run that has not ended has all its marks and none of its figures.
    #[test]
    fn a_running_experiment_is_told_to_be_one() {
        let spec = experiment(
            "state = \"running\"\n[[table]]\nname = \"t\"\ncolumn = []\n[[value]]\nname = \"v\"\nof = { count = \"cells\" }\n\
             [[curve]]\nname = \"c\"\ntitle = \"\"\nmetric = \"m\"\nlabels = \"{group}-{x}\"\nx = \"\"\ny = \"\"\n\
             scale = \"log\"\ngroup = \"\"\noptima = 2\n[[law]]\nname = \"l\"\ntitle = \"\"\nx = \"\"\ny = \"\"\n\
             curves = [[\"e/c\", \"\"]]\n[[pareto]]\nname = \"p\"\ntitle = \"\"\nmetric = \"m\"\ny = \"\"\nscale = \"log\"\ndigits = 1\ncost = {}\nx = \"\"\ncost_digits = 0\n[[timesteps]]\nname = \"f\"\ntitle = \"\"\nmetric = \"\"\ny = \"\"\nlabels = []\n\
             [[correlation]]\nname = \"r\"\nexperiments = [\"e\"]\nmetric = \"m\"\ntitle = \"\"\n\
             with = [{ name = \"w\", metric = \"m\", title = \"\" }]",
        );
        let made = Made::of(&Experiments::of(vec![("e".into(), spec, None)]));
        let names: Vec<&str> = made.blocks.keys().map(String::as_str).collect();
        assert_eq!(names, ["e/c", "e/c-optima", "e/f", "e/l", "e/p", "e/r", "e/r-cells", "e/t"]);
        assert!(made.blocks.values().all(|text| text == "*Not finished: the run of `e` has not ended.*\n"));
        assert_eq!(made.values["e/v"], "not finished");
        assert!(made.figures.is_empty());
    }
}
