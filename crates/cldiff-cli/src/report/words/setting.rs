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
        [only] => format!(
            " {only} is a bound: it sees more data at once or holds more models, and competes with nobody."
        ),
        names => format!(
            " Bounds see more data at once or hold more models, and compete with nobody: {}.",
            names.join(", ")
        ),
    };
    let seeds = range(all.iter().map(|(_, cells)| Some(cells.len()))).unwrap_or((0, 0));
    let learns = match learned.len() {
        1 => "one task".to_owned(),
        n => format!("{n} tasks one after another"),
    };
    format!(
        "A denoising diffusion model learns {learns} ({train} training images in all, {eval} held out){lost}, {}.{bounds}{}{}",
        with(competing.len(), all.len() - competing.len(), seeds),
        fid(results),
        losses(results),
    )
}

/// The strategies and their seeds, as in "with 3 strategies and 5 seeds each".
fn with(competing: usize, bounds: usize, seeds: (usize, usize)) -> String {
    let (strategies, all) = match (competing, bounds) {
        (0, 1) => ("a bound alone".to_owned(), 1),
        (0, n) => (format!("{n} bounds alone"), n),
        (1, n) => ("one strategy".to_owned(), 1 + n),
        (n, bounds) => (format!("{n} strategies"), n + bounds),
    };
    let each = if all == 1 { "" } else { " each" };
    let seeds = if seeds == (1, 1) { "one seed".to_owned() } else { format!("{} seeds", range_text(seeds)) };
    format!("with {strategies} and {seeds}{each}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::tests::{cell, input},
        results::CellResult,
    };

    #[test]
    fn one_of_a_kind_is_told_as_one() {
        let told = |cells: Vec<CellResult>, tasks| setting(&input(cells, tasks).results);
        let one = told(vec![cell("a", 0, 1)], 1);
        assert!(one.starts_with("A denoising diffusion model learns one task (5 training"), "{one}");
        assert!(one.contains("held out), with one strategy and one seed. After"), "{one}");
        let joint = CellResult { strategy: "joint".into(), ..cell("j", 0, 2) };
        let both = told(vec![cell("a", 0, 2), joint.clone()], 2);
        assert!(both.contains("learns 2 tasks one after another (10 training"), "{both}");
        assert!(both.contains("with one strategy and one seed each. j is a bound: it sees"), "{both}");
        let alone = told(vec![joint], 2);
        assert!(alone.contains("with a bound alone and one seed. j is a bound"), "{alone}");
        let several = told(vec![cell("a", 0, 2), cell("b", 0, 2), cell("b", 1, 2)], 2);
        assert!(several.contains("with 2 strategies and 1–2 seeds each. After"), "{several}");
    }
}
