//! What a container has used, by the names of libcontainer 1.2.0 (cgroups/stats.go), whichever
//! version its groups are of.

use core::fmt::Write;

use rustix::fd::AsFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::file::Version;
use super::groups::{Group, Groups};
use super::subsystem::Subsystem::{self, Blkio, Cpu, Cpuacct, Memory, Pids};
use crate::bytes::{Short, split_by};
use crate::error::{Context, Object, Result};
use crate::json::Json;
use crate::proc::lines::{Pieces, decimal};

/// One number.
struct Field {
    /// Its key in the object that is open, after what opens it.
    key: &'static str,
    subsystem: Subsystem,
    v1: Source,
    v2: Source,
}

/// A file, the word at the start of the line in it, or "" where the number is all, and the factor
/// that makes the unit of libcontainer of it: nanoseconds, bytes.
struct Source(&'static str, &'static str, u32);

/// Nanoseconds of a clock tick: the kernel tells every program of 100 ticks per second.
const TICK: u32 = 10_000_000;

/// The numbers of a container, in the order of their table.
pub const TOTAL_USAGE: usize = 0;
/// Bytes in use.
pub const MEMORY: usize = 6;
/// Most bytes that were ever in use.
pub const MEMORY_MAX: usize = 7;
/// Bytes that may be in use.
pub const MEMORY_LIMIT: usize = 8;
/// Processes.
pub const PIDS: usize = 10;
/// Processes that there may be.
pub const PIDS_LIMIT: usize = 11;

const fn field(key: &'static str, subsystem: Subsystem, v1: Source, v2: Source) -> Field {
    Field { key, subsystem, v1, v2 }
}

const fn same(key: &'static str, file: &'static str, word: &'static str) -> Field {
    let subsystem = if word.is_empty() { Pids } else { Cpu };
    field(key, subsystem, Source(file, word, 1), Source(file, word, 1))
}

const fn memory(
    key: &'static str,
    v1: &'static str,
    v2: &'static str,
    word: &'static str,
) -> Field {
    field(key, Memory, Source(v1, "", 1), Source(v2, word, 1))
}

const FIELDS: [Field; 12] = [
    field(
        "total_usage",
        Cpuacct,
        Source("cpuacct.usage", "", 1),
        Source("cpu.stat", "usage_usec", 1000),
    ),
    field(
        "usage_in_kernelmode",
        Cpuacct,
        Source("cpuacct.stat", "system", TICK),
        Source("cpu.stat", "system_usec", 1000),
    ),
    field(
        "usage_in_usermode",
        Cpuacct,
        Source("cpuacct.stat", "user", TICK),
        Source("cpu.stat", "user_usec", 1000),
    ),
    same("periods", "cpu.stat", "nr_periods"),
    same("throttled_periods", "cpu.stat", "nr_throttled"),
    field(
        "throttled_time",
        Cpu,
        Source("cpu.stat", "throttled_time", 1),
        Source("cpu.stat", "throttled_usec", 1000),
    ),
    memory("usage", "memory.usage_in_bytes", "memory.current", ""),
    // v2: since Linux 5.19.
    memory("max_usage", "memory.max_usage_in_bytes", "memory.peak", ""),
    memory("limit", "memory.limit_in_bytes", "memory.max", ""),
    memory("failcnt", "memory.failcnt", "memory.events", "max"),
    same("current", "pids.current", ""),
    same("limit", "pids.max", ""),
];

/// Lists of v1, as (key, file): blkio.FILE_recursive and its like.
const BLKIO: [(&str, &str); 8] = [
    ("io_service_bytes", "io_service_bytes"),
    ("io_serviced", "io_serviced"),
    ("io_queue", "io_queued"),
    ("io_service_time", "io_service_time"),
    ("io_wait_time", "io_wait_time"),
    ("io_merged", "io_merged"),
    ("io_time", "time"),
    ("sectors", "sectors"),
];

/// Of those, the two that v2 has, with the words of io.stat.
const IO: [(&str, [(&str, &str); 3]); 2] = [
    ("io_service_bytes", [("rbytes", "Read"), ("wbytes", "Write"), ("dbytes", "Discard")]),
    ("io_serviced", [("rios", "Read"), ("wios", "Write"), ("dios", "Discard")]),
];

/// All numbers at one moment. `None`: this host does not tell, or there is no limit.
pub type Sample = [Option<u64>; FIELDS.len()];

/// Reads the numbers.
pub fn sample(groups: &Groups) -> Result<Sample> {
    let mut sample = [None; FIELDS.len()];
    for (number, field) in sample.iter_mut().zip(&FIELDS) {
        let Some(group) = groups.of(field.subsystem) else { continue };
        let Source(file, word, factor) = match group.version {
            Version::V1 => &field.v1,
            Version::V2 => &field.v2,
        };
        each_line(group, file, &mut |line| {
            let rest = line.strip_prefix(word.as_bytes()).unwrap_or(b"x");
            // "max", and v1's largest number of pages, are no limit.
            let found = decimal(rest.trim_ascii_start()).filter(|n| *n < 1 << 62);
            *number = number.or(found.map(|n| n.saturating_mul((*factor).into())));
        })?;
    }
    Ok(sample)
}

/// Writes the members of `cgroup_stats`.
pub fn write(groups: &Groups, sample: &Sample, json: &mut Json) -> Result<()> {
    let mut numbers = FIELDS.iter().zip(sample);
    let mut some = |json: &mut Json, count| {
        for (field, number) in numbers.by_ref().take(count) {
            if let Some(number) = number {
                json.unsigned(field.key, *number);
            }
        }
    };
    json.begin("cpu_stats", '{');
    json.begin("cpu_usage", '{');
    some(json, 3);
    percpu(groups, json)?;
    json.close();
    json.begin("throttling_data", '{');
    some(json, 3);
    json.close();
    json.close();
    json.begin("memory_stats", '{');
    some(json, 4);
    json.begin("stats", '{');
    if let Some(group) = groups.of(Memory) {
        each_line(group, "memory.stat", &mut |line| {
            if let Some((key, number)) = pair(line, b' ') {
                json.unsigned(key, number);
            }
        })?;
    }
    json.close();
    json.close();
    json.begin("blkio_stats", '{');
    if let Some(group) = groups.of(Blkio) {
        blkio(group, json)?;
    }
    json.close();
    json.begin("pids_stats", '{');
    some(json, 2);
    json.close();
    if let Some(group) = groups.unified() {
        pressure(group, json)?;
    }
    Ok(())
}

/// Nanoseconds per CPU, which v2 does not tell.
fn percpu(groups: &Groups, json: &mut Json) -> Result<()> {
    let Some(group) = groups.of(Cpuacct).filter(|group| group.version == Version::V1) else {
        return Ok(());
    };
    json.begin("percpu_usage", '[');
    each_line(group, "cpuacct.usage_percpu", &mut |line| {
        for number in split_by(line, b' ').filter_map(decimal) {
            json.item();
            json.raw(format_args!("{number}"));
        }
    })?;
    json.close();
    Ok(())
}

fn blkio(group: &Group, json: &mut Json) -> Result<()> {
    if group.version == Version::V2 {
        for (key, words) in IO {
            begin_list(key, json);
            each_line(group, "io.stat", &mut |line| {
                let mut fields = split_by(line, b' ');
                let device = fields.next().unwrap_or(b"");
                for (word, number) in fields.filter_map(|field| pair(field, b'=')) {
                    if let Some((_, op)) = words.iter().find(|(known, _)| *known == word) {
                        entry(device, op, number, json);
                    }
                }
            })?;
            json.close();
        }
        return Ok(());
    }
    for (key, file) in BLKIO {
        begin_list(key, json);
        // CFQ's until Linux 5.0; BFQ's where that is the scheduler; those of the throttling layer.
        for form in ["", "bfq.", "throttle."] {
            let name = Short::<64>::new(format_args!("blkio.{form}{file}_recursive"));
            let mut any = false;
            each_line(group, name.as_str(), &mut |line| {
                let mut fields = split_by(line, b' ');
                let (device, last) = (fields.next().unwrap_or(b""), fields.next().unwrap_or(b""));
                let (op, number) = match fields.next() {
                    Some(number) => (core::str::from_utf8(last).unwrap_or(""), number),
                    None => ("", last),
                };
                // "Total 0" is the sum of all devices.
                if let Some(number) = decimal(number).filter(|_| device != b"Total") {
                    entry(device, op, number, json);
                    any = true;
                }
            })?;
            if any {
                break;
            }
        }
        json.close();
    }
    Ok(())
}

fn begin_list(key: &str, json: &mut Json) {
    json.begin(Short::<40>::new(format_args!("{key}_recursive")).as_str(), '[');
}

/// What one kind of request did to one device: "8:0".
fn entry(device: &[u8], op: &str, number: u64, json: &mut Json) {
    let mut numbers = split_by(device, b':').map(|n| decimal(n).unwrap_or(0));
    json.open('{', false);
    for key in ["major", "minor"] {
        json.unsigned(key, numbers.next().unwrap_or(0));
    }
    if !op.is_empty() {
        json.key("op");
        json.bytes(&[op.as_bytes()]);
    }
    json.unsigned("value", number);
    json.close();
}

/// How long processes had to wait for something (Documentation/accounting/psi.rst), in percent of
/// the last seconds and in microseconds: lines like "some avg10=0.00 … total=0".
fn pressure(group: &Group, json: &mut Json) -> Result<()> {
    json.begin("pressure", '{');
    for (name, file) in
        [("cpu", "cpu.pressure"), ("memory", "memory.pressure"), ("io", "io.pressure")]
    {
        json.begin(name, '{');
        each_line(group, file, &mut |line| {
            let mut fields =
                split_by(line, b' ').map(|field| core::str::from_utf8(field).unwrap_or(""));
            json.begin(fields.next().unwrap_or(""), '{');
            for (key, value) in fields.filter_map(|field| field.split_once('=')) {
                json.key(key);
                json.raw(format_args!("{value}"));
            }
            json.close();
        })?;
        json.close();
    }
    json.close();
    Ok(())
}

/// The share of the last ten seconds in which some process had to wait for `file`'s resource.
pub fn some_pressure(groups: &Groups, file: &str, to: &mut dyn Write) -> Result<()> {
    let Some(group) = groups.unified() else { return Ok(()) };
    each_line(group, file, &mut |line| {
        if let Some(rest) = line.strip_prefix(b"some avg10=") {
            let value = core::str::from_utf8(split_by(rest, b' ').next().unwrap_or(b""));
            // The first error of the writer is told by its end.
            let _ = to.write_str(value.unwrap_or(""));
        }
    })
}

/// "key 7", "key=7".
fn pair(text: &[u8], at: u8) -> Option<(&str, u64)> {
    let mut parts = split_by(text, at);
    Some((core::str::from_utf8(parts.next()?).ok()?, decimal(parts.next()?)?))
}

/// Calls `each` with every line of a file; none where the group lacks it, as other kernels do.
fn each_line(group: &Group, file: &str, each: &mut dyn FnMut(&[u8])) -> Result<()> {
    let read = |each: &mut dyn FnMut(&[u8])| {
        let fd = group.dir.file(file, OFlags::RDONLY)?;
        let mut buf = [0; 1024];
        let mut lines = Pieces::new(fd.as_fd(), &mut buf);
        while let Some(line) = lines.next(b'\n')? {
            each(line.text);
        }
        Ok(())
    };
    match read(each) {
        // EOPNOTSUPP: pressure where the kernel was started without.
        Ok(()) | Err(Errno::NOENT | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => {
            Err(errno).doing("read a file of control group", Object::CStr(group.dir.path))
        }
    }
}
