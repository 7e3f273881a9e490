//! Tables as comma-separated text, in and out (RFC 4180).
//!
//! What is written reads back to the same table: floats have the shortest text that gives the same bits, an
//! empty field is a null, and text that would read as something else stands in quotes. So a quoted field is
//! always text; kinds of unquoted columns are found from all their values.

use std::fmt::Write as _;
use std::path::Path;

use super::{Cell, Column, Frame, Kind, check_unique};
use crate::error::{Context, Error, Result, did_you_mean};
use crate::save::write_whole;

/// One field of a row.
struct Field {
    text: String,
    quoted: bool,
}

impl Frame {
    /// Writes the table as CSV with a header. The file appears whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let text = self.to_csv()?;
        write_whole(path, |file| Ok(file.write_all(text.as_bytes())?))
    }

    /// The table as CSV with a header.
    ///
    /// # Errors
    /// None for a table that was built.
    pub fn to_csv(&self) -> Result<String> {
        let columns = self.columns()?;
        let mut text = String::new();
        let mut line = |fields: &mut dyn Iterator<Item = String>| {
            for (place, field) in fields.enumerate() {
                if place > 0 {
                    text.push(',');
                }
                text.push_str(&field);
            }
            text.push('\n');
        };
        line(&mut columns.iter().map(|(name, _)| quoted_if(name, needs_quotes(name) || name.is_empty())));
        for row in 0..self.height() {
            line(&mut columns.iter().map(|(_, column)| written(&column.get(row))));
        }
        Ok(text)
    }

    /// Reads a CSV file with a header.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8, has two columns of one name, a row with another number of
    /// fields than the header, or a quote that is not closed; the message names the file and the line.
    pub fn read_csv(path: &Path) -> Result<Self> {
        let name = || path.display().to_string();
        let bytes = std::fs::read(path).within(name)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
            Error::new(format!("{}: line {line}: not UTF-8 text", name()))
        })?;
        Self::from_csv(&text).within(name)
    }

    /// Reads CSV text with a header; see [`Frame::read_csv`].
    ///
    /// # Errors
    /// As there; the message names the line.
    pub fn from_csv(text: &str) -> Result<Self> {
        let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
        let Some((_, header)) = reader.row(false)? else {
            return Err(Error::new("line 1: expected a header, found an empty file"));
        };
        check_unique(header.iter().map(|field| field.text.as_str())).within(|| "line 1")?;
        let mut columns: Vec<Vec<Field>> = header.iter().map(|_| Vec::new()).collect();
        while let Some((line, row)) = reader.row(header.len() == 1)? {
            if row.len() != header.len() {
                return Err(Error::new(format!(
                    "line {line}: expected {} fields as in the header, found {}",
                    header.len(),
                    row.len()
                ))
                .hint("a field with a comma, a quote or a line break in it stands in double quotes"));
            }
            for (column, field) in columns.iter_mut().zip(row) {
                column.push(field);
            }
        }
        Self::new(header.into_iter().map(|field| field.text).zip(columns.into_iter().map(typed)))
    }

    /// Reads a table by the file's extension: `.csv` or `.parquet`.
    ///
    /// # Errors
    /// Another extension; a file that does not read.
    pub fn read(path: &Path) -> Result<Self> {
        match extension(path)? {
            Extension::Csv => Self::read_csv(path),
            Extension::Parquet => Self::read_parquet(path),
        }
    }

    /// Writes a table by the file's extension: `.csv` or `.parquet`.
    ///
    /// # Errors
    /// Another extension; a file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        match extension(path)? {
            Extension::Csv => self.write_csv(path),
            Extension::Parquet => self.write_parquet(path),
        }
    }
}

enum Extension {
    Csv,
    Parquet,
}

fn extension(path: &Path) -> Result<Extension> {
    let found = path.extension().and_then(|extension| extension.to_str()).unwrap_or("").to_ascii_lowercase();
    match found.as_str() {
        "csv" => Ok(Extension::Csv),
        "parquet" => Ok(Extension::Parquet),
        _ => Err(Error::new(format!("{}: expected a table file, .csv or .parquet", path.display())).hint(
            did_you_mean(&found, ["csv", "parquet"]).unwrap_or_else(|| "name it with one of them".into()),
        )),
    }
}

/// Reads rows off the front of the text.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    /// The next row and the line it begins on. Blank lines are passed over, unless a row has one field only:
    /// there they are nulls.
    fn row(&mut self, blank_is_row: bool) -> Result<Option<(usize, Vec<Field>)>> {
        while !blank_is_row && self.line_end() {}
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let mut row = Vec::new();
        loop {
            row.push(self.field()?);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            self.line_end();
            return Ok(Some((line, row)));
        }
    }

    /// Passes over a line end, where one is next.
    fn line_end(&mut self) -> bool {
        match self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            Some(rest) => {
                self.rest = rest;
                self.line += 1;
                true
            }
            None => false,
        }
    }

    /// The next field; what follows it is a comma, a line end or nothing.
    fn field(&mut self) -> Result<Field> {
        let Some(mut rest) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            // The return of a "\r\n" belongs to the line end.
            let text = if rest.starts_with('\n') || rest.is_empty() {
                text.strip_suffix('\r').unwrap_or(text)
            } else {
                text
            };
            self.rest = rest;
            return Ok(Field { text: text.to_string(), quoted: false });
        };
        let opened = self.line;
        let mut text = String::new();
        loop {
            let Some(end) = rest.find('"') else {
                return Err(Error::new(format!("line {opened}: a quoted field is not closed")));
            };
            let (part, after) = rest.split_at(end);
            text.push_str(part);
            self.line += part.matches('\n').count();
            rest = after.strip_prefix('"').unwrap_or(after);
            let Some(more) = rest.strip_prefix('"') else { break };
            text.push('"');
            rest = more;
        }
        let after = rest
            .strip_prefix('\r')
            .filter(|after| after.is_empty() || after.starts_with('\n'))
            .unwrap_or(rest);
        if !(after.is_empty() || after.starts_with([',', '\n'])) {
            let found = after.chars().next().unwrap_or(' ');
            return Err(Error::new(format!(
                "line {}: expected a comma after a quoted field, found {found:?}",
                self.line
            ))
            .hint("a quote within a quoted field is written twice"));
        }
        self.rest = after;
        Ok(Field { text, quoted: true })
    }
}

/// A column of the narrowest kind that holds all its fields.
fn typed(fields: Vec<Field>) -> Column {
    let given = || fields.iter().filter(|field| !is_null(field));
    let all = |kind: Kind| given().all(|field| !field.quoted && read_as(kind, &field.text).is_some());
    let kind = match given().next() {
        None => Kind::Float,
        Some(_) => {
            [Kind::Int, Kind::Float, Kind::Bool].into_iter().find(|&kind| all(kind)).unwrap_or(Kind::Text)
        }
    };
    let cell = |field: &Field| if is_null(field) { None } else { read_as(kind, &field.text) };
    match kind {
        Kind::Int => Column::Int(
            fields
                .iter()
                .map(|f| cell(f).and_then(|c| if let Cell::Int(v) = c { Some(v) } else { None }))
                .collect(),
        ),
        Kind::Float => Column::Float(fields.iter().map(|f| cell(f).and_then(|c| c.number())).collect()),
        Kind::Bool => Column::Bool(
            fields
                .iter()
                .map(|f| cell(f).and_then(|c| if let Cell::Bool(v) = c { Some(v) } else { None }))
                .collect(),
        ),
        Kind::Text => {
            Column::Text(fields.into_iter().map(|field| (!is_null(&field)).then_some(field.text)).collect())
        }
    }
}

fn is_null(field: &Field) -> bool {
    field.text.is_empty() && !field.quoted
}

fn read_as(kind: Kind, text: &str) -> Option<Cell> {
    match kind {
        Kind::Int => text.parse().ok().map(Cell::Int),
        Kind::Float => text.parse().ok().map(Cell::Float),
        Kind::Bool => match text {
            "true" | "True" | "TRUE" => Some(Cell::Bool(true)),
            "false" | "False" | "FALSE" => Some(Cell::Bool(false)),
            _ => None,
        },
        Kind::Text => Some(Cell::Text(text.to_string())),
    }
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(text) => {
            let other =
                [Kind::Int, Kind::Float, Kind::Bool].into_iter().any(|kind| read_as(kind, text).is_some());
            quoted_if(text, other || text.is_empty() || needs_quotes(text))
        }
        other => other.to_string(),
    }
}

fn needs_quotes(text: &str) -> bool {
    text.contains([',', '"', '\n', '\r'])
        || text.starts_with([' ', '\t', '\u{feff}'])
        || text.ends_with([' ', '\t'])
}

fn quoted_if(text: &str, quoted: bool) -> String {
    match quoted {
        false => text.to_string(),
        true => {
            let mut field = String::with_capacity(text.len() + 2);
            let _ = write!(field, "\"{}\"", text.replace('"', "\"\""));
            field
        }
    }
}
