//! `cldiff cells`: the cells of a benchmark in their order.

use serde_json::{Value, json};

use crate::{
    args::CellsArgs,
    config::load,
    ui::{failure::Failure, sheet::Sheet, width::of_stdout},
};

/// Lists them, or counts them.
///
/// # Errors
/// [`Failure::Mistake`] for a configuration that cannot work.
pub fn cells(args: CellsArgs) -> Result<(), Failure> {
    let CellsArgs { setting, count, json } = args;
    let mut loaded = load(&setting.into())?;
    loaded.check_without_data()?;
    let cells = loaded.config.cells();
    if count {
        println!("{}", cells.len());
        return Ok(());
    }
    let rows = cells.iter().enumerate().map(|(i, cell)| (i, cell.strategy.label(), cell));
    if json {
        let cells = rows.map(|(i, label, cell)| {
            let directory = format!("cells/{label}-{}", cell.seed);
            json!({"cell": i, "label": label, "strategy": cell.strategy.name(), "seed": cell.seed, "directory": directory})
        });
        println!("{:#}", Value::from(cells.collect::<Vec<_>>()));
        return Ok(());
    }
    let mut sheet = Sheet::new(["cell", "label", "strategy", "seed"].map(str::to_owned), 2);
    rows.for_each(|(i, label, cell)| {
        sheet.add(vec![i.to_string(), label, cell.strategy.name(), cell.seed.to_string()]);
    });
    println!("{}", sheet.render(of_stdout()));
    Ok(())
}
