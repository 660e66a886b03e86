//! `cldiff run --cell`: some cells of a run that is prepared, by the configuration in its directory. Writes below `cells/`
//! alone, so that any number of processes on any machines can do so at a time.

use std::{env, path::Path, time::Duration};

use cldiff_engine::Backend;

use super::{
    Benchmark, build_stream, interrupt, open_named,
    preparing::{self, Kept},
};
use crate::{
    args::{CellsArg, Chosen, RunArgs, SettingArgs},
    config::{Loaded, load},
    files::{
        finished_run::{self, CONFIG},
        manifest::Manifest,
        run_directory::RunDirectory,
    },
    ui::{failure::Failure, progress::Progress},
};

/// A shared file system may show what another machine has written only after a while: a task of a batch system begins when
/// the preparing job has ended, and looks for it so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Makes, takes up or finds finished the cells.
///
/// # Errors
/// [`Failure::Mistake`] for a run that is not prepared, and for cells that it has not; [`Failure::Cells`] if a cell fails;
/// [`Failure::Other`] if it is another process's, or a file cannot be written.
pub(super) fn run(args: &RunArgs, cells: &CellsArg) -> Result<(), Failure> {
    let root = args.out.as_deref().unwrap_or(Path::new("."));
    interrupt::listen(format!("interrupted; {}", again(root)));
    let patience = if *cells == CellsArg::Auto { PATIENCE } else { Duration::ZERO };
    let manifest = finished_run::prepared(root, patience).map_err(Failure::of_files)?;
    let mut of_run = args.clone();
    of_run.setting =
        SettingArgs { changes: args.setting.changes.clone(), ..SettingArgs::of_config(&root.join(CONFIG)) };
    let mut loaded = load(&of_run.setting)?;
    let of = loaded.config.cells().len();
    let chosen = cells.chosen(of, args.cells_per_task, |name| env::var(name).ok());
    let Chosen(which) = chosen.map_err(Failure::mistake)?;
    let (progress, directory) = (Progress::new(args.quiet), RunDirectory::of(root));
    if let Some(labels) = finished(&loaded, &which, &directory) {
        labels.iter().for_each(|label| progress.say(&format!("{label}: finished already")));
        return Ok(());
    }
    let stream = build_stream(&loaded, &of_run)?;
    loaded.resolve(&stream)?;
    let is_auto = args.compute.backend.name() == Backend::AUTO;
    let backend = if is_auto { manifest.backend.as_str() } else { args.compute.backend.name() };
    let engines = open_named(args, backend, loaded.config.precision)?;
    let here = Manifest::new(&loaded.config, "", &stream, &engines);
    directory.check_same_program(&manifest, &here)?;
    let benchmark = Benchmark { args: &of_run, engines: &engines, stream: &stream, loaded: &loaded };
    let references = preparing::references(&benchmark, &directory, Kept::Only)?;
    let failed = benchmark.runner(&references, &directory, &progress, false).run(&which)?;
    if failed.is_empty() {
        return Ok(());
    }
    let (n, lines) = (failed.len(), failed.join("\n  "));
    Err(Failure::Cells(format!("{n} of {} cells failed:\n  {lines}\n{}", which.len(), again(root))))
}

fn again(root: &Path) -> String {
    format!("nothing is lost: the same command goes on, or --resume --out {} with all cells", root.display())
}

/// The names of the cells, if every one is finished.
fn finished(loaded: &Loaded, which: &[usize], directory: &RunDirectory) -> Option<Vec<String>> {
    let cells = loaded.config.cells();
    let name = |&i: &usize| {
        let (label, seed) = (cells[i].strategy.label(), cells[i].seed);
        directory.cell(&label, seed).finished().map(|_| format!("{label} (seed {seed})"))
    };
    which.iter().map(name).collect()
}
