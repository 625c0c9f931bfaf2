//! "service": what a booted machine does with the container. It is nsinit's own; every launcher but
//! the machine's PID 1 passes it over.

use core::ffi::CStr;

use super::read::{File, Read};
use super::table::{Keys, Slot, keys};
use crate::bytes::{number, same_in_any_case};
use crate::json::Json;
use crate::jsonmin::Value;
use crate::plan::FEW;
use crate::plan::service::{LOG_CONSOLE, LOG_FILE, LOG_KMSG, OnFailure, Restart, Service};
use crate::signame;

pub(super) const SERVICE: &Keys = &keys!(
    [all("restart_max", |f| Slot::U32(&mut f.plan.service.keep.restart_max)),],
    [
        all("after", |f| {
            f.plan.service.after.clear();
            f.list(|f| {
                let name = f.text()?;
                f.mark("after", f.plan.service.after.len(), f.json.pos());
                f.plan.service.after.push(name).map_err(|_| f.full(FEW, "names"))
            })
        }),
        all("restart", |f| f.word(RESTART).map(|n| f.plan.service.keep.restart = n)),
        all("on_failure", |f| f.word(ON_FAILURE).map(|n| f.plan.service.keep.on_failure = n)),
        all("stop_signal", |f| f.signal().map(|n| f.plan.service.keep.stop_signal = n)),
        all("grace", |f| f.measure(TIMES).map(|n| f.plan.service.keep.grace = n)),
        all("timeout", |f| f.measure(TIMES).map(|n| f.plan.service.keep.timeout = n)),
        all("log", |f| {
            f.plan.service.keep.log = 0;
            f.list(|f| f.word(LOGS).map(|bit| f.plan.service.keep.log |= bit))
        }),
        all("log_size", |f| f.measure(SIZES).map(|n| f.plan.service.keep.log_size = n)),
        all("overlay_size", |f| {
            f.plan.service.overlay_size = f.text_or_none()?;
            // What tmpfs takes as its size= (mm/shmem.c, shmem_parse_one).
            let text = f.plan.service.overlay_size.map_or(&b"0"[..], CStr::to_bytes);
            let digits = match text {
                [digits @ .., b'k' | b'K' | b'm' | b'M' | b'g' | b'G' | b'%'] => digits,
                digits => digits,
            };
            match number(digits, 10) {
                Some(_) => Ok(()),
                None => Err(f.fault("expected a size such as \"16m\", \"1g\" or \"10%\"")),
            }
        }),
        all("overlay", |f| {
            f.plan.service.overlay = f.text_or_none()?;
            match f.plan.service.overlay.map(CStr::to_bytes) {
                None | Some(b"tmpfs") => Ok(()),
                // The others part the mount options of overlay.
                Some(path)
                    if path.starts_with(b"/") && !path.iter().any(|b| b",:\\".contains(b)) =>
                {
                    Ok(())
                }
                _ => Err(f.fault(
                    "expected \"tmpfs\" or an absolute path without comma, colon and backslash",
                )),
            }
        }),
    ]
);

/// Words and what they mean.
pub type Words<T> = &'static [(&'static str, T)];

const RESTART: Words<Restart> =
    &[("no", Restart::No), ("on-failure", Restart::OnFailure), ("always", Restart::Always)];

const ON_FAILURE: Words<OnFailure> = &[
    ("stop", OnFailure::Stop),
    ("continue", OnFailure::Continue),
    ("reboot", OnFailure::Reboot),
    ("poweroff", OnFailure::Poweroff),
    ("halt", OnFailure::Halt),
    ("shell", OnFailure::Shell),
];

/// Where output can go, with the bits of `LOG_*`.
pub const LOGS: Words<u32> =
    &[("console", LOG_CONSOLE), ("kmsg", LOG_KMSG), ("file", LOG_FILE), ("none", 0)];

/// Units of time in milliseconds; a bare number is seconds.
const TIMES: Words<u64> = &[("ms", 1), ("s", 1000), ("", 1000), ("m", 60_000), ("h", 3_600_000)];
/// Units of size in bytes.
const SIZES: Words<u64> = &[("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)];

/// Prints all of it but its plain keys, with every default written out.
pub(super) fn print(j: &mut Json, service: &Service) {
    let Service { after, overlay, overlay_size, keep, .. } = service;
    j.strings("after", after.iter().copied());
    j.opt("overlay", *overlay);
    j.opt("overlay_size", *overlay_size);
    j.key("restart");
    j.raw(format_args!("\"{}\"", name(RESTART, keep.restart)));
    j.key("on_failure");
    j.raw(format_args!("\"{}\"", name(ON_FAILURE, keep.on_failure)));
    j.begin("log", '[');
    for (word, bit) in LOGS {
        if keep.log & bit != 0 || keep.log | bit == 0 {
            j.item();
            j.raw(format_args!("\"{word}\""));
        }
    }
    j.close();
    j.unsigned("stop_signal", keep.stop_signal.into());
    j.unsigned("log_size", keep.log_size.into());
    for (key, ms) in [("grace", keep.grace), ("timeout", keep.timeout)] {
        j.key(key);
        j.raw(format_args!("\"{ms}ms\""));
    }
}

/// The word that has this meaning.
fn name<T: Copy + PartialEq>(words: Words<T>, meaning: T) -> &'static str {
    words.iter().find(|(_, other)| *other == meaning).map_or("", |(word, _)| word)
}

impl File<'_> {
    /// One of these words.
    fn word<T: Copy>(&mut self, words: Words<T>) -> Read<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| word.as_bytes() == text.to_bytes());
        let meaning = found.map(|(_, meaning)| *meaning);
        meaning.ok_or_else(|| self.not_among(text, words.iter().map(|(word, _)| *word)))
    }

    /// A signal, by number or name.
    fn signal(&mut self) -> Read<u32> {
        match self.json.value()? {
            Value::Number(number) => self.within(number, 1, 64).map(|n| n as u32),
            Value::Str(name) => signame::parse(name.to_bytes())
                .map(u32::from)
                .ok_or_else(|| self.fault("expected the name or the number of a signal")),
            found => Err(self.expected("a string or an integer", found)),
        }
    }

    /// A number, or a string of a number and its unit.
    fn measure(&mut self, units: Words<u64>) -> Read<u32> {
        let unit = |name: &[u8]| {
            units.iter().find(|(unit, _)| same_in_any_case(unit.as_bytes(), name)).map(|(_, n)| *n)
        };
        let found = match self.json.value()? {
            Value::Number(number) => number.as_u64().zip(unit(b"")),
            Value::Str(text) => {
                let text = text.to_bytes();
                let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                text.split_at_checked(digits)
                    .and_then(|(digits, name)| number(digits, 10).zip(unit(name)))
            }
            found => return Err(self.expected("a number or a string", found)),
        };
        found.and_then(|(n, unit)| n.checked_mul(unit)?.try_into().ok()).ok_or_else(|| {
            self.fault(
                "expected a number with a unit, such as \"500ms\", \"5s\", \"2m\" or \"64k\"",
            )
        })
    }
}
