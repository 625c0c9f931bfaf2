//! Who the workload is: the `user` of container.json and the container's own passwd and group
//! files (libcontainer user/user.go, GetExecUser).

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{FileType, OFlags, fstat, fstatfs};
use rustix::io::Errno;

use super::id::{Groups, Id};
use super::passwd::{self, Entry, NAME, Wanted};
use crate::beneath;
use crate::bytes::Arena;
use crate::error::{Context, Error, Result};
use crate::syscall::fd::AsFd;

/// What to become.
pub struct Ids<'a> {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Groups<'a>,
    /// Home directory; "/" where no file names one.
    pub home: &'static CStr,
}

/// What the configuration says about it.
pub struct Asked<'a> {
    /// `user`, `uid`, `user:group`, `uid:gid`, …; empty is uid 0.
    pub user: &'static CStr,
    /// Supplementary groups beyond the user's own, names or numbers, in the order of their bytes.
    pub groups: &'a [&'static CStr],
    /// Whether the home directory is wanted.
    pub home: bool,
}

/// Finds out who `asked` is in the files below `root`.
///
/// The user's own supplementary groups are its memberships in the group file; a `user:group` names
/// its group itself and has none of them, as ever since 2014.
pub fn look_up<'a>(asked: &Asked, root: BorrowedFd<'_>, arena: &'a Arena) -> Result<Ids<'a>> {
    let spec = Spec::parse(asked.user)?;
    let passwd = if spec.needs_passwd(asked.home) { open(root, c"/etc/passwd")? } else { None };
    let named = asked.groups.iter().any(|name| Id::is_name(name));
    let group = if named || spec.needs_group() { open(root, c"/etc/group")? } else { None };
    let (passwd, group) = (passwd.as_ref().map(AsFd::as_fd), group.as_ref().map(AsFd::as_fd));
    resolve(asked, &spec, passwd, group, arena)
}

/// The name of `uid` in the passwd file below `root`. `None` where it has none; an error where the file
/// is not what it should be.
pub fn user_name(
    uid: u32,
    root: BorrowedFd<'_>,
    arena: &Arena,
) -> Result<Option<heapless::Vec<u8, NAME>>> {
    let Some(file) = open(root, c"/etc/passwd")? else { return Ok(None) };
    let entry = passwd::find_user(file.as_fd(), &Id::Number(uid), c"", arena)?;
    Ok(entry.map(|entry| entry.name).filter(|name| !name.is_empty()))
}

/// File systems of the kernel's own (include/uapi/linux/magic.h): reading a file there may have an effect, as
/// it takes the kernel's messages out of /proc/kmsg. In their order: proc, sysfs, cgroup, cgroup2, debugfs,
/// tracefs, securityfs, configfs, bpf, pstore, efivarfs, selinuxfs, smackfs, binfmt_misc, fusectl, devpts,
/// mqueue, resctrl.
const OF_THE_KERNEL: [u32; 18] = [
    0x9fa0,
    0x6265_6572,
    0x27_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0x6265_6570,
    0xcafe_4a11,
    0x6165_676c,
    0xde5e_81e4,
    0xf97c_ff8c,
    0x4341_5d53,
    0x4249_4e4d,
    0x6573_5543,
    0x1cd1,
    0x1980_0202,
    0x0765_5821,
];

/// Opens one of the two files; `None` where there is none. The root may hold anything under these
/// names: opening a FIFO must not wait, and only a regular file has an end.
fn open(root: BorrowedFd<'_>, path: &'static CStr) -> Result<Option<OwnedFd>> {
    const DOING: &str = "open the container's";
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match beneath::open(root, path, flags) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        file => file.doing(DOING, path)?,
    };
    let stat = fstat(file.as_fd()).doing(DOING, path)?;
    // The field's type differs between architectures; every magic number is 32 bits.
    let system = fstatfs(file.as_fd()).doing(DOING, path)?.f_type as u32;
    let refused = |why| Err(Error::refused(DOING, path, why));
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if OF_THE_KERNEL.contains(&system) => {
            refused("it is a file of the kernel's own, as those of /proc")
        }
        FileType::RegularFile if stat.st_size as u64 > passwd::SIZE => refused(passwd::TOO_LARGE),
        FileType::RegularFile => Ok(Some(file)),
        _ => refused("it is not a regular file"),
    }
}

fn resolve<'a>(
    asked: &Asked,
    spec: &Spec,
    passwd: Option<BorrowedFd<'_>>,
    group: Option<BorrowedFd<'_>>,
    arena: &'a Arena,
) -> Result<Ids<'a>> {
    let entry = match passwd {
        Some(file) => passwd::find_user(file, &spec.user, asked.user, arena)?,
        None => None,
    };
    let uid = match (&spec.user, &entry) {
        (Id::Number(uid), _) => *uid,
        (Id::Name(_), Some(entry)) => entry.uid,
        (Id::Name(_), None) => {
            return Err(no_such(
                "find user",
                asked.user,
                passwd.is_some(),
                "user",
                "passwd",
                arena,
            ));
        }
    };
    let mut groups = Groups::new(arena);
    let gid = find_groups(asked, spec, entry.as_ref(), group, &mut groups)?;
    let gid = gid.or(entry.as_ref().map(|entry| entry.gid)).unwrap_or(0);
    let home = entry.as_ref().map(|entry| entry.home).filter(|home| !home.is_empty());
    Ok(Ids { uid, gid, groups, home: home.unwrap_or(c"/") })
}

/// One pass over the group file for all that is wanted of it. Returns the group that `user:group`
/// names.
fn find_groups(
    asked: &Asked,
    spec: &Spec,
    entry: Option<&Entry>,
    file: Option<BorrowedFd<'_>>,
    groups: &mut Groups,
) -> Result<Option<u32>> {
    // As many as the file names, of which there may be none.
    let found = groups.arena().take(asked.groups.len()).doing("collect the groups", ())?;
    for (name, found) in asked.groups.iter().zip(found.iter_mut()) {
        *found = 0;
        if let Id::Number(gid) = Id::parse(name.to_bytes(), name)? {
            groups.push(gid)?;
            *found = 1;
        }
    }
    let mut wanted = Wanted {
        member: if spec.group.is_none() { entry.and_then(|entry| entry.name()) } else { None },
        primary: spec.group.as_ref().and_then(Id::name),
        others: asked.groups,
        found: &mut *found,
        gid: spec.group.as_ref().and_then(Id::number),
        groups,
    };
    if let Some(file) = file {
        passwd::find_groups(file, &mut wanted)?;
    }
    let (gid, arena) = (wanted.gid, wanted.groups.arena());
    if spec.group.is_some() && gid.is_none() {
        return Err(no_such("find", asked.user, file.is_some(), "group", "group", arena));
    }
    match asked.groups.iter().zip(found).find(|(_, found)| **found == 0) {
        Some((name, _)) => {
            Err(no_such("find group", name, file.is_some(), "group", "group", arena))
        }
        None => Ok(gid),
    }
}

fn no_such(
    doing: &'static str,
    on: &'static CStr,
    exists: bool,
    what: &str,
    file: &str,
    arena: &Arena,
) -> Error {
    let text = if exists {
        arena.str(format_args!("no such {what} in the container's /etc/{file}"))
    } else {
        arena.str(format_args!("no such {what}: the container has no /etc/{file}"))
    };
    Error::refused(doing, on, text.unwrap_or("no such name"))
}

/// A parsed `user`.
#[derive(PartialEq, Eq, Debug)]
struct Spec {
    user: Id,
    group: Option<Id>,
}

impl Spec {
    fn parse(text: &'static CStr) -> Result<Spec> {
        let bytes = text.to_bytes();
        let mut parts = bytes.splitn(2, |&b| b == b':');
        let user = parts.next().unwrap_or(b"");
        let group = parts.next().filter(|group| !group.is_empty());
        let user = if user.is_empty() { Id::Number(0) } else { Id::parse(user, text)? };
        let group = group.map(|group| Id::parse(group, text)).transpose()?;
        Ok(Spec { user, group })
    }

    /// A name is looked up; a number too, for its group and home.
    fn needs_passwd(&self, home: bool) -> bool {
        home || self.group.is_none() || self.user.name().is_some()
    }

    fn needs_group(&self) -> bool {
        !matches!(self.group, Some(Id::Number(_)))
    }
}

#[cfg(test)]
mod tests;
