//! Two tables side by side, matched by the values of key columns.

use std::str::FromStr;

use super::{Column, Frame};
use crate::error::{Error, Result, did_you_mean};

/// Which rows a join keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Rows whose keys both tables have.
    Inner,
    /// All rows of the left table; nulls where the right has no match.
    Left,
    /// All rows of both; nulls where the other has no match.
    Outer,
    /// Rows of the left table whose keys the right one lacks; no column of the right.
    Anti,
}

impl FromStr for Join {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        const NAMES: [&str; 4] = ["inner", "left", "outer", "anti"];
        match name {
            "inner" => Ok(Self::Inner),
            "left" => Ok(Self::Left),
            "outer" => Ok(Self::Outer),
            "anti" => Ok(Self::Anti),
            _ => Err(Error::new(format!("no join \"{name}\""))
                .hint(did_you_mean(name, NAMES).unwrap_or_else(|| format!("one of {}", NAMES.join(", "))))),
        }
    }
}

impl Frame {
    /// The rows of this table and of `other` that agree in the columns `on`: the columns of this table, then
    /// those of `other` without the keys. A column of `other` whose name is taken gets `suffix` after it.
    /// Where several rows agree, each pair of them gives a row. A null key matches nothing.
    ///
    /// The rows stand in the order of this table, and within it in that of `other`; rows that only `other`
    /// has come last.
    ///
    /// # Errors
    /// No key; a key that one table lacks; keys of kinds that do not go together; names that clash in spite
    /// of the suffix.
    pub fn join<S: AsRef<str>>(&self, other: &Self, on: &[S], how: Join, suffix: &str) -> Result<Self> {
        if on.is_empty() {
            return Err(Error::new("expected at least one column to join on, found none"));
        }
        self.check_names(on)?;
        other.check_names(on)?;
        let matches = self.matches(other, on)?;

        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut met = vec![false; other.height()];
        for (row, matched) in matches.iter().enumerate() {
            match (how, matched.as_slice()) {
                (Join::Inner, []) => {}
                (Join::Anti, [_, ..]) => {}
                (_, []) => {
                    left.push(Some(row));
                    right.push(None);
                }
                (_, matched) => {
                    for &to in matched {
                        left.push(Some(row));
                        right.push(Some(to));
                        if let Some(met) = met.get_mut(to) {
                            *met = true;
                        }
                    }
                }
            }
        }
        if how == Join::Outer {
            for (row, _) in met.iter().enumerate().filter(|(_, met)| !**met) {
                left.push(None);
                right.push(Some(row));
            }
        }

        let is_key = |name: &str| on.iter().any(|key| key.as_ref() == name);
        let mut columns: Vec<(String, Column)> = Vec::new();
        for (name, column) in self.columns()? {
            let taken = column.take(&left);
            // Rows that only the right table has bring their own keys.
            let taken = match how == Join::Outer && is_key(&name) {
                true => fill(taken, other.column(&name)?.take(&right))?,
                false => taken,
            };
            columns.push((name, taken));
        }
        if how != Join::Anti {
            for (name, column) in other.columns()?.into_iter().filter(|(name, _)| !is_key(name)) {
                let name = if self.has(&name) { format!("{name}{suffix}") } else { name };
                columns.push((name, column.take(&right)));
            }
        }
        Self::new(columns)
    }

    /// For each row of this table, the rows of `other` with the same keys.
    fn matches<S: AsRef<str>>(&self, other: &Self, on: &[S]) -> Result<Vec<Vec<usize>>> {
        // The keys of both tables stacked: rows that agree fall into one group.
        let stacked = Self::concat(&[self.select(on)?, other.select(on)?])?;
        let keys = on.iter().map(|name| stacked.column(name.as_ref())).collect::<Result<Vec<_>>>()?;
        let mut matches = vec![Vec::new(); self.height()];
        for group in stacked.groups(on)? {
            let null = group.first().is_some_and(|&row| keys.iter().any(|key| key.get(row).is_null()));
            if null {
                continue;
            }
            let split = group.partition_point(|&row| row < self.height());
            let (ours, theirs) = group.split_at(split);
            let theirs: Vec<usize> = theirs.iter().map(|row| row - self.height()).collect();
            for &row in ours {
                if let Some(matched) = matches.get_mut(row) {
                    matched.clone_from(&theirs);
                }
            }
        }
        Ok(matches)
    }
}

/// `column` with its nulls taken from `other`.
fn fill(column: Column, other: Column) -> Result<Column> {
    let pairs = column.cells().into_iter().zip(other.cells());
    let kind = column.kind();
    let filled = Column::from_cells(pairs.map(|(ours, theirs)| if ours.is_null() { theirs } else { ours }))?;
    Ok(filled.clone().cast(kind).unwrap_or(filled))
}
