//! What nobody reads: values that are passed over, and a look ahead.

use super::{Reader, Stop};

impl Reader<'_> {
    /// Whether what is not read yet has this key, in whatever object.
    pub fn has_key_ahead(&self, key: &[u8]) -> bool {
        let ahead = self.rest.get(self.at..).unwrap_or(&[]);
        let is = |word: &[u8]| {
            word.split_last().is_some_and(|(quote, word)| *quote == b'"' && word == key)
        };
        let mut places = 1..ahead.len();
        places.any(|at| {
            let word = ahead.get(at..at + key.len() + 1).is_some_and(is);
            let after = || ahead.get(at + key.len() + 1..).unwrap_or(&[]).trim_ascii_start();
            word && ahead.get(at - 1) == Some(&b'"') && after().starts_with(b":")
        })
    }

    /// Passes over the next value with all inside it.
    pub fn skip(&mut self) -> Result<(), Stop> {
        self.is_empty().map(drop)
    }

    /// The same, and whether the value asks for nothing: it is null, false, 0, a text or an array without
    /// anything in it, or an object of such values.
    pub fn is_empty(&mut self) -> Result<bool, Stop> {
        let depth = self.depth;
        let mut empty = self.value()?.is_empty();
        while self.depth > depth {
            let object = self.objects & 1 == 1;
            if if object { self.key()?.is_some() } else { self.more()? } {
                empty &= self.value()?.is_empty() && object;
            }
        }
        Ok(empty)
    }

    /// Passes over what is left of the arrays and objects that were opened since `depth`.
    pub fn leave(&mut self, depth: u32) -> Result<(), Stop> {
        while self.depth > depth {
            let object = self.objects & 1 == 1;
            if if object { self.key()?.is_some() } else { self.more()? } {
                self.value()?;
            }
        }
        Ok(())
    }
}
