//! MySQL 5.7 to 9.x and MariaDB.
//!
//! # The account
//! Each fact needs its grant; a missing one is `no right` and the rest lives on.
//!
//! | fact | MySQL | MariaDB 10.5 and later |
//! |---|---|---|
//! | role, threads, lag, errors | `REPLICATION CLIENT ON *.*` | `SLAVE MONITOR ON *.*` |
//! | binary log, IO lag in bytes | `REPLICATION CLIENT ON *.*` | `BINLOG MONITOR ON *.*` |
//! | workers, replication group | `SELECT ON performance_schema.*` | |
//! | does the source see its followers | `PROCESS ON *.*` | `PROCESS ON *.*` |
//! | which databases a filter loses | `SHOW DATABASES ON *.*` | `SHOW DATABASES ON *.*` |
//! | heartbeat | `SELECT` on its table | `SELECT` on its table |
//!
//! So, on the source (it replicates):
//! `CREATE USER 'quarterdeck'@'10.%' IDENTIFIED BY '...' WITH MAX_USER_CONNECTIONS 4;` and
//! `GRANT REPLICATION CLIENT, PROCESS, SHOW DATABASES ON *.* TO ...; GRANT SELECT ON performance_schema.* TO ...;` (MySQL) or
//! `GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS, SHOW DATABASES ON *.* TO ...;` (MariaDB).
//!
//! # Settings of an entry
//! `heartbeat = "schema.table.column"`: a column that something on the source sets to `NOW(6)` once a second.
//! `semi_sync = "required"`: falling back to asynchronous is a crit, not a warning.

mod ask;
mod connect;
mod dialect;
mod errors;
mod follow;
mod gtid;
mod judge_group;
mod judge_line;
mod judge_member;
#[cfg(test)]
mod judge_rule_tests;
#[cfg(test)]
mod judge_tests;
mod line;
mod log;
mod picture;
mod read;
mod record;
mod seen;

use crate::base::clock::Moment;
use crate::model::group::Group;
use crate::model::source::SourceState;
use crate::port::{Source, SourceError};
use crate::source::middleware::member::{Probe, Question, Target, Trouble, View};
use crate::source::middleware::poll::MiddlewareSource;
use crate::source::middleware::spec::Spec;

/// # Errors
/// No members, or a `heartbeat` that is not three plain names.
pub fn source(spec: Spec) -> Result<Box<dyn Source>, SourceError> {
    let broken = |text: String, remedy: &str| Err(SourceError::new(SourceState::Broken, text, remedy));
    if spec.members.is_empty() {
        return broken(format!("The mysql group `{}` has no members.", spec.name), "Write members = [\"host:3306\", ...].");
    }
    if let Some(text) = spec.settings.get("heartbeat")
        && ask::Heartbeat::parse(text).is_none()
    {
        return broken(format!("The heartbeat `{text}` of `{}` is not schema.table.column.", spec.name), "Write heartbeat = \"schema.table.column\".");
    }
    Ok(Box::new(MiddlewareSource::new(MySql, spec)))
}

/// The kind. All it knows of a group comes with each question.
#[derive(Clone, Copy, Debug)]
pub struct MySql;

impl Probe for MySql {
    type Link = connect::Link;
    type Seen = seen::Seen;

    /// Followers first, then those they follow.
    const ROUNDS: u8 = 2;

    async fn open(&self, to: Target<'_>) -> Result<Self::Link, Trouble> {
        connect::Link::open(to).await
    }

    async fn ask(&self, link: &mut Self::Link, question: Question<'_, Self::Seen>) -> Result<Self::Seen, Trouble> {
        match question.so_far {
            None => ask::about_itself(link, &question).await,
            Some(seen) => ask::about_its_followers(link, &question, seen.clone()).await,
        }
    }

    fn picture(&self, spec: &Spec, views: &[View<Self::Seen>], now: Moment) -> Group {
        picture::picture(spec, views, now)
    }
}
