/* Offsets of struct members, from the running kernel's BTF: arguments of kprobes. */
#include "lab.h"

struct bt {
	uint32_t name, info, sz;
};
static unsigned char *bb;
static uint32_t *bidx;
static uint32_t bn;
static const char *bstr;
static struct bt *T(uint32_t i)
{
	return (struct bt *)(bb + bidx[i]);
}

static int K(struct bt *t)
{
	return t->info >> 24 & 31;
}

static uint32_t bstrip(uint32_t i)
{
	for (;;) {
		int k = K(T(i));
		if (k == 8 || k == 9 || k == 10 || k == 11 || k == 18)
			i = T(i)->sz;
		else
			return i;
	}
}

static long bmem(uint32_t ti, const char *nm, uint32_t *out)
{
	struct bt *t = T(ti);
	struct {
		uint32_t n, ty, off;
	} *m = (void *)(t + 1);
	int v = t->info & 0xffff;
	for (int i = 0; i < v; i++) {
		long o = t->info >> 31 ? m[i].off & 0xffffff : m[i].off;
		const char *s = bstr + m[i].n;
		uint32_t st = bstrip(m[i].ty);
		if (!strcmp(s, nm)) {
			*out = st;
			return o;
		}
		if (!*s && (K(T(st)) == 4 || K(T(st)) == 5)) {
			long r = bmem(st, nm, out);
			if (r >= 0)
				return o + r;
		}
	}
	return -1;
}

int btf(int argc, char **argv)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		die("btf");
	unsigned char *f = malloc(st.st_size);
	size_t got = 0;
	ssize_t r;
	while ((r = read(fd, f + got, st.st_size - got)) > 0)
		got += r;
	uint32_t *h = (uint32_t *)f, hl = h[1], to = h[2], tl = h[3], so = h[4];
	bb = f + hl + to;
	bstr = (char *)f + hl + so;
	bidx = malloc(4 * (tl / 12 + 2));
	bn = 1;
	for (uint32_t p = 0; p < tl;) {
		struct bt *t = (struct bt *)(bb + p);
		int k = K(t), v = t->info & 0xffff;
		bidx[bn++] = p;
		p += 12;
		p += k == 1 || k == 14 || k == 17             ? 4
		     : k == 3                                 ? 12
		     : k == 4 || k == 5 || k == 15 || k == 19 ? 12 * v
		     : k == 6 || k == 13                      ? 8 * v
		                                              : 0;
	}
	for (int a = 0; a < argc; a++) {
		char b[200], *sp, *w;
		snprintf(b, 200, "%s", argv[a]);
		w = strtok_r(b, ".", &sp);
		long o = 0;
		uint32_t ti = 0;
		for (uint32_t i = 1; i < bn; i++)
			if (K(T(i)) == 4 && (T(i)->info & 0xffff) && !strcmp(bstr + T(i)->name, w)) {
				ti = i;
				break;
			}
		if (!ti)
			o = -1;
		while (o >= 0 && (w = strtok_r(0, ".", &sp))) {
			long x = bmem(ti, w, &ti);
			o = x < 0 ? -1 : o + x;
		}
		printf("%ld\n", o < 0 ? -1 : o / 8);
	}
	return 0;
}
