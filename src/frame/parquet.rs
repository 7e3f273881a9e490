//! Tables as Parquet files, in and out.
//!
//! polars trusts the counts in a file: one that lies makes it panic or ask for memory that no machine has.
//! So the counts of every page are checked against the file first, and what still panics is caught.

use std::io::Cursor;
use std::path::Path;

use polars::io::parquet::metadata::FileMetadata;
use polars::prelude::{
    ParallelStrategy, ParquetCompression, ParquetReader, ParquetWriter, SerReader, StatisticsOptions,
};
use polars_parquet_format::PageHeader;
use polars_parquet_format::thrift::protocol::TCompactInputProtocol;

use super::{Frame, store};
use crate::error::{Context, Error, Result};
use crate::panics::caught;
use crate::save::write_whole;

/// Rows in one group of the file; fixed, so that the same table gives the same bytes on every machine.
const ROW_GROUP: usize = 1 << 18;
const PAGE_BYTES: usize = 1 << 20;

/// The most values a byte of a file stands for: long runs of one value take next to no room.
const VALUES_A_BYTE: u64 = 10_000;
/// The most that a page grows when it is decompressed, over this many bytes.
const GROWTH: u64 = 10_000;
const SMALL_PAGE: u64 = 1 << 24;

impl Frame {
    /// Writes the table as Parquet. The file appears whole or not at all; the same table gives the same
    /// bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        let mut data = self.0.as_ref().clone();
        // Pieces left over from stacking and slicing must not show in the file.
        data.rechunk_mut();
        write_whole(path, |file| {
            ParquetWriter::new(file)
                .with_compression(ParquetCompression::Zstd(None))
                .with_statistics(StatisticsOptions::default())
                .with_row_group_size(Some(ROW_GROUP))
                .with_data_page_size(Some(PAGE_BYTES))
                .set_parallel(false)
                .finish(&mut data)?;
            Ok(())
        })
    }

    /// Reads a Parquet file. Narrower numbers become floats and integers of 64 bits, categories text.
    ///
    /// # Errors
    /// The file cannot be read, is no Parquet file, is damaged, or has a column of lists, structures or
    /// dates; the message names the file and what was wrong.
    pub fn read_parquet(path: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let bytes = std::fs::read(path)?;
            if !(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1")) {
                return Err(Error::new("not a Parquet file: it does not begin and end with \"PAR1\""));
            }
            caught(|| from_bytes(&bytes)).unwrap_or_else(|| Err(damaged("its counts or places are wrong")))
        };
        read().within(|| path.display())
    }
}

fn from_bytes(bytes: &[u8]) -> Result<Frame> {
    // On this thread alone: a panic in another one would be reported.
    let mut reader = ParquetReader::new(Cursor::new(bytes)).read_parallel(ParallelStrategy::None);
    check(bytes, reader.get_metadata().map_err(damaged)?)?;
    let data = reader.finish().map_err(damaged)?;
    let columns = data.columns().iter().map(store::normalise).collect::<Result<Vec<_>>>()?;
    Frame::from_polars_columns(columns)
}

/// The counts of the file agree with each other and with its size.
fn check(bytes: &[u8], metadata: &FileMetadata) -> Result<()> {
    let mut values = 0u64;
    for group in &metadata.row_groups {
        for column in group.parquet_columns() {
            let name = || format!("column \"{}\"", column.descriptor().path_in_schema.join("."));
            let flat = column.descriptor().descriptor.max_rep_level == 0;
            let count = u64::try_from(column.num_values()).unwrap_or(u64::MAX);
            if flat && count != group.num_rows() as u64 {
                let what = format!("{} rows, and {} values", group.num_rows(), column.num_values());
                return Err(damaged(what).within(name()));
            }
            values = values.saturating_add(count);
            if values > (bytes.len() as u64).saturating_mul(VALUES_A_BYTE) {
                return Err(damaged(format!("{values} values or more in {} bytes", bytes.len())));
            }
            let first = column.dictionary_page_offset().unwrap_or(i64::MAX).min(column.data_page_offset());
            let pages = usize::try_from(first).ok().zip(usize::try_from(column.compressed_size()).ok());
            let pages = pages.and_then(|(start, length)| bytes.get(start..start.checked_add(length)?));
            let pages = pages.ok_or_else(|| damaged("its values lie outside of it")).within(name)?;
            check_pages(pages, count).within(name)?;
        }
    }
    Ok(())
}

/// The pages of a column have as many values as the column, and no size that their bytes cannot have.
fn check_pages(mut rest: &[u8], expected: u64) -> Result<()> {
    let mut found = 0u64;
    while found < expected {
        let limit = rest.len();
        let header = PageHeader::read_from_in_protocol(&mut TCompactInputProtocol::new(&mut rest, limit))
            .map_err(damaged)?;
        let count =
            |count: i32| u64::try_from(count).map_err(|_| damaged(format!("a page of {count} values")));
        let size = count(header.compressed_page_size)?;
        let grown = count(header.uncompressed_page_size)?;
        let values = match header {
            PageHeader { data_page_header: Some(page), .. } => count(page.num_values)?,
            PageHeader { data_page_header_v2: Some(page), .. } => {
                // Levels stand before the values, uncompressed.
                let levels =
                    count(page.definition_levels_byte_length)? + count(page.repetition_levels_byte_length)?;
                if levels > size.min(grown) || count(page.num_nulls)? > count(page.num_values)? {
                    return Err(damaged(format!("a page of {size} bytes with {levels} bytes of levels")));
                }
                count(page.num_values)?
            }
            PageHeader { dictionary_page_header: Some(page), .. } => {
                // Booleans, the smallest values, take a bit.
                if count(page.num_values)? > grown.saturating_mul(8) {
                    return Err(damaged(format!(
                        "a dictionary of {} values in {grown} bytes",
                        page.num_values
                    )));
                }
                0
            }
            _ => 0,
        };
        if grown > SMALL_PAGE.max(size.saturating_mul(GROWTH)) {
            return Err(damaged(format!("a page of {size} bytes that would grow to {grown}")));
        }
        found += values;
        rest = match usize::try_from(size).ok().and_then(|size| rest.get(size..)) {
            Some(rest) => rest,
            None => return Err(damaged(format!("a page of {size} bytes where {} are left", rest.len()))),
        };
    }
    match found == expected {
        true => Ok(()),
        false => Err(damaged(format!("{expected} values, and its pages have {found}"))),
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(format!("a damaged Parquet file: {what}"))
}
