//! The options that say where cells are computed, and how many at a time.

use clap::Args;

use super::BackendArg;

/// Where cells are computed.
#[derive(Debug, Clone, Args)]
pub struct ComputeArgs {
    /// Backend to compute on
    #[arg(long, value_enum, default_value_t = BackendArg::AUTO)]
    pub backend: BackendArg,
    /// Device of the backend
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub device: usize,
    /// Several devices of the backend: the cells are spread over them
    #[arg(long, value_name = "0,1", value_delimiter = ',', conflicts_with = "device")]
    pub devices: Vec<usize>,
    /// Cells that are computed at a time, which share the devices and the CPU's threads: small models do not fill a large
    /// GPU. Results do not depend on it [default: one for each device]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
}

impl Default for ComputeArgs {
    fn default() -> Self {
        Self { backend: BackendArg::AUTO, device: 0, devices: Vec::new(), jobs: None }
    }
}
