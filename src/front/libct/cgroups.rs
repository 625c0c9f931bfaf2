//! `cgroups`: membership, devices and limits. In libcontainer 0 and "" say nothing, so they leave
//! what is.

use core::ffi::CStr;

use super::read::{File, Keys, Read, keys};
use crate::bytes::{number, split_by};
use crate::jsonmin::Value;
use crate::plan::{Cgroup, DeviceAccess, DeviceValue, FEW};

pub(super) const CGROUPS: &Keys = &keys![
    all("name", |f| f.cgroup_text(|c, v| c.name = v)),
    all("parent", |f| f.cgroup_text(|c, v| c.parent = v)),
    all("slice", |f| f.cgroup_text(|c, v| c.slice = v)),
    v1("device_access", |f| f.allow_all_devices()),
    all("allow_all_devices", |f| f.allow_all_devices()),
    all("allowed_devices", |f| {
        f.device_access().allowed.clear();
        f.kept.has_device_rules = true;
        f.list(|f| f.device_rule(|access| &mut access.allowed))
    }),
    v2("denied_devices", |f| {
        f.device_access().denied.clear();
        f.list(|f| f.device_rule(|access| &mut access.denied))
    }),
    all("memory", |f| f.cgroup_int(-1, |c, v| c.memory = v)),
    all("memory_reservation", |f| f.cgroup_int(-1, |c, v| c.memory_reservation = v)),
    all("memory_swap", |f| f.cgroup_int(-1, |c, v| c.memory_swap = v)),
    v2("kernel_memory", |f| f.cgroup_int(-1, |c, v| c.kernel_memory = v)),
    // 0 is a value here: only a file without the key leaves it.
    v2("memory_swappiness", |f| {
        let value = f.int(0, 100)? as u64;
        f.cgroup().memory_swappiness = Some(value);
        Ok(())
    }),
    v2("oom_kill_disable", |f| {
        let on = f.flag()?;
        f.cgroup_set(Some(()).filter(|()| on), |c, v| c.oom_kill_disable = v.is_some())
    }),
    all("cpu_shares", |f| f.cgroup_u64(|c, v| c.cpu_shares = v)),
    all("cpu_quota", |f| f.cgroup_int(-1, |c, v| c.cpu_quota = v)),
    all("cpu_period", |f| f.cgroup_u64(|c, v| c.cpu_period = v)),
    all("cpuset_cpus", |f| f.cgroup_text(|c, v| c.cpuset_cpus = v)),
    all("cpuset_mems", |f| f.cgroup_text(|c, v| c.cpuset_mems = v)),
    v2("blkio_weight", |f| {
        f.cgroup_u64(|c, v| c.blkio_weight = v)?;
        match f.plan.cgroup.as_ref().and_then(|c| c.blkio_weight) {
            Some(0..10 | 1001..) => Err(f.fault("expected an integer from 10 to 1000")),
            _ => Ok(()),
        }
    }),
    v2("blkio_weight_device", |f| f.device_line(0, 10, 1000)),
    v2("blkio_throttle_read_bps_device", |f| f.device_line(1, 0, u64::MAX)),
    v2("blkio_throttle_write_bps_device", |f| f.device_line(2, 0, u64::MAX)),
    v2("blkio_throttle_read_iops_device", |f| f.device_line(3, 0, u32::MAX.into())),
    v2("blkio_throttle_write_iops_device", |f| f.device_line(4, 0, u32::MAX.into())),
    v2("hugetlb_limit", |f| {
        if let Some(cgroup) = &mut f.plan.cgroup {
            cgroup.hugetlb_limit.clear();
        }
        f.list(|f| f.hugetlb())
    }),
    v2("net_prio_ifpriomap", |f| {
        if let Some(cgroup) = &mut f.plan.cgroup {
            cgroup.net_prio_ifpriomap.clear();
        }
        f.list(|f| f.net_prio())
    }),
    v2("net_cls_classid", |f| f.net_cls()),
    all("pids_limit", |f| f.cgroup_int(-1, |c, v| c.pids_limit = v)),
    all("freezer", |f| f.freezer()),
];

pub(super) const HUGETLB: &Keys = &keys![
    all("page_size", |f| f.text().map(|name| f.named.0 = name)),
    all("limit", |f| f.u64().map(|limit| f.named.1 = limit)),
];

pub(super) const NET_PRIO: &Keys = &keys![
    all("interface", |f| f.text().map(|name| f.named.0 = name)),
    all("priority", |f| f.u32().map(|priority| f.named.1 = priority.into())),
];

impl File<'_> {
    pub fn cgroups(&mut self) -> Read {
        self.object(CGROUPS)
    }

    /// The plan's cgroup, from the first key on that says something.
    fn cgroup(&mut self) -> &mut Cgroup {
        self.plan.cgroup.get_or_insert_default()
    }

    pub(super) fn device_access(&mut self) -> &mut DeviceAccess {
        self.cgroup().devices.get_or_insert_default()
    }

    /// Sets a value that says something, or takes an earlier one back.
    fn cgroup_set<T>(&mut self, value: Option<T>, set: fn(&mut Cgroup, Option<T>)) -> Read {
        match (&mut self.plan.cgroup, value) {
            (Some(cgroup), value) => set(cgroup, value),
            (None, Some(value)) => set(self.cgroup(), Some(value)),
            (None, None) => {}
        }
        Ok(())
    }

    fn cgroup_text(&mut self, set: fn(&mut Cgroup, Option<&'static CStr>)) -> Read {
        let text = self.text_or_none()?;
        self.cgroup_set(text, set)
    }

    fn cgroup_int(&mut self, min: i64, set: fn(&mut Cgroup, Option<i64>)) -> Read {
        let value = self.int(min, i64::MAX)?;
        self.cgroup_set(Some(value).filter(|n| *n != 0), set)
    }

    fn cgroup_u64(&mut self, set: fn(&mut Cgroup, Option<u64>)) -> Read {
        let value = self.int(0, i64::MAX)? as u64;
        self.cgroup_set(Some(value).filter(|n| *n != 0), set)
    }

    fn allow_all_devices(&mut self) -> Read {
        let all = self.flag()?;
        if all || self.plan.cgroup.is_some() {
            self.device_access().allow_all = all;
        }
        Ok(())
    }

    /// "major:minor value", one line: number `n` of `plan::BLKIO`.
    fn device_line(&mut self, n: usize, least: u64, most: u64) -> Read {
        let value = match self.text_or_none()?.map(|text| device_value(text.to_bytes())) {
            Some(None) => return Err(self.fault("expected \"major:minor value\"")),
            Some(Some(line)) if !(least..=most).contains(&line.value) => {
                return Err(self.composed(format_args!("the value is not {least} to {most}")));
            }
            line => line.flatten(),
        };
        if value.is_some() || self.plan.cgroup.is_some() {
            self.cgroup().blkio[n] = value;
        }
        Ok(())
    }

    fn hugetlb(&mut self) -> Read {
        let (n, pos) = (self.cgroup().hugetlb_limit.len(), self.json.next_pos());
        self.mark("hugetlb_limit", n, pos);
        let entry = self.pair(HUGETLB, "page_size")?;
        self.cgroup().hugetlb_limit.push(entry).map_err(|_| self.full(FEW, "page sizes"))
    }

    fn net_prio(&mut self) -> Read {
        let entry = self.pair(NET_PRIO, "interface")?;
        self.cgroup().net_prio_ifpriomap.push(entry).map_err(|_| self.full(FEW, "interfaces"))
    }

    /// A name, which must be there, and a number.
    fn pair(&mut self, keys: &'static Keys, name: &'static str) -> Read<(&'static CStr, u64)> {
        self.named = (c"", 0);
        let pos = self.json.next_pos();
        self.object(keys)?;
        let bytes = self.named.0.to_bytes();
        // A space would end the name where the kernel reads it (netprio_cgroup.c).
        let fits = |byte: &u8| *byte > b' ' && *byte != b'/';
        if bytes.is_empty() || !bytes.iter().all(fits) {
            return Err(self.fault_of(name, pos, format_args!("expected a name")));
        }
        Ok(self.named)
    }

    /// A number in a string, decimal or with 0x.
    fn net_cls(&mut self) -> Read {
        let text = self.text_or_none()?;
        let class = text.map(|text| {
            let text = text.to_bytes();
            let n = match text.strip_prefix(b"0x") {
                Some(hex) => number(hex, 16),
                None => number(text, 10),
            };
            n.and_then(|n| u32::try_from(n).ok())
        });
        match class {
            None => self.cgroup_set(None, |c, v| c.net_cls_classid = v),
            Some(Some(class)) => self.cgroup_set(Some(class), |c, v| c.net_cls_classid = v),
            Some(None) => Err(self.fault("expected a number of 32 bits, as in \"0x100001\"")),
        }
    }

    fn freezer(&mut self) -> Read {
        match self.json.value()? {
            Value::Str(text) if text == c"FROZEN" => self.cgroup().frozen = true,
            Value::Str(text) if text == c"THAWED" || text.is_empty() => {
                if let Some(cgroup) = &mut self.plan.cgroup {
                    cgroup.frozen = false;
                }
            }
            Value::Str(_) => return Err(self.fault("expected \"FROZEN\", \"THAWED\" or \"\"")),
            found => return Err(self.expected("a string", found)),
        }
        Ok(())
    }

    /// The rules where the file has none: libcontainer's own. Without any, nothing in /dev works.
    pub fn settle_cgroup(&mut self) -> Read {
        let Some(cgroup) = &mut self.plan.cgroup else {
            return Ok(());
        };
        let access = cgroup.devices.get_or_insert_default();
        if access.allow_all || self.kept.has_device_rules {
            return Ok(());
        }
        access.allowed.clear();
        self.default_rules()
    }
}

fn device_value(line: &[u8]) -> Option<DeviceValue> {
    let mut words = split_by(line, b' ');
    let mut numbers = split_by(words.next()?, b':');
    let mut device = || u32::try_from(number(numbers.next()?, 10)?).ok();
    let value =
        DeviceValue { major: device()?, minor: device()?, value: number(words.next()?, 10)? };
    (words.next().is_none() && numbers.next().is_none()).then_some(value)
}
