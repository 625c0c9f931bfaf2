//! The directories of an overlay, which stand in its options
//! (Documentation/filesystems/overlayfs.rst).

use core::ffi::CStr;

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{self, Errno};

use super::Root;
use crate::beneath::PATH_MAX;
use crate::bytes::{Short, until_nul};
use crate::plan::Mount;

/// Most directories of one overlay: the kernel takes 500, but not in 4,095 bytes of options.
pub const LAYERS: usize = 128;

/// What a directory is to an overlay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// It is only read.
    Lower,
    /// Everything that is changed is written there.
    Upper,
    /// The kernel's own.
    Work,
}

/// A path as it stands in the options: "\" before what would end it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Escaped<'a>(&'a [u8]);

impl Escaped<'_> {
    /// The path itself; `None` where it is longer than any path.
    pub fn decode<'b>(&self, buf: &'b mut [u8; PATH_MAX]) -> Option<&'b CStr> {
        *buf = [0; PATH_MAX];
        let (mut at, mut bytes) = (0, self.0.iter());
        while let Some(&byte) = bytes.next() {
            let byte = if byte == b'\\' { *bytes.next()? } else { byte };
            // One byte stays 0.
            *buf.get_mut(at).filter(|_| at < PATH_MAX - 1)? = byte;
            at += 1;
        }
        until_nul(buf)
    }
}

/// The directories of a mount, which has none if it is no overlay.
pub fn layers(mount: &Mount) -> impl Iterator<Item = (Layer, Escaped<'_>)> {
    let data = if mount.fstype == c"overlay" { mount.data.to_bytes() } else { &[] };
    layers_of(data)
}

/// The directories in the options of an overlay.
pub fn layers_of(data: &[u8]) -> impl Iterator<Item = (Layer, Escaped<'_>)> {
    parts(data).filter_map(|part| match part {
        Part::Layer(layer, path) => Some((layer, path)),
        Part::Text(_) => None,
    })
}

/// A piece of the options: a directory, or what is in between.
enum Part<'a> {
    Text(&'a [u8]),
    Layer(Layer, Escaped<'a>),
}

fn parts(data: &[u8]) -> Parts<'_> {
    Parts { rest: data, layer: None }
}

struct Parts<'a> {
    rest: &'a [u8],
    /// That of the option of which the value comes.
    layer: Option<Layer>,
}

impl<'a> Parts<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(layer) = self.layer {
            let ends = |byte: u8| byte == b',' || layer == Layer::Lower && byte == b':';
            let len = len_until(self.rest, &ends);
            if len > 0 {
                return Some(Part::Layer(layer, Escaped(self.take(len))));
            }
            if self.rest.first() == Some(&b':') {
                return Some(Part::Text(self.take(1)));
            }
        }
        // From the comma to the next value.
        let comma = self.rest.first().map_or(0, |byte| usize::from(*byte == b','));
        let option = self.rest.get(comma..).unwrap_or(&[]);
        let key =
            option.iter().position(|byte| matches!(byte, b'=' | b',')).unwrap_or(option.len());
        self.layer = match option.get(..key) {
            Some(b"lowerdir" | b"lowerdir+" | b"datadir+") => Some(Layer::Lower),
            Some(b"upperdir") => Some(Layer::Upper),
            Some(b"workdir") => Some(Layer::Work),
            _ => None,
        };
        let len = match self.layer {
            Some(_) => key + 1,
            None => len_until(option, &|byte| byte == b','),
        };
        Some(Part::Text(self.take(comma + len)))
    }
}

/// How long the text is until a byte that is not escaped and `ends` it.
fn len_until(text: &[u8], ends: &dyn Fn(u8) -> bool) -> usize {
    let mut escaped = false;
    let end = text.iter().position(|&byte| {
        let end = !escaped && ends(byte);
        escaped = !escaped && byte == b'\\';
        end
    });
    end.unwrap_or(text.len())
}

impl Root<'_> {
    /// Writes the options of an overlay with each directory as a descriptor: what is mounted is what was
    /// opened, whoever exchanges a name meanwhile. ENAMETOOLONG where they do not fit, or are too many.
    pub(super) fn open_layers<'b>(
        &self,
        mount: &Mount,
        options: &'b mut [u8; PATH_MAX],
        fds: &mut heapless::Vec<OwnedFd, LAYERS>,
    ) -> io::Result<&'b CStr> {
        let mut at = 0;
        let mut put = |text: &[u8]| {
            // One byte stays 0.
            let room = options.get_mut(at..at + text.len()).filter(|_| at + text.len() < PATH_MAX);
            room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(text);
            at += text.len();
            Ok(())
        };
        let mut path = [0; PATH_MAX];
        for part in parts(mount.data.to_bytes()) {
            match part {
                Part::Text(text) => put(text)?,
                Part::Layer(_, path_text) => {
                    let path = path_text.decode(&mut path).ok_or(Errno::NAMETOOLONG)?;
                    let fd = self.source(path)?;
                    let name = Short::<32>::new(format_args!("/proc/self/fd/{}", fd.as_raw_fd()));
                    put(name.as_cstr().to_bytes())?;
                    fds.push(fd).map_err(|_| Errno::NAMETOOLONG)?;
                }
            }
        }
        until_nul(options).ok_or(Errno::NAMETOOLONG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_of_an_overlay_are_found_escapes_and_all() {
        let all = |data: &str| {
            let mut buf = [0; PATH_MAX];
            layers_of(data.as_bytes())
                .map(|(layer, path)| {
                    let path = path.decode(&mut buf).unwrap().to_str().unwrap();
                    format!("{layer:?} {path}")
                })
                .collect::<Vec<_>>()
                .join(", ")
        };
        assert_eq!(
            all("lowerdir=/a:/b\\:c::/d,index=off,upperdir=/u\\,x,xino=on,workdir=/w:w"),
            "Lower /a, Lower /b:c, Lower /d, Upper /u,x, Work /w:w"
        );
        assert_eq!(all("lowerdir+=/a,datadir+=/b,metacopy"), "Lower /a, Lower /b");
        assert_eq!(all("ro,lowerdir=,x"), "");
        assert_eq!(all(""), "");
    }

    #[test]
    fn the_pieces_are_all_of_the_options() {
        for data in ["lowerdir=/a:/b\\:c::/d,index=off,upperdir=/u\\,x,", ",,x=,lowerdir", "a=b"] {
            let all: Vec<u8> = parts(data.as_bytes())
                .flat_map(|part| match part {
                    Part::Text(text) | Part::Layer(_, Escaped(text)) => text.to_vec(),
                })
                .collect();
            assert_eq!(all, data.as_bytes());
        }
    }
}
