//! A table in LaTeX, for the package booktabs.

use super::{Entry, Paper, Row};

pub(super) fn render(paper: &Paper) -> String {
    let columns = "l".repeat(paper.names.len()) + &"r".repeat(paper.headings.len());
    let head: Vec<String> = paper.names.iter().chain(&paper.headings).map(|text| escaped(text)).collect();
    let mut lines = vec!["% \\usepackage{booktabs}".to_owned()];
    lines.extend(paper.notes.iter().map(|note| format!("% no value: {}", note.replace('\n', " "))));
    lines.push("\\begin{table}".to_owned());
    lines.push("  \\centering".to_owned());
    lines.push(format!("  \\caption{{{}}}", escaped(&paper.caption.join(" "))));
    lines.push(format!("  \\label{{tab:{}}}", label(&paper.name)));
    lines.push(format!("  \\begin{{tabular}}{{{columns}}}"));
    lines.push("    \\toprule".to_owned());
    lines.push(format!("    {} \\\\", head.join(" & ")));
    lines.push("    \\midrule".to_owned());
    for (i, row) in paper.rows.iter().enumerate() {
        if i > 0 && row.is_bound && !paper.rows[i - 1].is_bound {
            lines.push("    \\midrule".to_owned());
        }
        lines.push(format!("    {} \\\\", line(row)));
    }
    lines.extend(["    \\bottomrule", "  \\end{tabular}", "\\end{table}"].map(str::to_owned));
    lines.join("\n")
}

fn line(row: &Row) -> String {
    let names = row.names.iter().map(|name| escaped(name));
    names.chain(row.entries.iter().map(entry)).collect::<Vec<_>>().join(" & ")
}

fn entry(entry: &Entry) -> String {
    let Some(value) = &entry.value else { return "--".to_owned() };
    let value = if entry.is_bold { format!("\\mathbf{{{value}}}") } else { value.clone() };
    match &entry.spread {
        Some(spread) => format!("${value} \\pm {spread}$"),
        None => format!("${value}$"),
    }
}

/// A text with no sign that LaTeX takes for a command. Letters with accents stay: LaTeX reads UTF-8.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            '|' => out.push_str("$|$"),
            '“' => out.push_str("``"),
            '"' | '”' => out.push_str("''"),
            '±' => out.push_str("$\\pm$"),
            '×' => out.push_str("$\\times$"),
            '−' => out.push_str("$-$"),
            '≤' => out.push_str("$\\le$"),
            '≥' => out.push_str("$\\ge$"),
            '↑' => out.push_str("$\\uparrow$"),
            '↓' => out.push_str("$\\downarrow$"),
            '†' => out.push_str("$\\dagger$"),
            '–' => out.push_str("--"),
            '\n' => out.push(' '),
            c => match "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().position(|power| power == c) {
                Some(power) => out.extend(["$^", &power.to_string(), "$"]),
                None => out.push(c),
            },
        }
    }
    out
}

/// A name as a label may have it.
fn label(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_rules_escapes_and_bold() {
        let entry = |value: &str, spread: Option<&str>, is_bold| Entry {
            value: Some(value.into()),
            spread: spread.map(str::to_owned),
            is_bold,
        };
        let row = |name: &str, is_bound, entries| Row { names: vec![name.into()], is_bound, entries };
        let paper = Paper {
            name: "My run_1".into(),
            caption: vec!["± is 5 %.".into(), "N = 80.".into()],
            names: vec!["strategy".into()],
            headings: vec!["FID ↓".into(), "passes ×10³".into()],
            rows: vec![
                row("gem_batch", false, vec![entry("-1.50", Some("0.25"), true), entry("9", None, false)]),
                row("joint (bound)", true, vec![Entry::default(), entry("8", None, false)]),
            ],
            notes: vec!["FID of joint: lost".into()],
        };
        let expected = r"% \usepackage{booktabs}
% no value: FID of joint: lost
\begin{table}
  \centering
  \caption{$\pm$ is 5 \%. N = 80.}
  \label{tab:my-run-1}
  \begin{tabular}{lrr}
    \toprule
    strategy & FID $\downarrow$ & passes $\times$10$^3$ \\
    \midrule
    gem\_batch & $\mathbf{-1.50} \pm 0.25$ & $9$ \\
    \midrule
    joint (bound) & -- & $8$ \\
    \bottomrule
  \end{tabular}
\end{table}";
        assert_eq!(render(&paper), expected);
    }

    #[test]
    fn no_sign_of_a_name_is_a_command() {
        assert_eq!(
            escaped("a\\b{c}_d^e~f#g$h%i&j<k>l|m"),
            "a\\textbackslash{}b\\{c\\}\\_d\\textasciicircum{}e\\textasciitilde{}f\\#g\\$h\\%i\\&j$<$k$>$l$|$m"
        );
        assert_eq!(escaped("Fréchet 3–5 ≤ “x”"), "Fréchet 3--5 $\\le$ ``x''");
    }
}
