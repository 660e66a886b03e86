//! `cldiff data fetch`: the published files, with a bar that shows how far they are.

use data_streams::{DataConfig, DataError, fetch::FetchOptions};

use super::{FetchArgs, published_names};
use crate::{config::places, download::Told, failure::Failure, ui::width::say};

pub(super) fn fetch(args: &FetchArgs) -> Result<(), Failure> {
    let sets: Vec<DataConfig> = args.names.iter().map(|name| named(name)).collect::<Result<_, _>>()?;
    sets.iter().try_for_each(|set| fetch_one(set, args))
}

fn named(name: &str) -> Result<DataConfig, Failure> {
    DataConfig::of_name(name).filter(|set| set.published().is_some()).ok_or_else(|| {
        let names = published_names();
        Failure::mistake(format!("{name}: there is nothing of that name to fetch; expected {names}"))
    })
}

fn fetch_one(set: &DataConfig, args: &FetchArgs) -> Result<(), Failure> {
    let Some(published) = set.published() else { return Ok(()) };
    let name = set.public_name();
    let dir = places(args.data_dir.as_deref()).fetched(&name);
    let mut files = published.remote_files();
    files.iter_mut().for_each(|file| args.download.apply(file));
    let mut told = Told::new(args.download.quiet);
    let paths =
        data_streams::fetch::fetch(&files, &dir, &FetchOptions::default(), &mut |event| told.tell(event))
            .map_err(|error| failure(&name, &error))?;
    told.finish();
    say(&format!("{name}: {} files in {} (licence: {})", paths.len(), dir.display(), published.licence()));
    Ok(())
}

/// That no mirror answers is no mistake of the user's; a directory or file in the way is.
fn failure(name: &str, error: &DataError) -> Failure {
    match error {
        DataError::Fetch { .. } => Failure::Other(anyhow::anyhow!("{name}: {error}")),
        _ => Failure::mistake(format!("{name}: {error}")),
    }
}
