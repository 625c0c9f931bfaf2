//! C strings as the kernel takes them: thin pointers in NULL-terminated lists.

use core::ffi::{CStr, c_char};
use core::fmt;
use core::ptr::NonNull;

use super::memory::dont_need;

/// A C string of one machine word, valid for the life of the process: an element of argv or envp.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct ThinCStr(NonNull<c_char>);

// SAFETY: it stands for a `&'static CStr`, which is Send and Sync.
unsafe impl Send for ThinCStr {}
// SAFETY: as above.
unsafe impl Sync for ThinCStr {}

impl ThinCStr {
    /// This string.
    pub const fn new(s: &'static CStr) -> ThinCStr {
        // SAFETY: a reference is not null.
        ThinCStr(unsafe { NonNull::new_unchecked(s.as_ptr().cast_mut()) })
    }

    /// The string.
    pub fn get(self) -> &'static CStr {
        // SAFETY: made from a `&'static CStr` (below), or by the kernel in the initial stack (rt).
        unsafe { CStr::from_ptr(self.0.as_ptr()) }
    }

    /// Its bytes, without the NUL.
    pub fn bytes(self) -> &'static [u8] {
        self.get().to_bytes()
    }
}

impl fmt::Debug for ThinCStr {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl From<&'static CStr> for ThinCStr {
    fn from(s: &'static CStr) -> Self {
        ThinCStr::new(s)
    }
}

/// A NULL-terminated list of C strings, as execve(2) takes it: the last element is `None`.
pub type List<'a> = &'a [Option<ThinCStr>];

/// The environment that nsinit was started with. Not `Clone`: whoever holds it may `erase` it.
pub struct Env {
    first: *const Option<ThinCStr>,
    count: usize,
}

impl Env {
    /// An environment of `count` entries at `first`.
    ///
    /// # Safety
    /// `first` must point at `count` C strings and a NULL, valid and used by nobody else for the
    /// life of the process; their bytes must be writable.
    pub unsafe fn from_raw(first: *const Option<ThinCStr>, count: usize) -> Env {
        Env { first, count }
    }

    /// One of these entries, the last of which is `None`.
    #[cfg(test)]
    pub fn of(list: &'static mut [Option<ThinCStr>]) -> Env {
        assert!(matches!(list, [.., None]));
        Env { first: list.as_ptr(), count: list.len() - 1 }
    }

    /// The NULL-terminated list, for execve(2).
    pub fn list(&self) -> List<'_> {
        if self.count == 0 {
            return &[None];
        }
        // SAFETY: from_raw's contract.
        unsafe { core::slice::from_raw_parts(self.first, self.count + 1) }
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&CStr> {
        self.list().iter().flatten().find_map(|entry| {
            let rest = entry.get().to_bytes_with_nul().strip_prefix(name.as_bytes())?;
            CStr::from_bytes_with_nul(rest.strip_prefix(b"=")?).ok()
        })
    }

    /// Puts `entry` in the place of the entry of `name`, or takes that out; nothing where there is none.
    pub fn replace(&mut self, name: &str, entry: Option<&'static CStr>) {
        let is_it = |known: &ThinCStr| {
            known.bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        };
        let Some(at) = self.list().iter().flatten().position(is_it) else { return };
        // SAFETY: from_raw's contract, `count` being at least 1 here; the kernel's array is writable as
        // the whole initial stack is, and `&mut self` says that nobody reads it meanwhile.
        let list =
            unsafe { core::slice::from_raw_parts_mut(self.first.cast_mut(), self.count + 1) };
        match entry {
            Some(entry) => list[at] = Some(entry.into()),
            None => {
                list.copy_within(at + 1.., at);
                self.count -= 1;
            }
        }
    }

    /// Overwrites the strings: /proc/PID/environ of a process that the container can see must not
    /// tell the environment of the caller. Their memory goes back, as far as they fill it: the kernel
    /// lays them out in one piece (fs/binfmt_elf.c, create_elf_tables).
    pub fn erase(self) {
        let mut start = usize::MAX;
        let mut end = 0;
        for entry in self.list().iter().flatten() {
            let len = entry.bytes().len();
            // SAFETY: from_raw's contract: `len` writable bytes that nobody else uses, and `self`
            // is consumed, so no reference from `get` or `list` is alive.
            unsafe { entry.0.as_ptr().cast::<u8>().write_bytes(0, len) };
            start = start.min(entry.0.as_ptr() as usize);
            end = end.max(entry.0.as_ptr() as usize + len);
        }
        dont_need(start, end.saturating_sub(start));
    }
}
