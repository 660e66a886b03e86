//! The known name that an unknown one is near to, for "did you mean".

use strsim::levenshtein;

/// The name that takes the fewest insertions, deletions and replacements of letters; none if that are as many as half of the
/// letters of the longer of the two.
pub(super) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = unknown.chars().count();
    let near = known.into_iter().filter_map(|name| {
        let (own, longer) = (name.chars().count(), name.chars().count().max(letters));
        // As many insertions at least: no name, however long it is, is compared in vain.
        let may_be_near = 2 * own.abs_diff(letters) < longer;
        let changes = if may_be_near { levenshtein(unknown, name) } else { longer };
        (2 * changes < longer).then_some((changes, name))
    });
    near.min_by_key(|(changes, _)| *changes).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_if_fewer_than_half_of_its_letters_change() {
        let near = |unknown: &str| nearest(unknown, ["finetune", "ewc", "l2", "online_ewc"]);
        assert_eq!(
            (near("finetoon"), near("ewk"), near("onlineewc")),
            (Some("finetune"), Some("ewc"), Some("online_ewc"))
        );
        // One of two letters, two of three, and nothing in common.
        assert_eq!((near("l1"), near("eew"), near("rehearse")), (None, None, None));
        assert_eq!((near(""), near(&"x".repeat(1000))), (None, None));
    }
}
