//! The minimal JSON reader.
