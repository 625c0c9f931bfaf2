//! A terminal for the program: a pty of which the test holds the master.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::world::LIMIT;

/// The test's side of a terminal, and what was shown on it.
pub struct Terminal {
    master: File,
    slave: File,
    shown: Vec<u8>,
}

impl Terminal {
    /// One of this size.
    pub fn new(rows: u16, columns: u16) -> Terminal {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let (mut master, mut slave) = (0, 0);
        // SAFETY: the pointers are to live variables or null where openpty allows it; the
        // descriptors are new and ours.
        unsafe {
            let (no_name, no_modes) = (std::ptr::null_mut(), std::ptr::null_mut::<libc::termios>());
            let result = libc::openpty(
                &mut master,
                &mut slave,
                no_name,
                no_modes,
                &raw const size as *mut _,
            );
            assert_eq!(result, 0, "openpty: {}", std::io::Error::last_os_error());
            libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC);
            libc::fcntl(slave, libc::F_SETFD, libc::FD_CLOEXEC);
            libc::fcntl(master, libc::F_SETFL, libc::O_NONBLOCK);
            Terminal {
                master: File::from_raw_fd(master),
                slave: File::from_raw_fd(slave),
                shown: Vec::new(),
            }
        }
    }

    /// Starts a command whose controlling terminal this is.
    pub fn spawn(&self, command: &mut Command) -> Child {
        command
            .stdin(self.slave.try_clone().unwrap())
            .stdout(self.slave.try_clone().unwrap())
            .stderr(self.slave.try_clone().unwrap());
        // SAFETY: both are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        crate::world::child_of_ours(command)
    }

    /// Runs a command to its end; its status.
    #[track_caller]
    pub fn run(&mut self, command: &mut Command) -> i32 {
        let mut child = self.spawn(command);
        self.end(&mut child)
    }

    /// Waits for the command's end; its status, or 128+n.
    #[track_caller]
    pub fn end(&mut self, child: &mut Child) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let start = Instant::now();
        loop {
            self.pump();
            if let Some(status) = child.try_wait().unwrap() {
                self.pump();
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
            }
            if start.elapsed() > LIMIT {
                let _ = child.kill();
                let _ = child.wait();
                panic!("still running; shown:\n{}", self.output());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn pump(&mut self) {
        let mut buf = [0; 4096];
        while let Ok(n @ 1..) = self.master.read(&mut buf) {
            self.shown.extend_from_slice(&buf[..n]);
        }
    }

    /// All that was shown.
    pub fn output(&mut self) -> String {
        self.pump();
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Types.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until `text` was shown after what the last call waited for.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let start = Instant::now();
        loop {
            self.pump();
            let shown = String::from_utf8_lossy(&self.shown).into_owned();
            if let Some(at) = shown.find(text) {
                self.shown = shown.as_bytes()[at + text.len()..].to_vec();
                return;
            }
            assert!(start.elapsed() < LIMIT, "no {text:?} in\n{shown}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its size, set as a terminal emulator does: the kernel tells the foreground.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the pointer is to a live variable.
        assert_eq!(unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &size) }, 0);
    }

    /// Its modes: input, output, control and local flags.
    pub fn modes(&self) -> [u32; 4] {
        // SAFETY: termios is plain data, and the pointer is to a live variable.
        unsafe {
            let mut modes: libc::termios = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(self.slave.as_raw_fd(), &mut modes), 0);
            [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag]
        }
    }

    /// Whether it is in raw mode.
    pub fn is_raw(&self) -> bool {
        self.modes()[3] & (libc::ICANON | libc::ECHO) == 0
    }
}
