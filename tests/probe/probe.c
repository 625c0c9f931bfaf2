/* What the tests want to see from inside a container and BusyBox can't show. One static program,
 * one sub-command each; tests/it/world.rs builds it. Answers are lines on standard output. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *name_of(int error)
{
	return error ? strerrorname_np(error) : "ok";
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Every open descriptor and what it is. */
static int fds(void)
{
	for (int fd = 0; fd < 4096; fd++) {
		char link[64], target[PATH_MAX] = "?";
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, target, sizeof target - 1);
		if (n >= 0)
			target[n] = 0;
		printf("%d %s\n", fd, target);
	}
	return 0;
}

/* The process attributes that execve keeps. */
static int attributes(void)
{
	int pdeathsig = 0;
	prctl(PR_GET_PDEATHSIG, &pdeathsig);
	printf("pid %d\nppid %d\nsid %d\npgid %d\n", getpid(), getppid(), getsid(0), getpgrp());
	printf("pdeathsig %d\n", pdeathsig);
	printf("no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	printf("subreaper ");
	int subreaper = 0;
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	printf("%d\n", subreaper);
	printf("umask %03o\n", umask(0));
	for (int s = 1; s <= 64; s++) {
		struct sigaction sa;
		sigset_t set;
		if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL)
			printf("ignored %d\n", s);
		sigprocmask(SIG_BLOCK, NULL, &set);
		if (sigismember(&set, s) == 1)
			printf("blocked %d\n", s);
	}
	printf("keyring %ld\n", syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3 /* session */, 0));
	printf("tty %s\n", open("/dev/tty", O_RDWR) < 0 ? name_of(errno) : "ok");
	return 0;
}

static int rlimits(void)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit r;
		getrlimit(i, &r);
		printf("%d %lld %lld\n", i, (long long)r.rlim_cur, (long long)r.rlim_max);
	}
	return 0;
}

/* Tries to type into a terminal that is not ours. */
static int tiocsti(void)
{
	char c = 'x', linux_request = 2;
	for (int fd = 0; fd < 3; fd++) {
		int e = ioctl(fd, TIOCSTI, &c) < 0 ? errno : 0;
		printf("TIOCSTI %d %s\n", fd, name_of(e));
		e = ioctl(fd, TIOCLINUX, &linux_request) < 0 ? errno : 0;
		printf("TIOCLINUX %d %s\n", fd, name_of(e));
		e = ioctl(fd, TIOCSCTTY, 1) < 0 ? errno : 0;
		printf("TIOCSCTTY %d %s\n", fd, name_of(e));
	}
	return 0;
}

/* open(2) with the words of `how`: r, w, t (truncate). */
static int open_as(const char *path, const char *how)
{
	int flags = strchr(how, 'w') ? O_WRONLY : O_RDONLY;
	if (strchr(how, 't'))
		flags |= O_TRUNC;
	int fd = open(path, flags);
	printf("open %s %s: %s\n", path, how, name_of(fd < 0 ? errno : 0));
	return 0;
}

/* Writes to a program file for `seconds`, whenever the kernel lets it: what a container's root
 * would do to the nsinit of the host. Finds it as the executable of every process it sees. */
static int overwrite(double seconds)
{
	double end = now() + seconds;
	int seen = 0, wrote = 0, held[256], holds = 0;
	while (now() < end) {
		DIR *proc = opendir("/proc");
		struct dirent *d;
		while (proc && (d = readdir(proc))) {
			char path[300], fdpath[64];
			int pid = atoi(d->d_name);
			if (pid <= 0 || pid == getpid())
				continue;
			snprintf(path, sizeof path, "/proc/%d/exe", pid);
			int w = open(path, O_WRONLY);
			if (w >= 0) {
				wrote += write(w, "X", 1) == 1;
				close(w);
			}
			int r = open(path, O_RDONLY);
			if (r < 0)
				continue;
			seen++;
			snprintf(fdpath, sizeof fdpath, "/proc/self/fd/%d", r);
			w = open(fdpath, O_WRONLY);
			if (w >= 0) {
				wrote += write(w, "X", 1) == 1;
				close(w);
			}
			if (holds < 256)
				held[holds++] = r;
			else
				close(r);
		}
		if (proc)
			closedir(proc);
		/* Once the process is gone, ETXTBSY is gone as well. */
		for (int i = 0; i < holds; i++) {
			char fdpath[64];
			snprintf(fdpath, sizeof fdpath, "/proc/self/fd/%d", held[i]);
			int w = open(fdpath, O_WRONLY);
			if (w >= 0) {
				wrote += write(w, "X", 1) == 1;
				close(w);
			}
		}
	}
	printf("seen %d\nwrote %d\n", seen > 0, wrote);
	return 0;
}

/* Looks at the descriptors of everything that enters the container, and tries to stop it. */
static int spy(double seconds)
{
	double end = now() + seconds;
	int leaks = 0, traced = 0, looked = 0;
	while (now() < end) {
		DIR *proc = opendir("/proc");
		struct dirent *d;
		while (proc && (d = readdir(proc))) {
			char path[300], target[PATH_MAX];
			int pid = atoi(d->d_name);
			if (pid <= 1 || pid == getpid())
				continue;
			looked++;
			for (int fd = 3; fd < 32; fd++) {
				snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
				ssize_t n = readlink(path, target, sizeof target - 1);
				if (n < 0)
					continue;
				target[n] = 0;
				leaks++;
				printf("leak %d %s\n", fd, target);
			}
			snprintf(path, sizeof path, "/proc/%d/exe", pid);
			ssize_t n = readlink(path, target, sizeof target - 1);
			if (n <= 0)
				continue;
			target[n] = 0;
			if (strstr(target, "nsinit") && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
				traced++;
				ptrace(PTRACE_DETACH, pid, 0, 0);
			}
		}
		if (proc)
			closedir(proc);
	}
	printf("looked %d\nleaks %d\ntraced %d\n", looked > 0, leaks, traced);
	return 0;
}

static unsigned long long status_word(const char *status, const char *key)
{
	const char *line = strstr(status, key);
	return line ? strtoull(line + strlen(key), NULL, 16) : 0;
}

/* The rights of every other process that is seen meanwhile, all of them taken together, and how many
 * have a root in which `path` is. Each is stopped by a tracer first, where that is allowed: what it has
 * is the tracer's from then on. */
static int rights(double seconds, const char *path)
{
	double end = now() + seconds;
	unsigned long long permitted = 0, bounding = 0;
	static char seen[1 << 22];
	int processes = 0, traced = 0, roots = 0, no_new_privs = 1;
	while (now() < end) {
		DIR *proc = opendir("/proc");
		struct dirent *d;
		while (proc && (d = readdir(proc))) {
			char name[PATH_MAX], status[4096];
			int pid = atoi(d->d_name);
			if (pid <= 1 || pid == getpid() || pid >= (int)sizeof seen)
				continue;
			int held = !seen[pid] && ptrace(PTRACE_SEIZE, pid, 0, 0) == 0;
			if (held)
				ptrace(PTRACE_INTERRUPT, pid, 0, 0);
			traced += held;
			snprintf(name, sizeof name, "/proc/%d/status", pid);
			int fd = open(name, O_RDONLY);
			ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof status - 1);
			close(fd);
			/* A zombie has no rights, whatever it shows. */
			if (n > 0 && !strstr((status[n] = 0, status), "State:\tZ")) {
				permitted |= status_word(status, "CapPrm:\t");
				bounding |= status_word(status, "CapBnd:\t");
				no_new_privs &= status_word(status, "NoNewPrivs:\t");
				snprintf(name, sizeof name, "/proc/%d/root%s", pid, path);
				roots += access(name, F_OK) == 0;
				processes += !seen[pid];
				seen[pid] = 1;
			}
			if (held) {
				waitpid(pid, NULL, __WALL);
				ptrace(PTRACE_DETACH, pid, 0, 0);
			}
		}
		if (proc)
			closedir(proc);
	}
	printf("processes %d\ntraced %d\npermitted %llx\nbounding %llx\nno_new_privs %d\nroots %d\n",
	       processes, traced, permitted, bounding, no_new_privs, roots);
	return 0;
}

/* Holds the lock of a directory for ever, out of reach of its session's signals. */
static int hold(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		return 1;
	setsid();
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}

/* Swaps two names as fast as it can. */
static int flip(const char *a, const char *b, double seconds)
{
	double end = now() + seconds;
	long n = 0;
	while (now() < end)
		for (int i = 0; i < 100; i++, n++)
			if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) < 0) {
				printf("flip: %s\n", name_of(errno));
				return 1;
			}
	printf("flips %ld\n", n);
	return 0;
}

static void size_line(void)
{
	struct winsize w = { 0 };
	if (ioctl(0, TIOCGWINSZ, &w) < 0)
		printf("size %s\n", name_of(errno));
	else
		printf("size %d %d\n", w.ws_row, w.ws_col);
	fflush(stdout);
}

/* The window's size at once, and after the first SIGWINCH. */
static int winsize(int follow)
{
	sigset_t set;
	int s;
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	size_line();
	if (follow) {
		sigwait(&set, &s);
		size_line();
	}
	return 0;
}

/* Prints every signal that arrives, with its payload; ends at the one given. */
static int signals(int last)
{
	sigset_t set;
	siginfo_t info;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	puts("ready");
	fflush(stdout);
	do {
		if (sigwaitinfo(&set, &info) < 0)
			continue;
		printf("signal %d code %d value %d\n", info.si_signo, info.si_code,
		       info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
		fflush(stdout);
	} while (info.si_signo != last);
	return 0;
}

/* The same, while a child holds the lock of the pipe that is standard error: it splices from a socket on which
 * nothing comes. */
static int lock_stderr(int last)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 1;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		splice(pair[0], NULL, 2, NULL, 1 << 16, 0);
		return 0;
	}
	/* That it sleeps there can't be seen without a race: it has time. */
	usleep(300000);
	return signals(last);
}

/* A sibling: a child of this process's parent (CLONE_PARENT), that ends at once; so many of them. */
static int siblings(int n)
{
	while (n-- > 0) {
		long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (pid < 0)
			return 1;
		if (pid == 0)
			syscall(SYS_exit_group, 9);
	}
	return 0;
}

/* Lets its parent trace it, and stops. */
static int traceme(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	puts("ready");
	fflush(stdout);
	raise(SIGSTOP);
	return 0;
}

/* Descriptors, and then no end: for tests that look at it from outside. */
static int fds_and_wait(void)
{
	fds();
	puts("end of list");
	fflush(stdout);
	for (;;)
		pause();
}

/* One datagram to the socket of NOTIFY_SOCKET, as sd_notify(3) sends it. */
static int notify(const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path)
		return 1;
	strncpy(to.sun_path, path, sizeof to.sun_path - 1);
	return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to) < 0;
}

static void *wait_for_ever(void *nothing)
{
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
	return nothing;
}

/* A process whose main thread ends, and another does not. */
static int leaderless(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, wait_for_ever, NULL);
	syscall(SYS_exit, 0);
	return 0;
}

/* A child that has ended, and that another child traces and does not wait for. */
static int traced(void)
{
	int cue[2];
	pid_t zombie;
	if (pipe(cue) < 0)
		return 1;
	zombie = fork();
	if (zombie == 0) {
		char c;
		_exit(read(cue[0], &c, 1) != 1);
	}
	if (fork() == 0) {
		if (ptrace(PTRACE_SEIZE, zombie, 0, 0) < 0 || write(cue[1], "x", 1) != 1)
			_exit(1);
		wait_for_ever(NULL);
	}
	wait_for_ever(NULL);
	return 0;
}

/* Leaves `n` orphans behind, which end at once. */
static int orphans(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			if (fork() == 0)
				_exit(0);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	return 0;
}

static int touch_memory(long kib)
{
	char *p = malloc(kib * 1024);
	for (long i = 0; i < kib * 1024; i += 4096)
		p[i] = 1;
	puts("touched");
	return 0;
}

/* open(2) of a device node made on the spot: what the device cgroup says. */
static int device(const char *kind, int major_number, int minor_number)
{
	char path[] = "/tmp/probe-node";
	unlink(path);
	if (mknod(path, (*kind == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(major_number, minor_number))) {
		printf("mknod %s\n", name_of(errno));
		return 0;
	}
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	printf("open %s\n", name_of(fd < 0 ? errno : 0));
	unlink(path);
	return 0;
}

/* System calls without end, for tests that kill it. */
static int busy(double seconds)
{
	double end = now() + seconds;
	while (now() < end)
		getppid();
	return 0;
}

/* The part of the time that a loop without end gets of the processor, in percent. */
static int share(double seconds)
{
	double start = now(), used;
	while (now() < start + seconds)
		;
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	used = t.tv_sec + t.tv_nsec / 1e9;
	printf("share %d\n", (int)(used / (now() - start) * 100));
	return 0;
}

/* How many children there can be at once, and why no more. */
static int forks(int most)
{
	int n = 0, error = 0;
	pid_t pids[1000];
	while (n < most && n < 1000) {
		pid_t pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		if (pid < 0) {
			error = errno;
			break;
		}
		pids[n++] = pid;
	}
	printf("forks %d\nthen %s\n", n, name_of(error));
	while (n > 0)
		kill(pids[--n], SIGKILL);
	while (wait(NULL) > 0)
		;
	return 0;
}

static int affinity(void)
{
	cpu_set_t set;
	sched_getaffinity(0, sizeof set, &set);
	printf("affinity");
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			printf(" %d", i);
	putchar('\n');
	return 0;
}

/* Reads a block device past every cache; how long that took. */
static int read_device(const char *path, long kib)
{
	static char block[65536] __attribute__((aligned(4096)));
	int fd = open(path, O_RDONLY | O_DIRECT);
	double start = now();
	for (long i = 0; i < kib; i += sizeof block / 1024)
		if (fd < 0 || read(fd, block, sizeof block) < 0) {
			printf("read %s\n", name_of(errno));
			return 1;
		}
	printf("milliseconds %d\n", (int)((now() - start) * 1000));
	return 0;
}

/* Writes a text longer than whoever reads it takes at once, and splices from where nothing comes: the
 * pipe's lock is held from then on. */
static int hold_output(void)
{
	static char text[32768];
	int pair[2];
	memset(text, 'x', sizeof text);
	for (size_t i = 63; i < sizeof text; i += 64)
		text[i] = '\n';
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || write(1, text, sizeof text) < 0)
		return 1;
	splice(pair[0], NULL, 1, NULL, 1 << 16, 0);
	return 2;
}

/* What becomes of system calls that need no right and leave nothing: the name of each, and its error. */
static void call(const char *name, long number, long a, long b, long c, long d)
{
	errno = 0;
	printf("%s %s\n", name, name_of(syscall(number, a, b, c, d) < 0 ? errno : 0));
}

static int calls(void)
{
	call("getppid", SYS_getppid, 0, 0, 0, 0);
	call("mkdirat", SYS_mkdirat, AT_FDCWD, (long)"/tmp/made", 0700, 0);
	call("vsock", SYS_socket, 40, SOCK_DGRAM, 0, 0);
	/* The kernel's argument is an int: the upper half is dropped. */
	call("wide-vsock", SYS_socket, 1L << 32 | 40, SOCK_DGRAM, 0, 0);
	call("add_key", SYS_add_key, (long)"user", (long)"nsinit-test", (long)"x", 1);
	call("user-namespace", SYS_unshare, CLONE_NEWUSER, 0, 0, 0);
	call("personality", SYS_personality, 0x20000, 0, 0, 0);
	call("io_uring_setup", SYS_io_uring_setup, 0, 0, 0, 0);
	call("newest", 510, 0, 0, 0, 0);
	return 0;
}

int main(int argc, char **argv)
{
#define IS(n, word) (argc == (n) + 2 && !strcmp(argv[1], word))
	if (IS(0, "fds"))
		return fds();
	if (IS(0, "attributes"))
		return attributes();
	if (IS(0, "rlimits"))
		return rlimits();
	if (IS(0, "tiocsti"))
		return tiocsti();
	if (IS(2, "open"))
		return open_as(argv[2], argv[3]);
	if (IS(1, "overwrite"))
		return overwrite(atof(argv[2]));
	if (IS(1, "spy"))
		return spy(atof(argv[2]));
	if (IS(2, "rights"))
		return rights(atof(argv[2]), argv[3]);
	if (IS(1, "hold"))
		return hold(argv[2]);
	if (IS(0, "hold-output"))
		return hold_output();
	if (IS(3, "flip"))
		return flip(argv[2], argv[3], atof(argv[4]));
	if (IS(1, "winsize"))
		return winsize(atoi(argv[2]));
	if (IS(1, "signals"))
		return signals(atoi(argv[2]));
	if (IS(1, "lock-stderr"))
		return lock_stderr(atoi(argv[2]));
	if (IS(0, "traceme"))
		return traceme();
	if (IS(1, "siblings"))
		return siblings(atoi(argv[2]));
	if (IS(1, "siblings-and-wait"))
		return siblings(atoi(argv[2])) || wait_for_ever(NULL) == NULL;
	if (IS(0, "fds-and-wait"))
		return fds_and_wait();
	if (IS(1, "notify"))
		return notify(argv[2]);
	if (IS(0, "leaderless"))
		return leaderless();
	if (IS(0, "traced"))
		return traced();
	if (IS(1, "orphans"))
		return orphans(atoi(argv[2]));
	if (IS(0, "calls"))
		return calls();
	if (IS(1, "memory"))
		return touch_memory(atol(argv[2]));
	if (IS(3, "device"))
		return device(argv[2], atoi(argv[3]), atoi(argv[4]));
	if (IS(1, "busy"))
		return busy(atof(argv[2]));
	if (IS(1, "share"))
		return share(atof(argv[2]));
	if (IS(1, "forks"))
		return forks(atoi(argv[2]));
	if (IS(0, "affinity"))
		return affinity();
	if (IS(2, "read"))
		return read_device(argv[2], atol(argv[3]));
	if (IS(1, "exit"))
		return atoi(argv[2]);
	if (IS(1, "die")) {
		kill(getpid(), atoi(argv[2]));
		return 99;
	}
	fprintf(stderr, "probe: unknown sub-command\n");
	return 98;
}
