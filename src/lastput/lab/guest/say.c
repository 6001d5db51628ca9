/* What every experiment needs: markers in the trace, files, time, CPUs. */
#include "lab.h"

static int marker = -1;
void say(const char *f, ...)
{
	char b[400];
	va_list ap;
	int n;
	if (marker < 0)
		marker = open("/sys/kernel/tracing/trace_marker", O_WRONLY | O_CLOEXEC);
	n = snprintf(b, sizeof b, "LAB: ");
	va_start(ap, f);
	n += vsnprintf(b + n, sizeof b - n - 2, f, ap);
	va_end(ap);
	if (n > (int)sizeof b - 2)
		n = sizeof b - 2;
	b[n++] = '\n';
	ssize_t traced = write(marker, b, n); /* fails while tracing is off */
	ssize_t logged = write(1, b, n);
	(void)traced, (void)logged;
}

void die(const char *w)
{
	say("FATAL %s: %s", w, strerror(errno));
	_exit(99);
}

void sleep_ms(int n)
{
	struct timespec t = {n / 1000, (n % 1000) * 1000000L};
	nanosleep(&t, 0);
}

const char *result(long r)
{
	static char b[4][64];
	static int i;
	char *p = b[i++ & 3];
	if (r < 0)
		snprintf(p, 64, "-1 errno=%d (%s)", errno, strerrorname_np(errno) ?: "?");
	else
		snprintf(p, 64, "%ld", r);
	return p;
}

void pin(int cpu)
{
	cpu_set_t s;
	CPU_ZERO(&s);
	CPU_SET(cpu, &s);
	sched_setaffinity(0, sizeof s, &s);
}

int put(const char *p, const char *v)
{
	int fd = open(p, O_WRONLY | O_CLOEXEC), r;
	if (fd < 0)
		return -1;
	r = write(fd, v, strlen(v));
	int e = errno;
	close(fd);
	errno = e;
	return r;
}

void tracing(int on)
{
	put("/sys/kernel/tracing/tracing_on", on ? "1" : "0");
}

volatile int *shared(void)
{
	void *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("shared");
	return p;
}

char *slurp(const char *p, size_t *n)
{
	int fd = open(p, O_RDONLY);
	size_t cap = 1 << 20, len = 0;
	char *b = malloc(cap);
	ssize_t r;
	if (fd < 0)
		die(p);
	while ((r = read(fd, b + len, cap - len - 1)) > 0) {
		len += r;
		if (cap - len < 65536)
			b = realloc(b, cap *= 2);
	}
	b[len] = 0;
	close(fd);
	if (n)
		*n = len;
	return b;
}
