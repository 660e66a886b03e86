//! The setting of a report, in a paragraph.

use crate::{
    quantities::cells::{competitors, is_bound, range, range_text, strategies},
    results::Results,
};

/// The setting, in a paragraph.
pub(in super::super) fn setting(results: &Results) -> String {
    let tasks = &results.stream.tasks;
    let eval: usize = tasks.iter().map(|task| task.eval).sum();
    // The images of a removal are noise.
    let learned: Vec<usize> =
        tasks.iter().filter(|task| task.removes.is_empty()).map(|task| task.train).collect();
    let train: usize = learned.iter().sum();
    let lost: Vec<&str> = tasks.iter().flat_map(|task| &task.removes).map(String::as_str).collect();
    let lost =
        if lost.is_empty() { String::new() } else { format!(" and is then to lose {}", lost.join(", ")) };
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
         out){lost}, with {} {} and {} seed{} each.{bounds}{}{}",
        learned.len(),
        if learned.len() == 1 { "" } else { "s" },
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
