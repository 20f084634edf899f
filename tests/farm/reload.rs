//! Changed pools while jobs run.
