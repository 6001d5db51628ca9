/* The experiments of the capture lab, one a subcommand; `run NAME` traces one. */
#include "lab.h"

static const struct {
	const char *name;
	experiment *perform;
} EXPERIMENTS[] = {
	{"a1", a1}, {"a2", a2}, {"a3", a3}, {"a4", a4}, {"a5", a5}, {"a6", a6}, {"a7", a7},
	{"b1", b1}, {"b2", b2}, {"b3", b3}, {"b4", b4}, {"b5", b5}, {"b6", b6}, {"b7", b7},
	{"b8", b8}, {"b9", b9}, {"c1", c1}, {"c2", c2}, {"c3", c3}, {"c5", c5}, {"c6", c6},
	{"c8", c8}, {"d1", d1}, {"d2", d2}, {"d3", d3}, {"d4", d4}, {"d5", d5}, {"d6", d6},
	{"d7", d7},
};

#define NO_HOLD 98	/* exit status when a hold cannot be attached */
#define TOO_LONG 124

static int nop(void)
{
	say("nop: new image after exec");
	sleep_ms(100);
	say("nop exits");
	return 0;
}

static int postexec(char **argv)
{
	say("postexec: same pid %d, new mm", getpid());
	sleep_ms(100);
	probe_fds("postexec", atoi(argv[0]), atoi(argv[1]));
	say("postexec: exit with fds open");
	_exit(0);
}

static int perform(const char *name, int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof EXPERIMENTS / sizeof *EXPERIMENTS; i++)
		if (!strcmp(name, EXPERIMENTS[i].name))
			return EXPERIMENTS[i].perform(argc, argv);
	/* what experiments execute */
	if (!strcmp(name, "nop"))
		return nop();
	if (!strcmp(name, "postexec") && argc == 2)
		return postexec(argv);
	/* what guest.sh needs */
	if (!strcmp(name, "btf"))
		return btf(argc, argv);
	if (!strcmp(name, "mkfilter"))
		return mkfilter(argc, argv);
	fprintf(stderr, "unknown %s\n", name);
	return 2;
}

/* LAB_MEET, specifications with spaces between them: whether all could be attached. */
static int attach_holds(void)
{
	char *asked = getenv("LAB_MEET"), *rest;
	if (!asked)
		return 1;
	char specs[256];
	snprintf(specs, sizeof specs, "%s", asked);
	for (char *spec = strtok_r(specs, " ", &rest); spec; spec = strtok_r(0, " ", &rest))
		if (!hold_until(spec))
			return 0;
	return 1;
}

/* Waits for the experiment and all its orphans, at most `limit` seconds; the experiment's exit status. */
static int wait_for_all(pid_t first, int limit)
{
	int status = 0, rc = -1;
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		pid_t p = waitpid(-1, &status, WNOHANG);
		if (p < 0)
			return rc;
		if (p == first)
			rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (!p)
			sleep_ms(3);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > limit) {
			say("TIME LIMIT");
			kill(first, SIGKILL);
			return TOO_LONG;
		}
	}
}

/* run NAME...: tracing on around one experiment, no shell in between. The last line tells a whole trace. */
static int run(int argc, char **argv)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!attach_holds())
		return NO_HOLD;
	say("warm");	/* what the first marker needs is not traced */
	put("/sys/kernel/tracing/trace", "");
	tracing(1);
	pid_t first = fork();
	if (!first) {
		signal(SIGCHLD, SIG_DFL);
		_exit(perform(argv[0], argc - 1, argv + 1));
	}
	int rc = wait_for_all(first, 40);
	sleep_ms(60);
	say("end");
	tracing(0);
	return rc;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, 0, _IONBF, 0);
	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "run") && argc > 2)
		return run(argc - 2, argv + 2);
	return perform(argv[1], argc - 2, argv + 2);
}
