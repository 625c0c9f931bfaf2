//! Front ends: a format or a command line, turned into a plan and carried out.
pub mod libct;
