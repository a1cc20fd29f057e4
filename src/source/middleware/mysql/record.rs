//! A row of a `SHOW` statement, read by either of the names that its columns have had.

use mysql_async::{Row, Value};

/// Column names and what stands in them; `None` is NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(Vec<(String, Option<String>)>);

impl Record {
    #[cfg(test)]
    pub fn of(cells: &[(&str, &str)]) -> Self {
        Self(cells.iter().map(|(k, v)| ((*k).to_owned(), if *v == "NULL" { None } else { Some((*v).to_owned()) })).collect())
    }

    /// The cell under the first of `names` that exists. Names compare without case, and `Slave`/`Replica`,
    /// `Master`/`Source` are the same word (8.0.22 renamed them; MariaDB keeps the old ones).
    fn cell(&self, name: &str) -> Option<&str> {
        let wanted = modern(name);
        self.0.iter().find(|(column, _)| modern(column) == wanted).and_then(|(_, value)| value.as_deref())
    }

    /// Empty where the column is missing or NULL.
    pub fn text(&self, name: &str) -> String {
        self.cell(name).unwrap_or("").to_owned()
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.cell(name)?.trim().parse().ok()
    }

    pub fn float(&self, name: &str) -> Option<f64> {
        self.cell(name)?.trim().parse().ok()
    }

    /// The cell at `index`, for statements whose column names are expressions.
    pub fn at(&self, index: usize) -> Option<&str> {
        self.0.get(index).and_then(|(_, value)| value.as_deref())
    }

    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(_, value)| value.as_ref().map_or(1, String::len)).sum()
    }
}

fn modern(name: &str) -> String {
    name.to_ascii_lowercase().replace("slave", "replica").replace("master", "source")
}

impl From<&Row> for Record {
    fn from(row: &Row) -> Self {
        let cells = row.columns_ref().iter().enumerate().map(|(i, column)| {
            let value = match row.as_ref(i) {
                None | Some(Value::NULL) => None,
                Some(Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
                Some(Value::Int(n)) => Some(n.to_string()),
                Some(Value::UInt(n)) => Some(n.to_string()),
                Some(Value::Float(n)) => Some(n.to_string()),
                Some(Value::Double(n)) => Some(n.to_string()),
                Some(other) => Some(other.as_sql(true)),
            };
            (column.name_str().into_owned(), value)
        });
        Self(cells.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn both_dialects_by_one_name() {
        let old = Record::of(&[("Slave_IO_Running", "Yes"), ("Seconds_Behind_Master", "NULL"), ("Exec_Master_Log_Pos", "4")]);
        let new = Record::of(&[("Replica_IO_Running", "Yes"), ("Seconds_Behind_Source", "7"), ("Exec_Source_Log_Pos", "4")]);
        for r in [&old, &new] {
            assert_eq!(r.text("Replica_IO_Running"), "Yes");
            assert_eq!(r.number("Exec_Source_Log_Pos"), Some(4));
        }
        assert_eq!((old.float("Seconds_Behind_Source"), new.float("Seconds_Behind_Source")), (None, Some(7.0)));
    }
}
