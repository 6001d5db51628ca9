/* c: ageing of guest memory, alone and against the end of its owner. */
#include "lab.h"

static void vm_busy(struct vm *v, struct runner *t, size_t pages, int memfd, int huge)
{
	vm_new(v, pages, huge, memfd);
	vcpu_new(v, pages, 1, 4096, PG);
	spawn(&t[0], v, 0, 0, FOREVER);
	sleep_ms(300);
}

int c1(int argc, char **argv)
{
	struct vm v;
	struct runner t[1];
	vm_busy(&v, t, 64, -1, 0);
	say("c1 echo 1 > /proc/self/clear_refs -> %s", result(put("/proc/self/clear_refs", "1")));
	sleep_ms(50);
	say("c1 echo 2 > clear_refs (anon) -> %s", result(put("/proc/self/clear_refs", "2")));
	sleep_ms(50);
	say("c1 echo 4 > clear_refs (soft dirty) -> %s", result(put("/proc/self/clear_refs", "4")));
	sleep_ms(50);
	say("c1 exit");
	_exit(0);
}

int c2(int argc, char **argv)
{
	struct vm v;
	struct runner t[1];
	vm_busy(&v, t, 64, -1, 0);
	say("c2 MADV_COLD -> %s", result(madvise(v.mem, v.msz, MADV_COLD)));
	sleep_ms(50);
	say("c2 MADV_PAGEOUT -> %s", result(madvise(v.mem, v.msz, MADV_PAGEOUT)));
	sleep_ms(200);
	say("c2 exit");
	_exit(0);
}

int c3(int argc, char **argv)
{
	struct vm v;
	struct runner t[1];
	char b[64];
	if (argc > 0)
		say("c3 lru_gen enabled=%s -> %s", argv[0],
		    result(put("/sys/kernel/mm/lru_gen/enabled", argv[0])));
	tracing(0);
	mkdir("/cg/lab", 0755);
	put("/cg/cgroup.subtree_control", "+memory");
	sprintf(b, "%d", getpid());
	say("c3 join memcg -> %s", result(put("/cg/lab/cgroup.procs", b)));
	vm_busy(&v, t, 128, -1, 0);
	tracing(1);
	for (int i = 0; i < 3; i++) {
		say("c3 reclaim round %d: 16K at a time for 12 ms", i);
		pid_t r = fork();
		if (!r) {
			prctl(PR_SET_NAME, "reclaimer");
			pin(1);
			int fd = open("/cg/lab/memory.reclaim", O_WRONLY);
			for (;;)
				if (write(fd, "16K", 3) < 0 && errno != EAGAIN)
					_exit(0);
		}
		sleep_ms(12);
		kill(r, SIGKILL);
		waitpid(r, 0, 0);
		sleep_ms(4);
	}
	say("c3 exit");
	_exit(0);
}

/* guest runs; another process turns on DAMON's virtual address monitoring of this mm */
static void damon(const char *f, const char *v)
{
	char p[200];
	snprintf(p, sizeof p, "/sys/kernel/mm/damon/admin/kdamonds/%s", f);
	if (put(p, v) < 0)
		say("damon %s=%s: %s", f, v, strerrorname_np(errno));
}

int c6(int argc, char **argv)
{
	struct vm v;
	struct runner t[1];
	char b[32];
	if (access("/sys/kernel/mm/damon/admin", F_OK)) {
		say("c6 no DAMON in this kernel");
		return 77;
	}
	volatile int *f = shared();
	pid_t p = fork();
	if (!p) {
		prctl(PR_SET_NAME, "victim");
		tracing(0);
		vm_busy(&v, t, 1024, -1, 0);
		f[0] = 1;
		for (;;)
			pause();
	}
	while (!f[0])
		sleep_ms(5);
	damon("nr_kdamonds", "1");
	damon("0/contexts/nr_contexts", "1");
	damon("0/contexts/0/operations", "vaddr");
	damon("0/contexts/0/monitoring_attrs/intervals/sample_us", "200");
	damon("0/contexts/0/monitoring_attrs/intervals/aggr_us", "4000");
	damon("0/contexts/0/monitoring_attrs/intervals/update_us", "1000000");
	damon("0/contexts/0/monitoring_attrs/nr_regions/min", "200");
	damon("0/contexts/0/monitoring_attrs/nr_regions/max", "400");
	damon("0/contexts/0/targets/nr_targets", "1");
	sprintf(b, "%d", p);
	damon("0/contexts/0/targets/0/pid_target", b);
	damon("0/state", "on");
	sleep_ms(100);
	tracing(1);
	say("c6 DAMON vaddr samples pid %d", p);
	sleep_ms(argc > 0 ? atoi(argv[0]) : 60);
	say("c6 SIGKILL pid %d while kdamond ages it", p);
	kill(p, SIGKILL);
	waitpid(p, 0, 0);
	say("c6 reaped");
	for (int i = 0; i < 100; i++) {
		char st[8] = "";
		int fd = open("/sys/kernel/mm/damon/admin/kdamonds/0/state", O_RDONLY);
		if (read(fd, st, 7) < 0) {
		}
		close(fd);
		if (!strncmp(st, "off", 3))
			break;
		sleep_ms(10);
	}
	sleep_ms(60);
	put("/sys/kernel/mm/damon/admin/kdamonds/0/state", "off");
	damon("nr_kdamonds", "0");
	return 0;
}

/* khugepaged asks mmu_notifier_test_young for pages whose pte is old */
int c5(int argc, char **argv)
{
	struct vm v;
	struct runner t[1];
	(void)t;
	tracing(0);
	vm_new(&v, 1023, 1, -1);
	madvise(v.mem, v.msz, MADV_NOHUGEPAGE);
	vcpu_new(&v, 1023, 1, 1, PG);
	vcpu_go(&v, 0, 1);
	put("/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs", "10");
	char *k = "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs";
	put("/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan", "1024");
	tracing(1);
	say("c5 clear_refs: host ptes old, stage 2 young -> %s", result(put("/proc/self/clear_refs", "1")));
	madvise(v.mem, v.msz, MADV_HUGEPAGE);
	say("c5 MADV_HUGEPAGE; wake khugepaged");
	put(k, "50");
	sleep_ms(120);
	say("c5 guest touches all pages again rc=%d", vcpu_go(&v, 0, 1));
	put(k, "10000");
	say("c5 MADV_COLLAPSE -> %s", result(madvise(v.mem, 2 << 20, MADV_COLLAPSE)));
	say("c5 exit");
	_exit(0);
}

/* many VMs killed while a second process reclaims/ages their memcg: aging against teardown */
int c8(int argc, char **argv)
{
	int rounds = argc > 0 ? atoi(argv[0]) : 6;
	size_t pages = argc > 1 ? atol(argv[1]) : 2048;
	int how = argc > 2 ? atoi(argv[2]) : 0;
	char b[64];
	mkdir("/cg/lab", 0755);
	put("/cg/cgroup.subtree_control", "+memory");
	put("/cg/lab/memory.max", "max");
	volatile int *stop = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t ager = fork();
	if (!ager) {
		long n = 0;
		prctl(PR_SET_NAME, "ager");
		pin(1);
		int fd = open("/cg/lab/memory.reclaim", O_WRONLY);
		while (!*stop) {
			if (*(stop + 1)) {
				if (write(fd, "1M", 2) < 0) {
				}
				n++;
			} else
				sleep_ms(1);
		}
		say("c8 ager did %ld reclaim writes", n);
		_exit(0);
	}
	for (int i = 0; i < rounds; i++) {
		pid_t p = fork();
		if (!p) {
			struct vm v;
			struct runner t[1];
			prctl(PR_SET_NAME, "victim");
			sprintf(b, "%d", getpid());
			put("/cg/lab/cgroup.procs", b);
			tracing(0);
			vm_new(&v, pages, 0, -1);
			vcpu_new(&v, pages, 1, how & 1 ? 64 : 1, PG);
			vcpu_go(&v, 0, 1);
			tracing(1);
			if (how & 1)
				spawn(&t[0], &v, 0, 0, FOREVER);
			stop[2] = 1;
			for (;;)
				pause();
		}
		while (!stop[2])
			sleep_ms(1);
		stop[2] = 0;
		pin(0);
		stop[1] = 1;
		sleep_ms(6 + i * 2);
		say("c8.%d SIGKILL pid %d under reclaim", i, p);
		kill(p, SIGKILL);
		waitpid(p, 0, 0);
		say("c8.%d reaped", i);
		stop[1] = 0;
		sleep_ms(10);
	}
	*stop = 1;
	waitpid(ager, 0, 0);
	return 0;
}
