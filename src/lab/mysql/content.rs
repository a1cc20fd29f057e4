//! What is in a server's tables, and the writes that its followers have to repeat.

use super::data::{Column, Data, Key, Table};

/// Writes that are kept for followers. One that is further behind misses the oldest, as with purged logs.
const MOST_WRITES: usize = 2_000;

#[derive(Clone, Debug, Default)]
pub struct Content {
    pub data: Data,
    /// What was written here, oldest first.
    pub writes: Vec<Write>,
    /// Followed up to this transaction of the source.
    pub followed: f64,
}

/// A write by statement.
#[derive(Clone, Debug)]
pub struct Write {
    /// The transaction of the writing server.
    pub gtid: f64,
    pub database: String,
    pub statement: String,
}

impl Content {
    /// Empty tables of the shop, so that there is something to look at.
    pub fn of(databases: &[&str]) -> Self {
        let mut content = Self::default();
        for database in databases {
            content.data.0.entry((*database).to_owned()).or_default();
        }
        let column = |name: &str, kind: &str, key| Column { name: name.into(), kind: kind.into(), key, ..Column::default() };
        for (database, table, columns) in [
            ("mall_oms", "oms_order", ["id", "order_sn", "status"]),
            ("mall_pms", "pms_product", ["id", "name", "price"]),
            ("mall_ums", "ums_member", ["id", "username", "status"]),
        ] {
            if let Some(tables) = content.data.0.get_mut(database) {
                let mut columns = columns.map(|c| column(c, "varchar(64)", Key::None));
                columns[0] = column("id", "bigint", Key::Primary);
                let mut table_ = Table::new(columns.to_vec());
                for n in 1..=3_u32 {
                    table_.rows.push(vec![Some(n.to_string()), Some(format!("{table}-{n}")), Some("1".to_owned())]);
                }
                tables.insert(table.to_owned(), table_);
            }
        }
        content
    }

    pub fn write(&mut self, gtid: f64, database: &str, statement: &str) {
        if self.writes.len() >= MOST_WRITES {
            self.writes.remove(0);
        }
        self.writes.push(Write { gtid, database: database.to_owned(), statement: statement.to_owned() });
    }

    /// The writes after `from` and up to `to`.
    pub fn between(&self, from: f64, to: f64) -> Vec<Write> {
        self.writes.iter().filter(|w| w.gtid > from && w.gtid <= to).cloned().collect()
    }
}
