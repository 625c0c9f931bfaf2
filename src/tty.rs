//! Pseudo-terminals and raw mode.
