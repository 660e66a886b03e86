//! cldiff with a strategy, a network, a metric and a data set of one's own:
//! `cargo run -p cldiff-examples --example own_benchmark -- --config smoke --out R`.
//!
//! Everything that `cldiff` does is here too: `list strategies`, `config check`, `config schema`, `run --resume`,
//! `report`. The four are one file each; this is the whole program.

mod bars;
mod energy_distance;
mod residual;
mod weight_averaging;

use std::process::ExitCode;

fn main() -> ExitCode {
    cldiff_cli::Program::new()
        .strategy::<weight_averaging::WeightAveraging>()
        .network::<residual::ResidualConfig>()
        .metric(&energy_distance::EnergyDistance)
        .data_set::<bars::Bars>()
        .configuration("smoke", include_str!("smoke.toml"))
        .main()
}
