//! Tables as Parquet files, in and out.

use std::path::Path;

use polars::prelude::{ParquetCompression, ParquetReader, ParquetWriter, SerReader, StatisticsOptions};

use super::{Frame, csv::write_whole, store};
use crate::error::{Context, Error, Result};

/// Rows in one group of the file; fixed, so that the same table gives the same bytes on every machine.
const ROW_GROUP: usize = 1 << 18;
const PAGE_BYTES: usize = 1 << 20;

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
            let file = std::fs::File::open(path)?;
            let data = ParquetReader::new(file)
                .finish()
                .map_err(|error| Error::new(format!("not a readable Parquet file: {error}")))?;
            Self::from_polars_columns(
                data.columns().iter().map(store::normalise).collect::<Result<Vec<_>>>()?,
            )
        };
        read().within(|| path.display())
    }
}
