//! container.json, every dialect.
