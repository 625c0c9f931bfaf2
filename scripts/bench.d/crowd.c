/* Many of one command at once, on two CPUs.
 *
 *     crowd COUNT PROGRAM WORD…
 *
 * starts COUNT processes of PROGRAM, one right after the other, and waits for all of them. A "@" at the end
 * of a word is the process's number, from 0 on. Ends with 1 if one of them did not end with 0. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 64, LONGEST = 512, CPUS = 2 };

/* The first two of those that this process may use. */
static void take_two_cpus(void)
{
	cpu_set_t all, two;
	int taken = 0;

	CPU_ZERO(&two);
	if (sched_getaffinity(0, sizeof all, &all) < 0)
		exit(125);
	for (int cpu = 0; cpu < CPU_SETSIZE && taken < CPUS; cpu++) {
		if (CPU_ISSET(cpu, &all)) {
			CPU_SET(cpu, &two);
			taken++;
		}
	}
	if (sched_setaffinity(0, sizeof two, &two) < 0)
		exit(125);
}

static pid_t start(char **words, int number)
{
	static char texts[WORDS][LONGEST];
	static char *command[WORDS + 1];
	int count = 0;

	for (; words[count]; count++) {
		size_t length = strlen(words[count]);

		if (count == WORDS || length >= LONGEST - 16)
			exit(125);
		strcpy(texts[count], words[count]);
		if (length > 0 && words[count][length - 1] == '@')
			sprintf(texts[count] + length - 1, "%d", number);
		command[count] = texts[count];
	}
	command[count] = NULL;

	pid_t pid = vfork();

	if (pid == 0) {
		execvp(command[0], command);
		_exit(125);
	}
	return pid;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 125;

	int count = atoi(argv[1]), failed = 0, status;

	take_two_cpus();
	for (int number = 0; number < count; number++)
		if (start(argv + 2, number) < 0)
			failed = 1;
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}
