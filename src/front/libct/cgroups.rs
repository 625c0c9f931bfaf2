//! `cgroups`: membership, devices and limits. In libcontainer 0 and "" say nothing, so they leave
//! what is.

use core::ffi::CStr;

use super::read::{File, Read};
use super::table::{Keys, Slot, keys};
use crate::bytes::{number, split_by};
use crate::jsonmin::Value;
use crate::plan::{Cgroup, DeviceAccess, DeviceValue, FEW};

pub(super) const CGROUPS: &Keys = &keys!(
    [
        all("name", |f| Slot::Text(&mut f.cgroup().name)),
        all("parent", |f| Slot::Text(&mut f.cgroup().parent)),
        all("slice", |f| Slot::Text(&mut f.cgroup().slice)),
        all("memory", |f| Slot::Limit(&mut f.cgroup().memory)),
        all("memory_reservation", |f| Slot::Limit(&mut f.cgroup().memory_reservation)),
        all("memory_swap", |f| Slot::Limit(&mut f.cgroup().memory_swap)),
        v2("kernel_memory", |f| Slot::Limit(&mut f.cgroup().kernel_memory)),
        all("cpu_shares", |f| Slot::Amount(&mut f.cgroup().cpu_shares)),
        all("cpu_quota", |f| Slot::Limit(&mut f.cgroup().cpu_quota)),
        all("cpu_period", |f| Slot::Amount(&mut f.cgroup().cpu_period)),
        all("cpuset_cpus", |f| Slot::Text(&mut f.cgroup().cpuset_cpus)),
        all("cpuset_mems", |f| Slot::Text(&mut f.cgroup().cpuset_mems)),
        v2("oom_kill_disable", |f| Slot::Flag(&mut f.cgroup().oom_kill_disable)),
        v2("blkio_weight", |f| Slot::Amount(&mut f.cgroup().blkio_weight)),
        all("pids_limit", |f| Slot::Limit(&mut f.cgroup().pids_limit)),
    ],
    [
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
        // 0 is a value here: what leaves it is a file without the key, or -1, the default of nsinit in 2015.
        v2("memory_swappiness", |f| {
            let value = u64::try_from(f.int(-1, 100)?).ok();
            if value.is_some() || f.plan.cgroup.is_some() {
                f.cgroup().memory_swappiness = value;
            }
            Ok(())
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
        all("freezer", |f| f.freezer()),
    ]
);

pub(super) const HUGETLB: &Keys = &keys!(
    [all("page_size", |f| Slot::Text(&mut f.named.0))],
    [all("limit", |f| f.u64().map(|limit| f.named.1 = limit))]
);

pub(super) const NET_PRIO: &Keys = &keys!(
    [all("interface", |f| Slot::Text(&mut f.named.0))],
    [all("priority", |f| f.u32().map(|priority| f.named.1 = priority.into()))]
);

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
        self.named = (None, 0);
        let pos = self.json.next_pos();
        self.object(keys)?;
        // A space would end the name where the kernel reads it (netprio_cgroup.c).
        let fits = |byte: &u8| *byte > b' ' && *byte != b'/';
        match self.named {
            (Some(text), number) if text.to_bytes().iter().all(fits) => Ok((text, number)),
            _ => Err(self.fault_of(name, pos, format_args!("expected a name"))),
        }
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
            Some(None) => {
                return Err(self.fault("expected a number of 32 bits, as in \"0x100001\""));
            }
            Some(class) => self.cgroup().net_cls_classid = class,
            None => {
                if let Some(cgroup) = &mut self.plan.cgroup {
                    cgroup.net_cls_classid = None;
                }
            }
        }
        Ok(())
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
