//! A report as Apache Parquet: a row group for each page.

use std::{
    io::{self, Write},
    sync::Arc,
};

use parking_lot::Mutex;
use parquet::{
    data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::{
    ReportError,
    csv::empty,
    fields::{self, Fields, Value},
};
use crate::store::ReportQuery;

/// What is written and not yet taken.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Parquet {
    buffer: Buffer,
    /// `None` once it is closed.
    file: Option<SerializedFileWriter<Buffer>>,
}

impl From<ParquetError> for ReportError {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error.to_string())
    }
}

/// The type of a column, by an example of its values.
fn column(name: &str, value: &Value) -> String {
    let (physical, logical) = match value {
        Value::Text(_) | Value::List(_) => ("BYTE_ARRAY", " (STRING)"),
        Value::Counts(_) => ("BYTE_ARRAY", " (JSON)"),
        Value::Date(_) => ("INT32", " (DATE)"),
        Value::Time(_) => ("INT64", " (TIMESTAMP(MICROS,true))"),
        Value::Count(_) => ("INT64", ""),
        Value::Rate(_) => ("DOUBLE", ""),
        Value::Money(_) => ("INT64", " (DECIMAL(18,6))"),
    };
    format!("OPTIONAL {physical} {name}{logical};")
}

impl Parquet {
    pub fn new(query: &ReportQuery) -> Result<Self, ReportError> {
        let columns: Vec<String> =
            fields::of(&empty(query), query, "").iter().map(|(name, value)| column(name, value)).collect();
        let schema = parse_message_type(&format!("message report {{ {} }}", columns.join(" ")))?;
        let properties = Arc::new(WriterProperties::builder().set_created_by("cuetone".to_owned()).build());
        let buffer = Buffer::default();
        let file = SerializedFileWriter::new(buffer.clone(), Arc::new(schema), properties)?;
        Ok(Self { buffer, file: Some(file) })
    }

    pub fn head(&mut self) -> Vec<u8> {
        self.take()
    }

    pub fn rows(&mut self, rows: &[Fields]) -> Result<Vec<u8>, ReportError> {
        if let Some(file) = self.file.as_mut().filter(|_| !rows.is_empty()) {
            let mut group = file.next_row_group()?;
            let mut at = 0;
            while let Some(mut writer) = group.next_column()? {
                let values = rows.iter().filter_map(|row| row.get(at)).map(|(_, value)| value);
                let cells: Vec<Cell> = values.map(cell).collect();
                let levels: Vec<i16> = cells.iter().map(|cell| i16::from(!matches!(cell, Cell::Null))).collect();
                let example = rows.first().and_then(|row| row.get(at)).map(|(_, value)| value);
                match example {
                    Some(Value::Date(_)) => {
                        let values: Vec<i32> = cells.iter().filter_map(Cell::small).collect();
                        writer.typed::<Int32Type>().write_batch(&values, Some(&levels), None)?;
                    }
                    Some(Value::Time(_) | Value::Count(_) | Value::Money(_)) => {
                        let values: Vec<i64> = cells.iter().filter_map(Cell::number).collect();
                        writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
                    }
                    Some(Value::Rate(_)) => {
                        let values: Vec<f64> = cells.iter().filter_map(Cell::rate).collect();
                        writer.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
                    }
                    Some(Value::Text(_) | Value::Counts(_) | Value::List(_)) | None => {
                        let values: Vec<ByteArray> = cells.iter().filter_map(Cell::text).collect();
                        writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
                    }
                }
                writer.close()?;
                at += 1;
            }
            group.close()?;
        }
        Ok(self.take())
    }

    pub fn tail(&mut self) -> Result<Vec<u8>, ReportError> {
        if let Some(file) = self.file.take() {
            file.close()?;
        }
        Ok(self.take())
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.buffer.0.lock())
    }
}

/// A value as its column stores it.
enum Cell {
    Null,
    Small(i32),
    Number(i64),
    Rate(f64),
    Text(String),
}

impl Cell {
    fn small(&self) -> Option<i32> {
        if let Self::Small(number) = self { Some(*number) } else { None }
    }
    fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
    fn rate(&self) -> Option<f64> {
        if let Self::Rate(rate) = self { Some(*rate) } else { None }
    }
    fn text(&self) -> Option<ByteArray> {
        if let Self::Text(text) = self { Some(ByteArray::from(text.as_str())) } else { None }
    }
}

fn cell(value: &Value) -> Cell {
    let text = |text: Option<String>| text.map_or(Cell::Null, Cell::Text);
    match value {
        Value::Text(value) => text(value.clone()),
        Value::List(_) => text(Some(value.text())),
        Value::Counts(counts) => text(counts.as_ref().map(|counts| serde_json::json!(counts).to_string())),
        Value::Date(date) => {
            let days = jiff::civil::date(1970, 1, 1).until(*date).map(|span| span.get_days());
            days.map_or(Cell::Null, Cell::Small)
        }
        Value::Time(time) => Cell::Number(time.as_micros()),
        Value::Count(count) => count.map_or(Cell::Null, Cell::Number),
        Value::Rate(rate) => rate.map_or(Cell::Null, Cell::Rate),
        Value::Money(money) => Cell::Number(money.micros()),
    }
}
