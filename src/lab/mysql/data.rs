//! Databases, tables and rows: what a playbook's canary or a person at a prompt writes. Everything is kept as text.

use std::collections::BTreeMap;

use super::expression::{Expression, Scope, compare, is_true};
use super::reply::{Cell, Failure};

/// What all tables together may hold.
const MOST_ROWS: usize = 20_000;
const MOST_TABLES: usize = 500;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    next_id: u64,
    /// What `COMMENT =` said of it.
    pub comment: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: String,
    pub key: Key,
    pub default: Cell,
    /// Fills itself: with the next number, or with the time.
    pub fills: Fills,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    #[default]
    None,
    Primary,
    Unique,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fills {
    #[default]
    No,
    Counting,
    Now,
}

impl Table {
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new(), next_id: 1, comment: String::new() }
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name))
    }

    /// The row that `row` would collide with, and the name of the key.
    fn twin(&self, row: &[Cell]) -> Option<(usize, String)> {
        let primary: Vec<usize> = (0..self.columns.len()).filter(|i| self.columns[*i].key == Key::Primary).collect();
        let uniques = (0..self.columns.len()).filter(|i| self.columns[*i].key == Key::Unique).map(|i| vec![i]);
        for (key, name) in std::iter::once((primary, "PRIMARY".to_owned())).chain(uniques.map(|k| (k.clone(), self.columns[k[0]].name.clone()))) {
            let same = |other: &Vec<Cell>| !key.is_empty() && key.iter().all(|i| matches!((&row[*i], &other[*i]), (Some(a), Some(b)) if compare(a, b).is_eq()));
            if let Some(at) = self.rows.iter().position(same) {
                return Some((at, name));
            }
        }
        None
    }

    /// A whole row of what was given for `names`; the rest by default.
    fn complete(&mut self, names: &[String], values: &[Cell], now: &str) -> Result<Vec<Cell>, Failure> {
        if names.len() != values.len() {
            return Err(Failure::new(1136, "21S01", "Column count doesn't match value count at row 1"));
        }
        let mut row: Vec<Cell> = self
            .columns
            .iter()
            .map(|c| match c.fills {
                Fills::Now => Some(now.to_owned()),
                Fills::Counting | Fills::No => c.default.clone(),
            })
            .collect();
        for (name, value) in names.iter().zip(values) {
            let at = self.position(name).ok_or_else(|| Failure::new(1054, "42S22", format!("Unknown column '{name}' in 'INSERT INTO'")))?;
            row[at].clone_from(value);
        }
        if let Some(at) = self.columns.iter().position(|c| c.fills == Fills::Counting) {
            let given = row[at].as_ref().and_then(|v| v.parse::<u64>().ok()).filter(|n| *n > 0);
            let id = given.unwrap_or(self.next_id);
            self.next_id = self.next_id.max(id + 1);
            row[at] = Some(id.to_string());
        }
        Ok(row)
    }
}

/// What becomes of a row whose key is there already.
#[derive(Clone, Debug, PartialEq)]
pub enum Collision {
    Refuse,
    Ignore,
    Replace,
    Update(Vec<(String, Expression)>),
}

/// One row as a scope of names over the session's own.
struct InRow<'a> {
    table: &'a Table,
    row: &'a [Cell],
    outer: &'a dyn Scope,
}

impl Scope for InRow<'_> {
    fn column(&self, name: &str) -> Option<Cell> {
        self.table.position(name).map(|at| self.row[at].clone())
    }
    fn variable(&self, name: &str) -> Result<Cell, Failure> {
        self.outer.variable(name)
    }
    fn call(&self, name: &str, arguments: &[Cell]) -> Result<Cell, Failure> {
        self.outer.call(name, arguments)
    }
}

/// The databases of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data(pub BTreeMap<String, BTreeMap<String, Table>>);

impl Data {
    fn rows(&self) -> usize {
        self.0.values().flat_map(BTreeMap::values).map(|t| t.rows.len()).sum()
    }

    pub fn create(&mut self, database: &str, name: &str, columns: Vec<Column>, comment: String) -> Result<(), Failure> {
        let full = self.0.values().map(BTreeMap::len).sum::<usize>() >= MOST_TABLES;
        let tables = self.0.get_mut(database).ok_or_else(|| unknown_database(database))?;
        if tables.contains_key(name) {
            return Err(Failure::new(1050, "42S01", format!("Table '{name}' already exists")));
        }
        if full {
            return Err(Failure::general(1114, format!("The table '{name}' is full")));
        }
        tables.insert(name.to_owned(), Table { comment, ..Table::new(columns) });
        Ok(())
    }

    pub fn table(&self, database: &str, name: &str) -> Result<&Table, Failure> {
        let tables = self.0.get(database).ok_or_else(|| unknown_database(database))?;
        tables.get(name).ok_or_else(|| no_table(database, name))
    }

    pub fn table_mut(&mut self, database: &str, name: &str) -> Result<&mut Table, Failure> {
        let tables = self.0.get_mut(database).ok_or_else(|| unknown_database(database))?;
        tables.get_mut(name).ok_or_else(|| no_table(database, name))
    }

    /// Rows of values, each for `names`. Gives the rows affected as the server counts them.
    pub fn insert(&mut self, at: (&str, &str), names: &[String], rows: &[Vec<Cell>], on: &Collision, scope: &dyn Scope, now: &str) -> Result<u64, Failure> {
        let room = MOST_ROWS.saturating_sub(self.rows());
        let table = self.table_mut(at.0, at.1)?;
        if rows.len() > room {
            return Err(Failure::general(1114, format!("The table '{}' is full", at.1)));
        }
        let all: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
        let names = if names.is_empty() { &all } else { names };
        let mut affected = 0;
        for values in rows {
            let row = table.complete(names, values, now)?;
            let Some((twin, key)) = table.twin(&row) else {
                table.rows.push(row);
                affected += 1;
                continue;
            };
            match on {
                Collision::Refuse => {
                    let position = if key == "PRIMARY" { table.columns.iter().position(|c| c.key == Key::Primary) } else { table.position(&key) };
                    let value = position.and_then(|p| row[p].clone()).unwrap_or_default();
                    return Err(Failure::new(1062, "23000", format!("Duplicate entry '{value}' for key '{key}'")));
                }
                Collision::Ignore => {}
                Collision::Replace => {
                    table.rows[twin] = row;
                    affected += 2;
                }
                Collision::Update(sets) => {
                    let mut changed = table.rows[twin].clone();
                    for (name, value) in sets {
                        let position = table.position(name).ok_or_else(|| Failure::new(1054, "42S22", format!("Unknown column '{name}' in 'UPDATE'")))?;
                        let value = match value {
                            // What would have been inserted.
                            Expression::Call(f, args) if f == "values" => match args.first() {
                                Some(Expression::Column(c)) => table.position(c).and_then(|p| row[p].clone()),
                                _ => None,
                            },
                            value => value.value(&InRow { table, row: &changed, outer: scope })?,
                        };
                        changed[position] = value;
                    }
                    affected += if table.rows[twin] == changed { 0 } else { 2 };
                    table.rows[twin] = changed;
                }
            }
        }
        Ok(affected)
    }

    pub fn update(&mut self, at: (&str, &str), sets: &[(String, Expression)], filter: Option<&Expression>, scope: &dyn Scope) -> Result<u64, Failure> {
        let table = self.table_mut(at.0, at.1)?;
        let mut affected = 0;
        for index in 0..table.rows.len() {
            let mut row = table.rows[index].clone();
            if !passes(table, &row, filter, scope)? {
                continue;
            }
            for (name, value) in sets {
                let position = table.position(name).ok_or_else(|| Failure::new(1054, "42S22", format!("Unknown column '{name}' in 'UPDATE'")))?;
                row[position] = value.value(&InRow { table, row: &row, outer: scope })?;
            }
            affected += u64::from(table.rows[index] != row);
            table.rows[index] = row;
        }
        Ok(affected)
    }

    pub fn delete(&mut self, at: (&str, &str), filter: Option<&Expression>, scope: &dyn Scope) -> Result<u64, Failure> {
        let table = self.table_mut(at.0, at.1)?;
        let mut kept = Vec::new();
        let before = table.rows.len();
        for row in &table.rows {
            if !passes(table, row, filter, scope)? {
                kept.push(row.clone());
            }
        }
        table.rows = kept;
        Ok((before - table.rows.len()) as u64)
    }
}

fn passes(table: &Table, row: &[Cell], filter: Option<&Expression>, scope: &dyn Scope) -> Result<bool, Failure> {
    filter.map_or(Ok(true), |f| Ok(is_true(&f.value(&InRow { table, row, outer: scope })?)))
}

/// `SELECT ... FROM` one table, as far as the lab knows it.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Expressions and the names of their columns.
    pub fields: Vec<(Expression, String)>,
    pub filter: Option<Expression>,
    /// A column, and whether the greatest comes first.
    pub order: Option<(Expression, bool)>,
    pub limit: Option<usize>,
}

/// The columns and rows that `selection` gives of `table`.
pub fn select(table: &Table, selection: &Selection, scope: &dyn Scope) -> Result<(Vec<String>, Vec<Vec<Cell>>), Failure> {
    let mut found: Vec<&Vec<Cell>> = Vec::new();
    for row in &table.rows {
        if passes(table, row, selection.filter.as_ref(), scope)? {
            found.push(row);
        }
    }
    if let Some((by, descending)) = &selection.order {
        let key = |row: &Vec<Cell>| by.value(&InRow { table, row, outer: scope }).ok().flatten().unwrap_or_default();
        found.sort_by(|a, b| if *descending { compare(&key(b), &key(a)) } else { compare(&key(a), &key(b)) });
    }
    let mut columns = Vec::new();
    for (field, name) in &selection.fields {
        if *field == Expression::Star {
            columns.extend(table.columns.iter().map(|c| c.name.clone()));
        } else {
            columns.push(name.clone());
        }
    }
    if selection.fields.iter().any(|(f, _)| f.is_aggregate()) {
        let row = selection.fields.iter().map(|(f, _)| aggregate(table, &found, f, scope)).collect::<Result<Vec<_>, _>>()?;
        return Ok((columns, vec![row]));
    }
    let mut rows = Vec::new();
    for row in found.into_iter().take(selection.limit.unwrap_or(usize::MAX)) {
        let mut out = Vec::new();
        for (field, _) in &selection.fields {
            if *field == Expression::Star {
                out.extend(row.iter().cloned());
            } else {
                out.push(field.value(&InRow { table, row, outer: scope })?);
            }
        }
        rows.push(out);
    }
    Ok((columns, rows))
}

fn aggregate(table: &Table, rows: &[&Vec<Cell>], field: &Expression, scope: &dyn Scope) -> Result<Cell, Failure> {
    let Expression::Call(name, arguments) = field else {
        return rows.first().map_or(Ok(None), |row| field.value(&InRow { table, row, outer: scope }));
    };
    let argument = arguments.first().unwrap_or(&Expression::Star);
    let values: Vec<String> = rows.iter().filter_map(|row| argument.value(&InRow { table, row, outer: scope }).transpose()).collect::<Result<_, _>>()?;
    Ok(match name.as_str() {
        "count" => Some(values.len().to_string()),
        "max" => values.into_iter().max_by(|a, b| compare(a, b)),
        "min" => values.into_iter().min_by(|a, b| compare(a, b)),
        "sum" if values.is_empty() => None,
        "sum" => Some(values.iter().filter_map(|v| v.parse::<f64>().ok()).sum::<f64>().to_string()),
        _ => field.value(scope)?,
    })
}

pub fn unknown_database(name: &str) -> Failure {
    Failure::new(1049, "42000", format!("Unknown database '{name}'"))
}

fn no_table(database: &str, name: &str) -> Failure {
    Failure::new(1146, "42S02", format!("Table '{database}.{name}' doesn't exist"))
}
