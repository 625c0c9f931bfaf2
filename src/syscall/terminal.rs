//! The settings of a terminal, as the kernel has them (TCGETS(2const)). rustix's also tell the speed
//! as a number, for which it keeps every speed there is.

use linux_raw_sys::general::{
    __NR_ioctl, BRKINT, CS8, CSIZE, ECHO, ECHONL, ICANON, ICRNL, IEXTEN, IGNBRK, IGNCR, INLCR,
    ISIG, ISTRIP, IXON, OPOST, PARENB, PARMRK, VMIN, VTIME, termios,
};
use linux_raw_sys::ioctl::{TCGETS, TCSETSW, TIOCNOTTY};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use super::arch::syscall;
use super::ret;

/// All settings of a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Settings(termios);

/// Those of `fd`. ENOTTY: it is no terminal.
pub fn settings(fd: BorrowedFd<'_>) -> Result<Settings, Errno> {
    let mut settings =
        termios { c_iflag: 0, c_oflag: 0, c_cflag: 0, c_lflag: 0, c_line: 0, c_cc: [0; 19] };
    let at = &raw mut settings as usize;
    // SAFETY: the kernel fills in one termios.
    ret(unsafe { syscall(__NR_ioctl, [fd.as_raw_fd() as usize, TCGETS as usize, at, 0, 0, 0]) })?;
    Ok(Settings(settings))
}

/// Changes them once what was written has gone out.
pub fn set_settings(fd: BorrowedFd<'_>, settings: &Settings) -> Result<(), Errno> {
    let at = &raw const settings.0 as usize;
    // SAFETY: the kernel reads one termios.
    ret(unsafe { syscall(__NR_ioctl, [fd.as_raw_fd() as usize, TCSETSW as usize, at, 0, 0, 0]) })
        .map(drop)
}

/// TIOCNOTTY: gives up the controlling terminal; of a session leader, for the whole session, with HUP
/// and CONT for the foreground (TIOCNOTTY(2const)).
pub fn ioctl_tiocnotty(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: it takes no argument.
    ret(unsafe { syscall(__NR_ioctl, [fd.as_raw_fd() as usize, TIOCNOTTY as usize, 0, 0, 0, 0]) })
        .map(drop)
}

impl Settings {
    /// Raw mode, as cfmakeraw(3) has it: every byte at once and as it is.
    pub fn raw(self) -> Settings {
        let mut raw = self.0;
        raw.c_iflag &= !(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        raw.c_oflag &= !OPOST;
        raw.c_lflag &= !(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
        raw.c_cflag = raw.c_cflag & !(CSIZE | PARENB) | CS8;
        for (n, value) in [(VMIN, 1), (VTIME, 0)] {
            if let Some(place) = raw.c_cc.get_mut(n as usize) {
                *place = value;
            }
        }
        Settings(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::tcgetattr;

    #[test]
    fn raw_is_what_cfmakeraw_makes_and_what_was_comes_back() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let look = || format!("{:?}", tcgetattr(&slave).unwrap());
        let (mut want, cooked) = (tcgetattr(&slave).unwrap(), look());
        want.make_raw();
        let before = settings(slave.as_fd()).unwrap();
        set_settings(slave.as_fd(), &before.raw()).unwrap();
        assert_eq!(look(), format!("{want:?}"));
        set_settings(slave.as_fd(), &before).unwrap();
        assert_eq!(look(), cooked);
        let file = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty()).unwrap();
        assert_eq!(settings(file.as_fd()).err(), Some(Errno::NOTTY));
    }
}
