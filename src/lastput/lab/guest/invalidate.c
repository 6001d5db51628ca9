/* d: invalidations against guest faults, and against the end of the owner. */
#include "lab.h"

/* d1 EXITS VCPUS: with one vcpu on CPU 0 the loop is on CPU 1, so that a vcpu which is held does not hold it, too */
int d1(int argc, char **argv)
{
	struct vm v;
	struct runner t[2];
	int n0 = argc > 0 ? atoi(argv[0]) : 12, vcpus = argc > 1 ? atoi(argv[1]) : 2;
	tracing(0);
	vm_new(&v, 16, 0, -1);
	for (int i = 0; i < vcpus; i++)
		vcpu_new(&v, 16, 1, 2, PG);
	for (int i = 0; i < vcpus; i++)
		vcpu_go(&v, i, 1);
	tracing(1);
	pthread_t a = spawn(&t[0], &v, 0, 0, n0);
	if (vcpus > 1)
		spawn(&t[1], &v, 1, 1, FOREVER);
	else
		pin(1);
	say("d1 MADV_DONTNEED loop over the guest's pages");
	int n = 0;
	while (!t[0].done) {
		madvise(v.mem + PG, 16 * PG, MADV_DONTNEED);
		n++;
		sched_yield();
	}
	pthread_join(a, 0);
	say("d1 %d rounds of MADV_DONTNEED; exit", n);
	_exit(0);
}

int d2(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	say("d2 rc=%d", vcpu_go(&v, 0, 1));
	say("d2 munmap pages 8..15 of the slot");
	munmap(v.mem + 8 * PG, 8 * PG);
	int r = vcpu_go(&v, 0, 1);
	say("d2 KVM_RUN after munmap -> %d (%s)", r, strerrorname_np(-r) ?: "");
	say("d2 map it again MAP_FIXED");
	mmap(v.mem + 8 * PG, 8 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	say("d2 KVM_RUN -> %d", vcpu_go(&v, 0, 1));
	say("d2 mprotect(PROT_READ) all data pages");
	mprotect(v.mem + PG, 32 * PG, PROT_READ);
	r = vcpu_go(&v, 0, 1);
	say("d2 KVM_RUN after mprotect RO -> %d (%s)", r, strerrorname_np(-r) ?: "");
	mprotect(v.mem + PG, 32 * PG, PROT_READ | PROT_WRITE);
	say("d2 RW again; KVM_RUN -> %d", vcpu_go(&v, 0, 1));
	_exit(0);
}

int d3(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 64, 0, -1);
	vcpu_new(&v, 64, 0, 1, PG);
	memset(v.mem + PG, 0x5a, 64 * PG);
	vcpu_go(&v, 0, 1);
	say("d3 MADV_MERGEABLE -> %s", result(madvise(v.mem + PG, 64 * PG, MADV_MERGEABLE)));
	put("/sys/kernel/mm/ksm/sleep_millisecs", "10");
	put("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	put("/sys/kernel/mm/ksm/run", "1");
	for (int i = 0; i < 20; i++) {
		sleep_ms(30);
		vcpu_go(&v, 0, 1);
	}
	char b[32] = "";
	int fd = open("/sys/kernel/mm/ksm/pages_sharing", O_RDONLY);
	if (read(fd, b, 31) < 0) {
	}
	say("d3 pages_sharing=%s", b);
	put("/sys/kernel/mm/ksm/run", "0");
	setreg(v.vcpu[0], XR(2), 1);
	say("d3 guest now writes: unshare by COW");
	vcpu_go(&v, 0, 1);
	say("d3 exit");
	_exit(0);
}

int d4(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 1);
	say("d4 fork: COW write-protects the parent's pages");
	pid_t c = fork();
	if (!c) {
		sleep_ms(100);
		_exit(0);
	}
	say("d4 parent's guest writes again rc=%d", vcpu_go(&v, 0, 1));
	waitpid(c, 0, 0);
	say("d4 exit");
	_exit(0);
}

int d5(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 1023, 1, -1);
	memset(v.mem + PG, 1, v.msz - PG);
	vcpu_new(&v, 1023, 1, 1, PG);
	say("d5 THP-backed: guest touches 1023 pages");
	vcpu_go(&v, 0, 2);
	say("d5 MADV_DONTNEED one page inside a 2M block");
	madvise(v.mem + (2 << 20) + 5 * PG, PG, MADV_DONTNEED);
	vcpu_go(&v, 0, 2);
	say("d5 exit");
	_exit(0);
}

int d6(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 64, 0, -1);
	vcpu_new(&v, 64, 1, 1, PG);
	vcpu_go(&v, 0, 1);
	say("d6 dirty logging on -> %s", result(vm_slot(&v, 0, KVM_MEM_LOG_DIRTY_PAGES, GPA, v.msz, v.mem)));
	vcpu_go(&v, 0, 1);
	uint64_t bm[4] = {0};
	struct kvm_dirty_log l = {.slot = 0, .dirty_bitmap = bm};
	say("d6 GET_DIRTY_LOG -> %s", result(ioctl(v.fd, KVM_GET_DIRTY_LOG, &l)));
	say("d6 bitmap %lx %lx", bm[0], bm[1]);
	vcpu_go(&v, 0, 1);
	say("d6 dirty logging off -> %s", result(vm_slot(&v, 0, 0, GPA, v.msz, v.mem)));
	vcpu_go(&v, 0, 1);
	say("d6 delete the slot -> %s", result(vm_slot(&v, 0, 0, GPA, 0, v.mem)));
	struct runner t[1];
	spawn(t, &v, 0, -1, 1);
	sleep_ms(2);
	say("d6 guest code page is gone: the guest loops in injected aborts; exit");
	_exit(0);
}

/* another process punches holes into shared file memory while the owner is killed */
int d7(int argc, char **argv)
{
	int rounds = argc > 0 ? atoi(argv[0]) : 4;
	size_t pages = 2048;
	int mf = memfd_create("guest", 0);
	volatile int *stop = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ftruncate(mf, (pages + 1) * PG))
		die("trunc");
	pid_t puncher = fork();
	if (!puncher) {
		long n = 0;
		prctl(PR_SET_NAME, "puncher");
		pin(1);
		while (!*stop) {
			if (stop[1]) {
				for (int i = 0; i < 16; i++)
					fallocate(mf, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					          PG + i * 128 * PG, 32 * PG);
				n++;
			} else
				sleep_ms(1);
		}
		say("d7 puncher %ld rounds", n);
		_exit(0);
	}
	for (int i = 0; i < rounds; i++) {
		pid_t p = fork();
		if (!p) {
			struct vm v;
			struct runner t[1];
			prctl(PR_SET_NAME, "victim");
			tracing(0);
			vm_new(&v, pages, 0, mf);
			vcpu_new(&v, pages, 1, 1, PG);
			vcpu_go(&v, 0, 1);
			tracing(1);
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
		sleep_ms(10 + 3 * i);
		say("d7.%d SIGKILL pid %d while holes are punched from another process", i, p);
		kill(p, SIGKILL);
		waitpid(p, 0, 0);
		say("d7.%d reaped", i);
		stop[1] = 0;
		sleep_ms(10);
	}
	*stop = 1;
	waitpid(puncher, 0, 0);
	return 0;
}
