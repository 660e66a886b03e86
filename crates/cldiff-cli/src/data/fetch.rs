//! `cldiff data fetch`: the published files, with a bar that shows how far they are.

use data_streams::{DataError, Published, fetch::FetchOptions};

use super::{FetchArgs, names};
use crate::{config::fetched, download::Told, failure::Failure};

pub(super) fn fetch(args: &FetchArgs) -> Result<(), Failure> {
    let named = |name: &String| {
        Published::named(name).ok_or_else(|| {
            Failure::mistake(format!("{name}: there is nothing of that name to fetch; expected {}", names()))
        })
    };
    let wanted = args.names.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    for published in wanted {
        let dir = fetched(published, args.data_dir.as_deref());
        let mut files = published.remote_files();
        files.iter_mut().for_each(|file| args.download.apply(file));
        let mut told = Told::new(args.download.quiet);
        let paths =
            data_streams::fetch::fetch(&files, &dir, &FetchOptions::default(), &mut |event| told.tell(event))
                .map_err(|error| failure(published, &error))?;
        told.finish();
        println!(
            "{}: {} files in {} (licence: {})",
            published.name(),
            paths.len(),
            dir.display(),
            published.licence()
        );
    }
    Ok(())
}

/// That no mirror answers is no mistake of the user's; a directory or file in the way is.
fn failure(published: Published, error: &DataError) -> Failure {
    match error {
        DataError::Fetch { .. } => Failure::Other(anyhow::anyhow!("{}: {error}", published.name())),
        _ => Failure::mistake(format!("{}: {error}", published.name())),
    }
}
