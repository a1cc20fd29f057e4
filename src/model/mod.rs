//! F1: plain data. What exists on each floor, what sources say of it, what panes ask for. No I/O, no clock, no terminal.

pub mod ask;
pub mod catalog;
pub mod cluster;
pub mod command;
pub mod container;
pub mod effect;
pub mod event;
pub mod fact;
pub mod freshness;
pub mod group;
pub mod host;
pub mod id;
pub mod judge;
pub mod limits;
pub mod log;
pub mod node;
pub mod pod;
pub mod reason;
pub mod run;
pub mod source;
pub mod verdict;
pub mod vm;
pub mod workload;
