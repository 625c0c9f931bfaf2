/* The floor: the kernel calls of a container of sample_configs/minimal.json (without a terminal),
 * in a straight line, each made once. No file is read, nothing is checked, no fault is told: what a
 * launcher takes beyond this is the launcher's own.
 *
 *     floor ROOT GROUP HIERARCHY,… COMMAND…
 *
 * GROUP is the name of the control group that is made in each hierarchy, which are directories of version 1. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(call) \
	do { \
		if ((call) < 0) { \
			perror(#call); \
			_exit(125); \
		} \
	} while (0)

enum { HIERARCHIES = 16 };
static char *hierarchies[HIERARCHIES + 1];

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	MUST(fd);
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void copy(const char *from, const char *to)
{
	char text[256];
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	MUST(fd);
	ssize_t n = read(fd, text, sizeof text - 1);
	MUST(n);
	close(fd);
	text[n] = 0;
	put(to, text);
}

static void cpuset(const char *hierarchy, const char *name, const char *file)
{
	char from[512], to[512];

	snprintf(from, sizeof from, "%s/%s", hierarchy, file);
	snprintf(to, sizeof to, "%s/%s/%s", hierarchy, name, file);
	copy(from, to);
}

static void devices(const char *hierarchy, const char *name)
{
	static const char *rules[] = { "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm",
				       "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm" };
	char path[512];

	snprintf(path, sizeof path, "%s/%s/devices.deny", hierarchy, name);
	put(path, "a");
	snprintf(path, sizeof path, "%s/%s/devices.allow", hierarchy, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)
		MUST(write(fd, rules[i], strlen(rules[i])));
	close(fd);
}

static void cgroups(const char *name)
{
	char path[512];

	for (char **hierarchy = hierarchies; *hierarchy; hierarchy++) {
		snprintf(path, sizeof path, "%s/%s", *hierarchy, name);
		MUST(mkdir(path, 0755));
		if (strstr(*hierarchy, "cpuset")) {
			cpuset(*hierarchy, name, "cpuset.cpus");
			cpuset(*hierarchy, name, "cpuset.mems");
		}
		if (strstr(*hierarchy, "devices"))
			devices(*hierarchy, name);
		/* A thread that moves itself by "tasks" spares the kernel a grace period of RCU, which
		 * "cgroup.procs" costs. */
		snprintf(path, sizeof path, "%s/%s/tasks", *hierarchy, name);
		put(path, "0");
	}
}

static void node(int dev, const char *name, int major_number, int minor_number)
{
	MUST(mknodat(dev, name, S_IFCHR | 0666, makedev(major_number, minor_number)));
}

static void root(const char *dir)
{
	MUST(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
	MUST(mount(dir, dir, NULL, MS_BIND | MS_REC, NULL));
	MUST(chdir(dir));
	MUST(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755"));
	MUST(mkdir("dev/shm", 01777));
	MUST(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k"));
	MUST(mkdir("dev/pts", 0755));
	MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"));
	MUST(mkdir("dev/mqueue", 0755));
	MUST(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	MUST(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL));
	int dev = open("dev", O_PATH | O_CLOEXEC);
	MUST(dev);
	umask(0);
	node(dev, "null", 1, 3);
	node(dev, "zero", 1, 5);
	node(dev, "full", 1, 7);
	node(dev, "tty", 5, 0);
	node(dev, "random", 1, 8);
	node(dev, "urandom", 1, 9);
	MUST(symlinkat("pts/ptmx", dev, "ptmx"));
	MUST(symlinkat("/proc/self/fd", dev, "fd"));
	MUST(symlinkat("/proc/self/fd/0", dev, "stdin"));
	MUST(symlinkat("/proc/self/fd/1", dev, "stdout"));
	MUST(symlinkat("/proc/self/fd/2", dev, "stderr"));
	close(dev);
	umask(022);
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/"));

	static const char *read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					   "/proc/sysrq-trigger" };
	static const char *files[] = { "/proc/interrupts", "/proc/kcore", "/proc/keys",
				       "/proc/timer_list" };
	static const char *directories[] = { "/proc/acpi", "/proc/scsi", "/sys/firmware",
					     "/sys/devices/virtual/powercap" };
	for (unsigned i = 0; i < sizeof read_only / sizeof *read_only; i++)
		if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			MUST(mount(NULL, read_only[i], NULL,
				   MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
		mount("/dev/null", files[i], NULL, MS_BIND, NULL);
	for (unsigned i = 0; i < sizeof directories / sizeof *directories; i++)
		mount("tmpfs", directories[i], "tmpfs", MS_RDONLY, "nr_blocks=1,nr_inodes=1");
}

static void loopback(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	MUST(fd);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	MUST(ioctl(fd, SIOCSIFFLAGS, &request));
	close(fd);
}

static void capabilities(unsigned long kept)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { kept, kept, 0 }, { kept >> 32, kept >> 32, 0 } };
	MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	for (int c = 0; c <= 40; c++)
		if (!(kept >> c & 1))
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	MUST(syscall(SYS_capset, &head, data));
}

static void workload(char **command)
{
	static char *environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				       "HOSTNAME=minimal", "TERM=xterm", "HOME=/root", NULL };
	setsid();
	MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	MUST(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC));
	MUST(syscall(SYS_setgroups, 0, NULL));
	MUST(syscall(SYS_setresgid, 0, 0, 0));
	MUST(syscall(SYS_setresuid, 0, 0, 0));
	capabilities(0x880425fb);
	execve(command[0], command, environment);
	_exit(127);
}

static void container(const char *dir, const char *cgroup, int sync, char **command)
{
	int status;
	setsid();
	MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
	cgroups(cgroup);
	MUST(sethostname("minimal", 7));
	loopback();
	root(dir);
	/* The launcher's state file is written by now. */
	char byte;
	MUST(read(sync, &byte, 1));
	pid_t pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	MUST(pid);
	if (pid == 0)
		workload(command);
	capabilities(1 << CAP_KILL);
	MUST(syscall(SYS_close_range, 0, ~0U, 0));
	while (waitpid(pid, &status, 0) < 0)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 125;
	int pair[2], status, count = 0;
	for (char *path = strtok(argv[3], ","); path && count < HIERARCHIES; path = strtok(NULL, ","))
		hierarchies[count++] = path;
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	struct clone_args args = { .flags = CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS,
				   .exit_signal = SIGCHLD };
	pid_t pid = syscall(SYS_clone3, &args, sizeof args);
	MUST(pid);
	if (pid == 0)
		container(argv[1], argv[2], pair[0], argv + 4);
	close(pair[0]);

	char text[512], file[64];
	snprintf(file, sizeof file, "/proc/%d/stat", pid);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	MUST(read(fd, text, sizeof text));
	close(fd);
	int dir = open(argv[1], O_PATH | O_CLOEXEC);
	fd = openat(dir, "state.json.tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	MUST(fd);
	MUST(write(fd, text, 100));
	close(fd);
	MUST(renameat(dir, "state.json.tmp", dir, "state.json"));
	MUST(write(pair[1], "x", 1));

	MUST(waitpid(pid, &status, 0));
	MUST(unlinkat(dir, "state.json", 0));
	for (char **hierarchy = hierarchies; *hierarchy; hierarchy++) {
		snprintf(text, sizeof text, "%s/%s", *hierarchy, argv[2]);
		MUST(rmdir(text));
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
