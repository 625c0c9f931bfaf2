//! What a container has used, by the names of libcontainer 1.2.0 (cgroups/stats.go), whichever
//! version its groups are of.

use core::fmt::Write;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::file::Version;
use super::groups::{Group, Groups};
use super::subsystem::Subsystem::{Blkio, Cpuacct, Memory};
use super::subsystem::Subsystems;
use crate::bytes::{Short, split_by};
use crate::error::{Context, Result};
use crate::json::Json;
use crate::proc::lines::{Pieces, decimal};
use crate::syscall::fd::AsFd;

/// What is told, in its order: objects, and in them numbers, each with its controller, and for v1 and
/// v2 the file, the word at the start of the line in it ("-": the number is all), and what makes
/// nanoseconds or bytes of it. "throlling_data" is how libcontainer 1.2.0 spelt it. A clock tick is 10,000,000 nanoseconds to every program. (As text: a
/// table of strings would be twice as large.) memory.peak is there since Linux 5.19.
const TOLD: &[u8] = b"\
cpu_stats{
cpu_usage{
total_usage cpuacct cpuacct.usage - 1 cpu.stat usage_usec 1000
usage_in_kernelmode cpuacct cpuacct.stat system 10000000 cpu.stat system_usec 1000
usage_in_usermode cpuacct cpuacct.stat user 10000000 cpu.stat user_usec 1000
percpu_usage[
}
throttling_data{
periods cpu cpu.stat nr_periods 1 cpu.stat nr_periods 1
throttled_periods cpu cpu.stat nr_throttled 1 cpu.stat nr_throttled 1
throttled_time cpu cpu.stat throttled_time 1 cpu.stat throttled_usec 1000
}
throlling_data{
periods cpu cpu.stat nr_periods 1 cpu.stat nr_periods 1
throttled_periods cpu cpu.stat nr_throttled 1 cpu.stat nr_throttled 1
throttled_time cpu cpu.stat throttled_time 1 cpu.stat throttled_usec 1000
}
}
memory_stats{
usage memory memory.usage_in_bytes - 1 memory.current - 1
max_usage memory memory.max_usage_in_bytes - 1 memory.peak - 1
limit memory memory.limit_in_bytes - 1 memory.max - 1
failcnt memory memory.failcnt - 1 memory.events max 1
stats{
}
}
blkio_stats{
}
pids_stats{
current pids pids.current - 1 pids.current - 1
limit pids pids.max - 1 pids.max - 1
}";

/// Where in a sample a number is: nanoseconds of CPU time.
pub const TOTAL_USAGE: usize = 0;
/// Bytes in use.
pub const MEMORY: usize = 9;
/// Most bytes that were ever in use.
pub const MEMORY_MAX: usize = 10;
/// Bytes that may be in use.
pub const MEMORY_LIMIT: usize = 11;
/// Processes.
pub const PIDS: usize = 13;
/// Processes that there may be.
pub const PIDS_LIMIT: usize = 14;
/// Numbers in the table.
const NUMBERS: usize = 15;

/// Lists of v1, as keys without "_recursive" and files without what surrounds it: "blkio.io_merged_recursive".
const BLKIO: &[u8] =
    b"io_service_bytes io_service_bytes io_serviced io_serviced io_serviced! io_serviced \
    io_queue io_queued \
    io_service_time io_service_time io_wait_time io_wait_time io_merged io_merged io_time time \
    sectors sectors";

/// Of those, the two that v2 has, with the words of io.stat.
const IO: &[u8] = b"\
io_service_bytes rbytes Read wbytes Write dbytes Discard
io_serviced rios Read wios Write dios Discard
io_serviced! rios Read wios Write dios Discard";

/// All numbers at one moment. `None`: this host does not tell, or there is no limit.
pub type Sample = [Option<u64>; NUMBERS];

/// Reads the numbers.
pub fn sample(groups: &Groups) -> Result<Sample> {
    let mut sample = Sample::default();
    let lines = split_by(TOLD, b'\n').filter(|line| line.contains(&b' '));
    for (number, line) in sample.iter_mut().zip(lines) {
        let mut words = split_by(line, b' ').skip(1);
        let subsystem = Subsystems::parse(words.next().unwrap_or(b"")).iter().next();
        let Some(group) = subsystem.and_then(|subsystem| groups.of(subsystem)) else { continue };
        let mut words = words.skip(if group.version == Version::V1 { 0 } else { 3 });
        let mut word = || words.next().unwrap_or(b"");
        let (file, start, factor) = (word(), word(), word());
        let start = if start == b"-" { b"" } else { start };
        each_line(group, text(Some(file)), &mut |line| {
            let rest = line.strip_prefix(start).unwrap_or(b"x");
            // "max", and v1's largest number of pages, are no limit.
            let found = decimal(rest.trim_ascii_start()).filter(|n| *n < 1 << 62);
            let factor = decimal(factor).unwrap_or(1);
            *number = number.or(found.map(|n| n.saturating_mul(factor)));
        })?;
    }
    Ok(sample)
}

/// Writes the members of `cgroup_stats`.
pub fn write(groups: &Groups, sample: &Sample, json: &mut Json) -> Result<()> {
    let mut numbers = sample.iter();
    for line in split_by(TOLD, b'\n') {
        let key = text(split_by(line, b' ').next());
        if line == b"}" {
            json.close();
        } else if line == b"percpu_usage[" {
            percpu(groups, json)?;
        } else if let Some(key) = key.strip_suffix('{') {
            json.begin(key, '{');
            match key {
                "stats" => memory(groups, json)?,
                "blkio_stats" => groups.of(Blkio).map_or(Ok(()), |group| blkio(group, json))?,
                _ => {}
            }
        } else if let Some(Some(number)) = numbers.next() {
            json.unsigned(key, *number);
        }
    }
    groups.unified().map_or(Ok(()), |group| pressure(group, json))
}

/// All that the kernel tells of memory.
fn memory(groups: &Groups, json: &mut Json) -> Result<()> {
    let Some(group) = groups.of(Memory) else { return Ok(()) };
    each_line(group, "memory.stat", &mut |line| {
        if let Some((key, number)) = pair(line, b' ') {
            json.unsigned(key, number);
        }
    })
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
        for list in split_by(IO, b'\n') {
            let mut words = split_by(list, b' ');
            begin_list(text(words.next()), json);
            each_line(group, "io.stat", &mut |line| {
                let mut fields = split_by(line, b' ');
                let device = fields.next().unwrap_or(b"");
                for (word, number) in fields.filter_map(|field| pair(field, b'=')) {
                    let mut words = words.clone();
                    if words.any(|known| known == word.as_bytes()) {
                        entry(device, text(words.next()), number, json);
                    }
                }
            })?;
            json.close();
        }
        return Ok(());
    }
    let mut words = split_by(BLKIO, b' ');
    while let (Some(key), file @ Some(_)) = (words.next(), words.next()) {
        let file = text(file);
        begin_list(text(Some(key)), json);
        // CFQ's until Linux 5.0; BFQ's where that is the scheduler; those of the throttling layer.
        for form in &["", "bfq.", "throttle."] {
            let name = Short::<64>::new(format_args!("blkio.{form}{file}_recursive"));
            let mut any = false;
            each_line(group, name.as_str(), &mut |line| {
                let mut fields = split_by(line, b' ');
                let (device, last) = (fields.next().unwrap_or(b""), fields.next().unwrap_or(b""));
                let (op, number) = match fields.next() {
                    Some(number) => (text(Some(last)), number),
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

/// "io_serviced!" is "io_serviced_recusrive": so libcontainer 1.2.0 spelt it.
fn begin_list(key: &str, json: &mut Json) {
    let (key, end) = match key.strip_suffix('!') {
        Some(key) => (key, "recusrive"),
        None => (key, "recursive"),
    };
    json.begin(Short::<40>::new(format_args!("{key}_{end}")).as_str(), '[');
}

/// What one kind of request did to one device: "8:0".
fn entry(device: &[u8], op: &str, number: u64, json: &mut Json) {
    let mut numbers = split_by(device, b':').map(|n| decimal(n).unwrap_or(0));
    json.open('{', false);
    json.unsigned("major", numbers.next().unwrap_or(0));
    json.unsigned("minor", numbers.next().unwrap_or(0));
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
        &[("cpu", "cpu.pressure"), ("memory", "memory.pressure"), ("io", "io.pressure")]
    {
        json.begin(name, '{');
        each_line(group, file, &mut |line| {
            let mut fields = split_by(line, b' ');
            json.begin(text(fields.next()), '{');
            for field in fields {
                let mut parts = split_by(field, b'=');
                if let (key, value @ Some(_)) = (parts.next(), parts.next()) {
                    json.key(text(key));
                    json.raw(format_args!("{}", text(value)));
                }
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
            // The first error of the writer is told by its end.
            let _ = to.write_str(text(split_by(rest, b' ').next()));
        }
    })
}

/// "key 7", "key=7".
fn pair(text: &[u8], at: u8) -> Option<(&str, u64)> {
    let mut parts = split_by(text, at);
    Some((self::text(parts.next()), decimal(parts.next()?)?))
}

/// A word of the kernel's, which writes ASCII; "" for none.
fn text(word: Option<&[u8]>) -> &str {
    core::str::from_utf8(word.unwrap_or(b"")).unwrap_or("")
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
        Err(errno) => Err(errno).doing("read a file of control group", group.dir.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_its_numbers_are_where_they_are_looked_for() {
        let lines: Vec<Vec<&[u8]>> =
            split_by(TOLD, b'\n').map(|line| split_by(line, b' ').collect()).collect();
        let numbers: Vec<_> = lines.iter().filter(|line| line.len() > 1).collect();
        assert_eq!(numbers.len(), NUMBERS);
        for line in &numbers {
            assert_eq!((line.len(), Subsystems::parse(line[1]).iter().count()), (8, 1), "{line:?}");
            assert!(decimal(line[4]).is_some() && decimal(line[7]).is_some(), "{line:?}");
        }
        for (at, file) in [
            (TOTAL_USAGE, "cpuacct.usage"),
            (MEMORY, "memory.usage_in_bytes"),
            (MEMORY_MAX, "memory.max_usage_in_bytes"),
            (MEMORY_LIMIT, "memory.limit_in_bytes"),
            (PIDS, "pids.current"),
            (PIDS_LIMIT, "pids.max"),
        ] {
            assert_eq!(numbers[at][2], file.as_bytes());
        }
        let open = TOLD.iter().filter(|byte| **byte == b'{').count();
        assert_eq!(open, TOLD.iter().filter(|byte| **byte == b'}').count());
        assert_eq!(split_by(BLKIO, b' ').count(), 18);
    }
}
