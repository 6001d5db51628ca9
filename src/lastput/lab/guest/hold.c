/* Hold a kprobe until another one was hit, or for a time: a BPF program, assembled by hand. */
#include "lab.h"

static int bpfc(int cmd, union bpf_attr *a)
{
	return syscall(SYS_bpf, cmd, a, sizeof *a);
}

#define INS(c, d, s_, o, i)                                                                                  \
	((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s_), .off = (o), .imm = (i)})
#define HALF (256 << 10) /* bytes that one turn of the hold copies, to pass time */

static int bload(struct bpf_insn *p, int n)
{
	static char log[1 << 16];
	int e0;
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.prog_type = BPF_PROG_TYPE_KPROBE;
	a.insns = (uint64_t)p;
	a.insn_cnt = n;
	a.license = (uint64_t) "GPL";
	int fd = bpfc(BPF_PROG_LOAD, &a);
	if (fd >= 0)
		return fd;
	e0 = errno;
	a.log_buf = (uint64_t)log;
	a.log_size = sizeof log;
	a.log_level = 1;
	bpfc(BPF_PROG_LOAD, &a);
	say("bpf load failed: %s", strerror(e0));
	fprintf(stderr, "%.600s\n", log);
	return -1;
}

static int battach(const char *ev, int prog)
{
	char p[128], b[32] = "";
	snprintf(p, sizeof p, "/sys/kernel/tracing/events/lab/%s/id", ev);
	int fd = open(p, O_RDONLY);
	if (fd < 0 || read(fd, b, 31) <= 0) {
		say("no event %s", ev);
		return -1;
	}
	close(fd);
	struct perf_event_attr at;
	memset(&at, 0, sizeof at);
	at.size = sizeof at;
	at.type = PERF_TYPE_TRACEPOINT;
	at.config = atoi(b);
	at.sample_period = 1;
	int e = syscall(SYS_perf_event_open, &at, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (e < 0) {
		say("perf_event_open %s: %s", ev, strerrorname_np(errno));
		return -1;
	}
	if (ioctl(e, PERF_EVENT_IOC_SET_BPF, prog)) {
		say("SET_BPF %s: %s", ev, strerrorname_np(errno));
		return -1;
	}
	ioctl(e, PERF_EVENT_IOC_ENABLE, 0);
	return e;
}

/* HOLD:UNTIL:MAXMS[:COUNT]: a hit of lab/HOLD spins (interrupts off, in the kprobe) until lab/UNTIL is hit on
 * another CPU, at most MAXMS, at most COUNT times; HOLD:-:MS is a plain delay. 0 if it cannot be attached. */
int hold_until(const char *spec)
{
	char b[128], *sp;
	snprintf(b, sizeof b, "%s", spec);
	char *h = strtok_r(b, ":", &sp), *u = strtok_r(0, ":", &sp), *m = strtok_r(0, ":", &sp),
	     *cn = strtok_r(0, ":", &sp);
	if (!m)
		die("meet spec");
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.map_type = BPF_MAP_TYPE_ARRAY;
	a.key_size = 4;
	a.value_size = 64 + 2 * HALF;
	a.max_entries = 1;
	int map = bpfc(BPF_MAP_CREATE, &a);
	if (map < 0)
		die("map");
	int64_t ns = atol(m) * 1000000L;
	int plain = !strcmp(u, "-");
	struct bpf_insn hold[] = {
	    INS(BPF_LD | BPF_DW | BPF_IMM, 6, BPF_PSEUDO_MAP_VALUE, 0, map), INS(0, 0, 0, 0, 0),
	    INS(BPF_LDX | BPF_MEM | BPF_DW, 1, 6, 8, 0), /* holds so far */
	    INS(BPF_JMP | BPF_JGE | BPF_K, 1, 0, 20, cn ? atoi(cn) : 1 << 30),
	    INS(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 1), INS(BPF_STX | BPF_MEM | BPF_DW, 6, 1, 8, 0),
	    INS(BPF_LDX | BPF_MEM | BPF_DW, 7, 6, 0, 0), /* r7 = counter */
	    INS(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
	    INS(BPF_LD | BPF_DW | BPF_IMM, 8, 0, 0, (int32_t)ns), INS(0, 0, 0, 0, (int32_t)(ns >> 32)),
	    INS(BPF_ALU64 | BPF_ADD | BPF_X, 8, 0, 0, 0),    /* r8 = deadline */
	    INS(BPF_ALU64 | BPF_MOV | BPF_K, 9, 0, 0, 1500), /* bound */
	    /* 8: */
	    INS(BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0), INS(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 64),
	    INS(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, HALF), INS(BPF_ALU64 | BPF_MOV | BPF_X, 3, 6, 0, 0),
	    INS(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, 64 + HALF),
	    INS(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_read_kernel), /* burn some time */
	    INS(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
	    INS(BPF_JMP | BPF_JGT | BPF_X, 0, 8, 4, 0), /* past the deadline */
	    INS(BPF_LDX | BPF_MEM | BPF_DW, 1, 6, 0, 0),
	    INS(BPF_JMP | BPF_JNE | BPF_X, 1, 7, 2, 0), /* the other side came */
	    INS(BPF_ALU64 | BPF_SUB | BPF_K, 9, 0, 0, 1), INS(BPF_JMP | BPF_JNE | BPF_K, 9, 0, -12, 0),
	    INS(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0), INS(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
	struct bpf_insn bump[] = {INS(BPF_LD | BPF_DW | BPF_IMM, 6, BPF_PSEUDO_MAP_VALUE, 0, map),
	                          INS(0, 0, 0, 0, 0),
	                          INS(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1),
	                          INS(BPF_STX | BPF_ATOMIC | BPF_DW, 6, 1, 0, BPF_ADD),
	                          INS(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
	                          INS(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
	int hp = bload(hold, sizeof hold / sizeof *hold);
	if (hp < 0)
		return 0;
	if (!plain) {
		int bp = bload(bump, sizeof bump / sizeof *bump);
		if (bp < 0)
			return 0;
		if (battach(u, bp) < 0)
			return 0;
	}
	if (battach(h, hp) < 0)
		return 0;
	say("meet: hold %s until %s, at most %s ms, %s times", h, u, m, cn ? cn : "any number of");
	return 1;
}
