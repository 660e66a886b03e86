//! The long table as files: CSV (RFC 4180) and Parquet.

use std::sync::Arc;

use anyhow::{Context, Result};
use parquet::{
    basic::{LogicalType, Repetition, Type as Physical},
    data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type},
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::Type,
};

use super::long::Row;
use crate::results::SCHEMA;

/// A column: its name and how to get it from a row.
enum Field {
    Text(fn(&Row) -> Option<&str>),
    Whole(fn(&Row) -> Option<u64>),
    Number(fn(&Row) -> Option<f64>),
}

fn whole(value: Option<usize>) -> Option<u64> {
    value.map(|v| v as u64)
}

const FIELDS: [(&str, Field); 19] = [
    ("run", Field::Text(|r| Some(r.run.as_str()).filter(|run| !run.is_empty()))),
    ("label", Field::Text(|r| r.label.as_deref())),
    ("strategy", Field::Text(|r| r.strategy.as_deref())),
    ("seed", Field::Whole(|r| r.seed)),
    ("metric", Field::Text(|r| Some(&r.metric))),
    ("statistic", Field::Text(|r| Some(r.statistic))),
    ("after_task", Field::Whole(|r| whole(r.after_task))),
    ("on_task", Field::Whole(|r| whole(r.on_task))),
    ("bin", Field::Whole(|r| whole(r.bin))),
    ("t_low", Field::Whole(|r| whole(r.t_low))),
    ("t_high", Field::Whole(|r| whole(r.t_high))),
    ("threshold", Field::Whole(|r| whole(r.threshold))),
    ("block", Field::Text(|r| r.block.as_deref())),
    ("class", Field::Whole(|r| whole(r.class))),
    ("seen_class", Field::Whole(|r| whole(r.seen_class))),
    ("step", Field::Whole(|r| whole(r.step))),
    ("other", Field::Text(|r| r.other.as_deref())),
    ("value", Field::Number(|r| r.value)),
    ("reason", Field::Text(|r| r.reason.as_deref())),
];

/// The table as CSV: a header, then a line a row; an empty field is null.
pub(super) fn csv(rows: &[Row]) -> String {
    csv_lines(rows).join("\n") + "\n"
}

fn csv_lines(rows: &[Row]) -> Vec<String> {
    let line = |row: &Row| {
        let fields = FIELDS.map(|(_, field)| match field {
            Field::Text(get) => get(row).map_or_else(String::new, quoted),
            Field::Whole(get) => get(row).map_or_else(String::new, |v| v.to_string()),
            Field::Number(get) => get(row).map_or_else(String::new, |v| v.to_string()),
        });
        fields.join(",")
    };
    std::iter::once(FIELDS.map(|(name, _)| name).join(",")).chain(rows.iter().map(line)).collect()
}

/// The table as CSV with further columns behind those of [`csv`].
pub(super) fn csv_with(names: &[&str], rows: &[(Row, Vec<String>)]) -> String {
    let plain: Vec<Row> = rows.iter().map(|(row, _)| row.clone()).collect();
    let further = std::iter::once(names.iter().map(|name| quoted(name)).collect::<Vec<_>>())
        .chain(rows.iter().map(|(_, values)| values.iter().map(|value| quoted(value)).collect()));
    let lines = csv_lines(&plain).into_iter().zip(further);
    lines.map(|(line, further)| format!("{line},{}\n", further.join(","))).collect()
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The table as Parquet, uncompressed, in one row group.
///
/// # Errors
/// If the library cannot make it.
pub(super) fn parquet(rows: &[Row]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(rows, &mut bytes).context("the Parquet table cannot be made")?;
    Ok(bytes)
}

fn encode(rows: &[Row], bytes: &mut Vec<u8>) -> Result<(), parquet::errors::ParquetError> {
    let fields = FIELDS.iter().map(|(name, field)| {
        let (kind, logical) = match field {
            Field::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Field::Whole(_) => (Physical::INT64, None),
            Field::Number(_) => (Physical::DOUBLE, None),
        };
        let field = Type::primitive_type_builder(name, kind).with_logical_type(logical);
        field.with_repetition(Repetition::OPTIONAL).build().map(Arc::new)
    });
    let fields: Vec<_> = fields.collect::<Result<_, _>>()?;
    let schema = Arc::new(Type::group_type_builder("results").with_fields(fields).build()?);
    let number = KeyValue::new("cldiff.schema".to_owned(), SCHEMA.to_string());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![number])).build();
    let mut file = SerializedFileWriter::new(bytes, schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for (_, field) in &FIELDS {
        write_column(&mut group, field, rows)?;
    }
    group.close()?;
    file.close().map(|_| ())
}

fn write_column<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    field: &Field,
    rows: &[Row],
) -> Result<(), parquet::errors::ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    // A definition level of 0 is null.
    match field {
        Field::Text(get) => {
            let levels: Vec<i16> = rows.iter().map(|row| i16::from(get(row).is_some())).collect();
            let values: Vec<ByteArray> =
                rows.iter().filter_map(|row| get(row)).map(ByteArray::from).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
        }
        Field::Whole(get) => {
            let levels: Vec<i16> = rows.iter().map(|row| i16::from(get(row).is_some())).collect();
            let values: Vec<i64> = rows.iter().filter_map(get).map(|v| v as i64).collect();
            column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
        }
        Field::Number(get) => {
            let levels: Vec<i16> = rows.iter().map(|row| i16::from(get(row).is_some())).collect();
            let values: Vec<f64> = rows.iter().filter_map(get).collect();
            column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
        }
    }
    column.close()
}
