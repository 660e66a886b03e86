//! The setting of a report, in a paragraph.

use crate::{
    quantities::cells::{competitors, is_bound, range, range_text, strategies},
    results::Results,
};

/// The setting, in a paragraph.
pub(in super::super) fn setting(results: &Results) -> String {
    let tasks = &results.stream.tasks;
    let (train, eval): (usize, usize) =
        tasks.iter().fold((0, 0), |(train, eval), task| (train + task.train, eval + task.eval));
    let (all, competing) = (strategies(results), competitors(results));
    let bounds: Vec<String> =
        all.iter().filter(|(_, cells)| is_bound(cells)).map(|(label, _)| label.clone()).collect();
    let bounds = match &bounds[..] {
        [] => String::new(),
        names => format!(
            " Bounds see more data at once or hold more models, and compete with nobody: {}.",
            names.join(", ")
        ),
    };
    let seeds = range(all.iter().map(|(_, cells)| Some(cells.len()))).unwrap_or((0, 0));
    let plural = |n: usize, word: &str| format!("{word}{}", if n == 1 { "y" } else { "ies" });
    format!(
        "A denoising diffusion model learns {} task{} one after another ({train} training images in all, {eval} held \
         out), with {} {} and {} seed{} each.{bounds}{}{}",
        tasks.len(),
        if tasks.len() == 1 { "" } else { "s" },
        competing.len(),
        plural(competing.len(), "strateg"),
        range_text(seeds),
        if seeds == (1, 1) { "" } else { "s" },
        fid(results),
        losses(results),
    )
}

/// The samples and features behind FID; nothing where it was not measured.
fn fid(results: &Results) -> String {
    let measured = results.cells.iter().any(|cell| cell.matrices.contains_key("fid"));
    if !measured {
        return String::new();
    }
    let entries = results.cells.iter().filter_map(|cell| cell.samples.get("fid")).flatten().flatten();
    let n = range(entries.flatten().copied().map(Some));
    let n = n.map_or_else(|| results.samples_per_task.to_string(), range_text);
    format!(
        " After each task, samples of each task seen so far are compared with its held-out images: FID from {n} \
         samples a task, in the features of the {}.",
        results.features
    )
}

/// On which tasks the losses are measured.
fn losses(results: &Results) -> String {
    let mut matrices = results.cells.iter().filter_map(|cell| cell.matrices.get("bpd")).peekable();
    if matrices.peek().is_none() {
        return String::new();
    }
    let on_every_task = matrices.flatten().flatten().all(Option::is_some);
    let tasks = if on_every_task { "every task, seen or not" } else { "some of the tasks" };
    format!(" Losses along the diffusion timesteps are measured on fixed images and noise of {tasks}.")
}
