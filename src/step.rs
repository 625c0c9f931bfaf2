//! The step that a container's processes are at, in a page that the launcher shares with them: when
//! one of them dies before the command runs, the launcher can say where.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::bytes::Short;
use crate::syscall::lock::Lock;
use crate::syscall::memory::{PAGE, shared_page};

/// Longest step text, in bytes.
const TEXT: usize = 120;

/// The page, once there is one: every process that is forked from here on has it.
static PLACE: Lock<Option<&[AtomicU8; PAGE]>> = Lock::new(None);

/// Takes a fresh page, before the fork.
pub fn share() -> rustix::io::Result<()> {
    let page = shared_page()?;
    PLACE.with(|place| *place = Some(page));
    Ok(())
}

/// "I am about to …". A few bytes in memory: no system call.
pub fn at(step: &'static str) {
    let Some(page) = PLACE.with(|place| *place) else { return };
    for (to, from) in page.iter().zip(step.bytes().take(TEXT).chain([0])) {
        to.store(from, Ordering::Relaxed);
    }
}

/// The last step that was noted; empty before the first.
pub fn last() -> Short<128> {
    let (mut text, mut len) = ([0; TEXT], 0);
    let page = PLACE.with(|place| *place);
    for (to, from) in text.iter_mut().zip(page.into_iter().flatten()) {
        *to = from.load(Ordering::Relaxed);
        if *to == 0 {
            break;
        }
        len += 1;
    }
    Short::new(format_args!("{}", str::from_utf8(&text[..len]).unwrap_or("")))
}
