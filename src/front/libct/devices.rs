//! Devices: the nodes in /dev and the rules of the devices cgroup, which libcontainer wrote in the
//! same form; and the lists that it had built in.

use core::ffi::CStr;

use super::mounts::absolute;
use super::path::Quoted;
use super::read::{File, Read};
use super::table::{Keys, Slot, keys};
use crate::bytes::CNames;
use crate::jsonmin::{Pos, Value};
use crate::plan::{DEFAULT_DEVICES, DEVICES, Device, DeviceAccess, DeviceKind, DeviceRule};

/// A device as the file has it.
#[derive(Clone, Copy)]
pub(super) struct DeviceEntry {
    kind: u8,
    path: Option<&'static CStr>,
    major: i64,
    minor: i64,
    permissions: &'static [u8],
    mode: u32,
    uid: u32,
    gid: u32,
}

impl DeviceEntry {
    pub const EMPTY: DeviceEntry = DeviceEntry {
        kind: 0,
        path: None,
        major: 0,
        minor: 0,
        permissions: b"",
        mode: 0,
        uid: 0,
        gid: 0,
    };
}

/// The kernel's dev_t has 12 bits of major and 20 of minor (include/linux/kdev_t.h).
const MAJOR_MAX: i64 = (1 << 12) - 1;
const MINOR_MAX: i64 = (1 << 20) - 1;

pub(super) const DEVICE: &Keys = &keys!(
    [
        all("path", |f| Slot::Text(&mut f.device.path)),
        all("uid", |f| Slot::U32(&mut f.device.uid)),
        all("gid", |f| Slot::U32(&mut f.device.gid)),
    ],
    [
        all("type", |f| f.device_type().map(|kind| f.device.kind = kind)),
        v1("major_number", |f| f.int(-1, MAJOR_MAX).map(|n| f.device.major = n)),
        v2("major", |f| f.int(-1, MAJOR_MAX).map(|n| f.device.major = n)),
        v1("minor_number", |f| f.int(-1, MINOR_MAX).map(|n| f.device.minor = n)),
        v2("minor", |f| f.int(-1, MINOR_MAX).map(|n| f.device.minor = n)),
        v1("cgroup_permissions", |f| f.device_permissions()),
        v2("permissions", |f| f.device_permissions()),
        // runc's, for rules of another list: a node has no use for it.
        all("allow", |f| f.flag().map(drop)),
        // Go's os.FileMode in files that docker wrote holds the type's bits as well.
        all("file_mode", |f| f.u32().map(|mode| f.device.mode = mode & 0o7777)),
    ]
);

/// `device_nodes` of 2014-05, when it was an object of names under /dev.
pub(super) const NAMES: &Keys = &keys!(
    [],
    [
        all("required", |f| f.list(|f| f.device_name())),
        all("additional", |f| f.list(|f| f.device_name())),
    ]
);

/// Devices that have had their numbers since ever (Documentation/admin-guide/devices.txt).
const KNOWN: CNames = CNames(
    "/dev/null\0/dev/zero\0/dev/full\0/dev/tty\0/dev/urandom\0/dev/random\0/dev/console\0\
     /dev/ptmx\0/dev/fuse\0/dev/net/tun\0/dev/tun\0/dev/kvm\0/dev/loop-control\0/dev/kmsg\0",
);
/// Their major and minor numbers and their modes.
const NUMBERS: [(u8, u8, u16); 14] = [
    (1, 3, 0o666),
    (1, 5, 0o666),
    (1, 7, 0o666),
    (5, 0, 0o666),
    (1, 9, 0o666),
    (1, 8, 0o666),
    (5, 1, 0o600),
    (5, 2, 0o666),
    (10, 229, 0o666),
    (10, 200, 0o666),
    (10, 200, 0o666),
    (10, 232, 0o660),
    (10, 237, 0o660),
    (1, 11, 0o644),
];

/// How many of `KNOWN` a container has when its file names none.
const DEFAULT_NODES: usize = 6;

impl File<'_> {
    /// A list of nodes, or the object of names that it was for some days of May 2014.
    pub fn device_nodes(&mut self) -> Read {
        match self.json.value()? {
            Value::Array => self.elements(|f| f.device_node()),
            Value::Object => self.members(NAMES),
            found => Err(self.expected("an array", found)),
        }
    }

    pub fn device_node(&mut self) -> Read {
        let pos = self.device_entry()?;
        let entry = self.device;
        let kind = match entry.kind {
            b'p' => DeviceKind::Fifo,
            b'b' => DeviceKind::Block,
            _ => DeviceKind::Char,
        };
        let Some(path) = entry.path else {
            return Err(self.fault_of("path", pos, format_args!("a device node needs a path")));
        };
        let (Ok(major), Ok(minor)) = (entry.major.try_into(), entry.minor.try_into()) else {
            return Err(self.fault_of(
                "major",
                pos,
                format_args!("a node can't have every number"),
            ));
        };
        let path = absolute(self, path)?;
        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
        self.mark("devices", self.plan.rootfs.devices.len(), pos);
        self.push_node(Device { path, kind, major, minor, mode, uid, gid })
    }

    fn device_name(&mut self) -> Read {
        let name = self.text()?;
        let is = |path: &CStr| path.to_bytes().strip_prefix(b"/dev/") == Some(name.to_bytes());
        match KNOWN.zip(NUMBERS).find(|(path, _)| is(path)) {
            Some(row) => self.push_node(node(row)),
            None => Err(self.composed(format_args!(
                "nsinit does not know the numbers of {}: list it with type, major and minor",
                Quoted(name)
            ))),
        }
    }

    fn push_node(&mut self, device: Device) -> Read {
        let pushed = self.plan.rootfs.devices.push(device);
        pushed.map_err(|_| self.full(DEVICES, "devices"))
    }

    /// A rule of the cgroup, for the list that `list` chooses.
    pub fn device_rule(
        &mut self,
        list: fn(&mut DeviceAccess) -> &mut heapless::Vec<DeviceRule, DEVICES>,
    ) -> Read {
        let pos = self.device_entry()?;
        let entry = self.device;
        let kind = match entry.kind {
            b'b' => DeviceKind::Block,
            b'c' | b'u' => DeviceKind::Char,
            _ => return Err(self.fault_of("type", pos, format_args!("only c and b have rules"))),
        };
        let has = |letter| entry.permissions.contains(&letter);
        if entry.permissions.is_empty() {
            return Err(self.fault_of("permissions", pos, format_args!("a rule needs r, w or m")));
        }
        let rule = DeviceRule {
            kind,
            major: u32::try_from(entry.major).ok(),
            minor: u32::try_from(entry.minor).ok(),
            read: has(b'r'),
            write: has(b'w'),
            mknod: has(b'm'),
        };
        let pushed = list(self.device_access()).push(rule);
        pushed.map_err(|_| self.full(DEVICES, "device rules"))
    }

    /// Reads `self.device`; where it began.
    fn device_entry(&mut self) -> Read<Pos> {
        self.device = DeviceEntry::EMPTY;
        let pos = self.json.next_pos();
        self.object(DEVICE)?;
        if self.device.kind == 0 {
            return Err(self.fault_of(
                "type",
                pos,
                format_args!("a device needs one: 99 is c, 98 is b"),
            ));
        }
        Ok(pos)
    }

    /// 99 or "c": Go wrote its rune as a number, the OCI writes the letter.
    fn device_type(&mut self) -> Read<u8> {
        let kind = match self.json.value()? {
            Value::Number(number) => self.within(number, 0, i64::from(u32::MAX))?,
            Value::Str(text) => match text.to_bytes() {
                [letter] => i64::from(*letter),
                _ => -1,
            },
            found => return Err(self.expected("an integer", found)),
        };
        match u8::try_from(kind) {
            Ok(kind @ (b'c' | b'b' | b'u' | b'p')) => Ok(kind),
            _ => {
                Err(self.fault("no kind of device: 99 or \"c\", 98 or \"b\", 117 \"u\", 112 \"p\""))
            }
        }
    }

    fn device_permissions(&mut self) -> Read {
        let text = self.text()?.to_bytes();
        if !text.iter().all(|letter| b"rwm".contains(letter)) {
            return Err(self.fault("expected some of r, w and m"));
        }
        self.device.permissions = text;
        Ok(())
    }

    /// The nodes that a container can't do without, where the file says nothing of nodes.
    pub fn default_nodes(&mut self) -> Read {
        KNOWN.zip(NUMBERS).take(DEFAULT_NODES).try_for_each(|row| self.push_node(node(row)))
    }

    /// The rules of a file that has none.
    pub fn default_rules(&mut self) -> Read {
        DEFAULT_DEVICES.into_iter().try_for_each(|rule| {
            let pushed = self.device_access().allowed.push(rule);
            pushed.map_err(|_| self.full(DEVICES, "device rules"))
        })
    }
}

fn node((path, (major, minor, mode)): (&'static CStr, (u8, u8, u16))) -> Device {
    let (major, minor, mode) = (major.into(), minor.into(), mode.into());
    Device { path, kind: DeviceKind::Char, major, minor, mode, uid: 0, gid: 0 }
}
