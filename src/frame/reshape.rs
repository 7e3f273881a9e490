//! From long to wide and back.

use super::group::aggregate;
use super::{Column, Frame, Stat, check_unique};
use crate::error::{Context, Error, Result};

impl Frame {
    /// From long to wide: one row for each distinct combination of values in `index`, one new column for
    /// each distinct value of `columns`, holding `stat` of the `values` that meet there; null where none do.
    /// Rows and columns stand in the order they first appear; sort before for another.
    ///
    /// # Errors
    /// A name that is no column; a value of `columns` that is also the name of an index column; a statistic
    /// of numbers asked of text.
    pub fn pivot<S: AsRef<str>>(&self, index: &[S], columns: &str, values: &str, stat: Stat) -> Result<Self> {
        let mut named: Vec<&str> = index.iter().map(AsRef::as_ref).collect();
        named.extend([columns, values]);
        self.check_names(&named)?;
        if index.is_empty() {
            return Err(Error::new("expected at least one index column for a pivot, found none"));
        }
        let rows = self.groups(index)?;
        let mut row_of = vec![0usize; self.height()];
        for (number, group) in rows.iter().enumerate() {
            group.iter().for_each(|&row| {
                if let Some(place) = row_of.get_mut(row) {
                    *place = number;
                }
            });
        }
        let firsts: Vec<Option<usize>> = rows.iter().map(|group| group.first().copied()).collect();
        let mut wide = Vec::new();
        for name in index {
            wide.push((name.as_ref().to_string(), self.column(name.as_ref())?.take(&firsts)));
        }

        let headings = self.column(columns)?;
        let observed = self.column(values)?;
        for group in self.groups(&[columns])? {
            let Some(&first) = group.first() else { continue };
            let mut cells: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
            for row in group {
                if let Some(cell) = row_of.get(row).and_then(|&place| cells.get_mut(place)) {
                    cell.push(row);
                }
            }
            let column = aggregate(&observed, &cells, stat).within(|| format!("column \"{values}\""))?;
            wide.push((headings.get(first).to_string(), blank(column, &cells)));
        }
        check_unique(wide.iter().map(|(name, _)| name.as_str()))
            .within(|| format!("the values of \"{columns}\" become columns"))?;
        Self::new(wide)
    }

    /// From wide to long: for each row and each of the columns `values` one row with the columns `index`,
    /// the column's name in `names_to` and its value in `values_to`. Where `values` is empty, all columns but
    /// `index` are taken.
    ///
    /// # Errors
    /// A name that is no column; value columns of kinds that do not go together; new names that are taken.
    pub fn unpivot<S: AsRef<str>, T: AsRef<str>>(
        &self,
        index: &[S],
        values: &[T],
        names_to: &str,
        values_to: &str,
    ) -> Result<Self> {
        self.check_names(index)?;
        self.check_names(values)?;
        let is_index = |name: &str| index.iter().any(|key| key.as_ref() == name);
        let values: Vec<&str> = match values {
            [] => self.names().into_iter().filter(|name| !is_index(name)).collect(),
            some => some.iter().map(AsRef::as_ref).collect(),
        };
        if values.is_empty() {
            return Err(Error::new("expected at least one column of values, found none"));
        }
        // Row by row, so that what stood side by side stays together.
        let (height, count) = (self.height(), values.len());
        let sources: Vec<Option<usize>> = (0..height).flat_map(|row| vec![Some(row); count]).collect();
        let mut long = Vec::new();
        for name in index {
            long.push((name.as_ref().to_string(), self.column(name.as_ref())?.take(&sources)));
        }
        let columns = values.iter().map(|name| self.column(name)).collect::<Result<Vec<_>>>()?;
        let names = (0..height).flat_map(|_| values.iter().map(|name| name.to_string()));
        let cells = (0..height).flat_map(|row| columns.iter().map(move |column| column.get(row)));
        let cells =
            Column::from_cells(cells).within(|| format!("the values of {}", super::listed(&values)))?;
        long.push((names_to.to_string(), Column::texts(names)));
        long.push((values_to.to_string(), cells));
        Self::new(long)
    }
}

/// Null where no row met, also for statistics that are defined for no values.
fn blank(column: Column, cells: &[Vec<usize>]) -> Column {
    let rows: Vec<Option<usize>> =
        cells.iter().enumerate().map(|(place, rows)| (!rows.is_empty()).then_some(place)).collect();
    column.take(&rows)
}
