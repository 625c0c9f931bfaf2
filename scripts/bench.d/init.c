/* What an init costs.
 *
 *     init start ROUNDS COMMAND… [; COMMAND…]…
 *
 * runs the commands in turn, each to its end, and prints a line of nanoseconds per round. vfork and
 * execve from a small process: the caller's own size is in no figure.
 *
 *     init storm COUNT
 *
 * runs under the init that is measured: COUNT processes end, one by one, below a parent that does
 * not wait for them; then that parent ends, and all of them are the init's at once. Prints the
 * nanoseconds until the last of them is gone, and those that the init was on a CPU meanwhile, which
 * say more on a busy machine.
 *
 *     init nothing
 *
 * exits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS = 8 };

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(125);
}

static long long run(char **command)
{
	long long begin = now();
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execv(command[0], command);
		_exit(125);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die(command[0]);
	if (status != 0) {
		fprintf(stderr, "%s: status %#x\n", command[0], status);
		exit(125);
	}
	return now() - begin;
}

static void start(int rounds, char **words)
{
	char **commands[COMMANDS];
	int count = 0, warm = 20;

	while (*words) {
		if (count == COMMANDS)
			exit(125);
		commands[count++] = words;
		while (*words && strcmp(*words, ";"))
			words++;
		if (*words)
			*words++ = NULL;
	}
	for (int round = -warm; round < rounds; round++) {
		long long took[COMMANDS];

		/* Each of them comes after each other. */
		for (int i = 0; i < count; i++) {
			int turn = (round + warm + i) % count;

			took[turn] = run(commands[turn]);
		}
		for (int i = 0; i < count && round >= 0; i++)
			printf("%lld%c", took[i], i + 1 < count ? ' ' : '\n');
	}
}

/* Nanoseconds that our parent has been on a CPU. */
static long long cpu_of_init(void)
{
	char path[64];
	long long spent;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", getppid());
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lld", &spent) != 1)
		die(path);
	fclose(f);
	return spent;
}

static void storm(int count)
{
	pid_t *pids = malloc(sizeof(*pids) * count);
	long long begin, spent;
	int told[2], rest = count;
	pid_t parent;

	if (!pids || pipe(told) < 0)
		die("storm");
	parent = fork();
	if (parent < 0)
		die("fork");
	if (parent == 0) {
		for (int i = 0; i < count; i++) {
			siginfo_t info;
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			if (pid < 0 || waitid(P_PID, pid, &info, WEXITED | WNOWAIT) < 0)
				die("fork");
			if (write(told[1], &pid, sizeof(pid)) != sizeof(pid))
				die("write");
		}
		pause();
	}
	for (int i = 0; i < count; i++)
		if (read(told[0], &pids[i], sizeof(*pids)) != sizeof(*pids))
			die("read");
	spent = cpu_of_init();
	begin = now();
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	/* Asked seldom: each question takes time from the init. */
	for (struct timespec pause = { 0, 100000 }; rest > 0; nanosleep(&pause, NULL))
		while (rest > 0 && kill(pids[rest - 1], 0) < 0 && errno == ESRCH)
			rest--;
	begin = now() - begin;
	printf("%lld %lld\n", begin, cpu_of_init() - spent);
}

int main(int argc, char **argv)
{
	if (argc >= 4 && !strcmp(argv[1], "start"))
		start(atoi(argv[2]), argv + 3);
	else if (argc == 3 && !strcmp(argv[1], "storm"))
		storm(atoi(argv[2]));
	else
		return argc == 2 && !strcmp(argv[1], "nothing") ? 0 : 125;
	return 0;
}
