//! The notes of Hugging Face's `datasets` in a Parquet file: which columns are pictures and which are classes, and the
//! names of the classes.

use serde_json::Value;

/// The columns of pictures and classes, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// Columns of type `Image`.
    pub images: Vec<String>,
    /// Columns of type `ClassLabel` with the names of their classes.
    pub labels: Vec<(String, Vec<String>)>,
}

impl Features {
    /// From the text under the key `huggingface`; nothing from a text that says nothing.
    pub(super) fn of(text: &str) -> Self {
        let mut found = Self::default();
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        for (column, feature) in value["info"]["features"].as_object().into_iter().flatten() {
            match feature["_type"].as_str() {
                Some("Image") => found.images.push(column.clone()),
                Some("ClassLabel") => {
                    let names = feature["names"].as_array().into_iter().flatten();
                    let names = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
                    found.labels.push((column.clone(), names));
                }
                _ => {}
            }
        }
        found
    }

    /// The names of the classes of a column; none where there are none.
    pub(super) fn names(&self, column: &str) -> Option<Vec<String>> {
        let (_, names) = self.labels.iter().find(|(label, _)| label == column)?;
        (!names.is_empty()).then(|| names.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_found_by_their_type() {
        let text = r#"{"info": {"features": {
            "img": {"_type": "Image"}, "id": {"dtype": "int64", "_type": "Value"},
            "fine_label": {"names": ["apple", "bear"], "_type": "ClassLabel"},
            "coarse": {"num_classes": 2, "_type": "ClassLabel"}}}}"#;
        let features = Features::of(text);
        assert_eq!(features.images, ["img"]);
        assert_eq!(features.names("fine_label"), Some(vec!["apple".into(), "bear".into()]));
        assert_eq!((features.names("coarse"), features.names("id")), (None, None));
        assert_eq!(features.labels.len(), 2);
        for nothing in ["", "[]", "{\"info\": 3}", "{\"info\": {\"features\": [1]}}", "{"] {
            assert_eq!(Features::of(nothing), Features::default());
        }
    }
}
