//! The line of a fault, with a mark under the place.

use core::fmt::{self, Write};

use super::Pos;
use crate::bytes::{Show, split_by};

/// Most bytes of a line that are shown.
const WIDTH: usize = 72;

/// Writes the line of `text` that has `pos`, and a caret under the column. Tabs stay tabs, in both
/// lines, so that the caret is right at any tab width; control characters are escaped; of a long
/// line only the part around the column is shown. Nothing for a place that the text does not have.
pub fn show_line(out: &mut dyn Write, text: &[u8], pos: Pos) -> fmt::Result {
    let mut lines = split_by(text, b'\n');
    let Some(line) = (pos.line as usize).checked_sub(1).and_then(|n| lines.nth(n)) else {
        return Ok(());
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let bom = if pos.line == 1 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let line = line.get(bom..).unwrap_or(line);
    let column = (pos.col.max(1) as usize - 1).min(line.len());
    let start = boundary(line, column.saturating_sub(WIDTH / 2));
    let end = boundary(line, line.len().min(start + WIDTH));
    let (left, right) = (start > 0, end < line.len());
    let before = line.get(start..column).unwrap_or(&[]);

    out.write_str(if left { "  …" } else { "  " })?;
    show(out, line.get(start..end).unwrap_or(&[]), false)?;
    out.write_str(if right { "…\n" } else { "\n" })?;
    out.write_str(if left { "   " } else { "  " })?;
    show(out, before, true)?;
    out.write_str("^\n")
}

/// The start of the character that byte `at` is a part of.
fn boundary(line: &[u8], mut at: usize) -> usize {
    while at > 0 && line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) {
        at -= 1;
    }
    at
}

/// The bytes as they are shown, or as many blanks.
fn show(out: &mut dyn Write, bytes: &[u8], blank: bool) -> fmt::Result {
    for (n, part) in split_by(bytes, b'\t').enumerate() {
        if n > 0 {
            out.write_char('\t')?;
        }
        match blank {
            false => write!(out, "{}", Show(part))?,
            true => write!(Blank(out), "{}", Show(part))?,
        }
    }
    Ok(())
}

/// Writes a blank for every character.
struct Blank<'a>(&'a mut dyn Write);

impl Write for Blank<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        s.chars().try_for_each(|_| self.0.write_char(' '))
    }
}
