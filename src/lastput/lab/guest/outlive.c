/* b: file descriptors that outlive the address space. */
#include "lab.h"

int b1(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 2);
	int p[2];
	if (pipe(p))
		die("pipe");
	say("b1 fork; the child inherits the fds");
	pid_t c = fork();
	if (!c) {
		char ch;
		prctl(PR_SET_NAME, "survivor");
		close(p[1]);
		say("b1 child (pid %d): while the owner lives:", getpid());
		probe_fds("b1 child", v.fd, v.vcpu[0]);
		if (read(p[0], &ch, 1) < 0) {
		}
		sleep_ms(300);
		say("b1 child: owner is gone since ~300 ms:");
		probe_fds("b1 child", v.fd, v.vcpu[0]);
		munmap(v.run[0], v.rsz);
		say("b1 child: close vcpu fd");
		close(v.vcpu[0]);
		sleep_ms(50);
		say("b1 child: close vm fd (last reference)");
		close(v.fd);
		say("b1 child: closed");
		sleep_ms(20);
		_exit(0);
	}
	close(p[0]);
	sleep_ms(100);
	say("b1 owner runs again while child holds fds: rc=%d", vcpu_go(&v, 0, 1));
	say("b1 owner exits, child %d holds the fds", c);
	_exit(0);
}

static void sendfds(int s, int *fd, int n)
{
	char cb[CMSG_SPACE(4 * sizeof(int))] = {0}, d = 'x';
	struct iovec io = {&d, 1};
	struct msghdr m = {.msg_iov = &io,
	                   .msg_iovlen = 1,
	                   .msg_control = cb,
	                   .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fd, n * sizeof(int));
	if (sendmsg(s, &m, 0) < 0)
		die("sendmsg");
}

static void recvfds(int s, int *fd, int n)
{
	char cb[CMSG_SPACE(4 * sizeof(int))], d;
	struct iovec io = {&d, 1};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = sizeof cb};
	if (recvmsg(s, &m, 0) < 0)
		die("recvmsg");
	memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), n * sizeof(int));
}

int b2(int argc, char **argv)
{
	int s[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		die("socketpair");
	pid_t owner = fork();
	if (!owner) {
		struct vm v;
		prctl(PR_SET_NAME, "owner");
		close(s[0]);
		vm_new(&v, 32, 0, -1);
		vcpu_new(&v, 32, 1, 1, PG);
		vcpu_go(&v, 0, 2);
		int f[2] = {v.fd, v.vcpu[0]};
		say("b2 owner (pid %d) sends vm+vcpu fds by SCM_RIGHTS", getpid());
		sendfds(s[1], f, 2);
		sleep_ms(50);
		say("b2 owner exits");
		_exit(0);
	}
	prctl(PR_SET_NAME, "receiver");
	close(s[1]);
	int f[2];
	recvfds(s[0], f, 2);
	say("b2 receiver (pid %d, never shared the mm) has fds", getpid());
	probe_fds("b2 receiver", f[0], f[1]);
	waitpid(owner, 0, 0);
	say("b2 owner reaped; waiting 500 ms");
	sleep_ms(500);
	probe_fds("b2 receiver", f[0], f[1]);
	say("b2 close vm fd");
	close(f[0]);
	sleep_ms(50);
	say("b2 close vcpu fd (last reference)");
	close(f[1]);
	say("b2 closed");
	sleep_ms(20);
	return 0;
}

int b3(int argc, char **argv)
{
	int s[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		die("socketpair");
	pid_t owner = fork();
	if (!owner) {
		struct vm v;
		prctl(PR_SET_NAME, "owner");
		close(s[0]);
		vm_new(&v, 32, 0, -1);
		vcpu_new(&v, 32, 1, 1, PG);
		vcpu_go(&v, 0, 2);
		sendfds(s[1], &v.fd, 1);
		say("b3 owner exits, vm fd only in flight in a socket queue");
		_exit(0);
	}
	prctl(PR_SET_NAME, "socketholder");
	close(s[1]);
	waitpid(owner, 0, 0);
	say("b3 owner reaped; 300 ms");
	sleep_ms(300);
	say("b3 close the socket with the undelivered fd");
	close(s[0]);
	say("b3 closed");
	sleep_ms(50);
	return 0;
}

static struct vm *b4v;
static int b4fn(void *a)
{
	(void)a;
	prctl(PR_SET_NAME, "mmsharer");
	sleep_ms(200);
	say("b4 sharer (pid %d): creator thread-group is gone; mm lives on with me", getpid());
	say("b4 sharer: KVM_RUN with same mm -> rc=%d", vcpu_go(b4v, 0, 1));
	say("b4 sharer: vm fd KVM_CHECK_EXTENSION -> %s",
	    result(ioctl(b4v->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS)));
	say("b4 sharer exits");
	_exit(0);
}

int b4(int argc, char **argv)
{
	static struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 1);
	b4v = &v;
	char *st = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int c = clone(b4fn, st + 65536, CLONE_VM | SIGCHLD, 0);
	say("b4 clone(CLONE_VM without CLONE_FILES/THREAD) = %d", c);
	sleep_ms(50);
	say("b4 creator exits");
	_exit(0);
}

int b5(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 2);
	int st = ioctl(v.fd, KVM_GET_STATS_FD, 0), sv = ioctl(v.vcpu[0], KVM_GET_STATS_FD, 0);
	say("b5 stats fds vm=%d vcpu=%d", st, sv);
	pid_t c = fork();
	if (!c) {
		struct kvm_stats_header h;
		prctl(PR_SET_NAME, "statsreader");
		munmap(v.run[0], v.rsz);
		close(v.vcpu[0]);
		close(v.fd);
		say("b5 child holds only the stats fds");
		sleep_ms(200);
		say("b5 child: read(stats) after owner exit -> %s", result(pread(st, &h, sizeof h, 0)));
		say("b5 child: close stats fds");
		close(sv);
		close(st);
		say("b5 child: closed");
		sleep_ms(50);
		_exit(0);
	}
	sleep_ms(100);
	say("b5 owner exits");
	_exit(0);
}

/* an mmap of the vcpu fd, with every fd closed, is a reference too */
int b7(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 2);
	pid_t c = fork();
	if (!c) {
		prctl(PR_SET_NAME, "mapper");
		munmap(v.run[0], v.rsz);
		struct kvm_run *r = mmap(0, v.rsz, PROT_READ | PROT_WRITE, MAP_SHARED, v.vcpu[0], 0);
		close(v.vcpu[0]);
		close(v.fd);
		close(v.kvm);
		say("b7 child: all kvm fds closed, only a mapping of kvm_run is left (exit_reason=%u)",
		    r->exit_reason);
		sleep_ms(250);
		say("b7 child: owner gone; kvm_run still readable: exit_reason=%u", r->exit_reason);
		say("b7 child: munmap (last reference)");
		munmap(r, v.rsz);
		say("b7 child: unmapped");
		sleep_ms(30);
		_exit(0);
	}
	sleep_ms(100);
	say("b7 owner exits");
	_exit(0);
}

/* a monitor with one of the VM's debugfs statistics open */
int b8(int argc, char **argv)
{
	struct vm v;
	char b[128];
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 2);
	int ow = getpid();
	pid_t c = fork();
	if (!c) {
		prctl(PR_SET_NAME, "monitor");
		munmap(v.run[0], v.rsz);
		close(v.vcpu[0]);
		snprintf(b, sizeof b, "/sys/kernel/debug/kvm/%d-%d/remote_tlb_flush", ow, v.fd);
		close(v.fd);
		int fd = open(b, O_RDONLY);
		say("b8 monitor: open %s -> %d", b, fd);
		sleep_ms(250);
		char x[32] = "";
		lseek(fd, 0, SEEK_SET);
		long n = read(fd, x, 31);
		say("b8 monitor: read after owner exit -> %s: %s", result(n), x);
		say("b8 monitor: close (last reference)");
		close(fd);
		say("b8 monitor: closed");
		sleep_ms(30);
		_exit(0);
	}
	sleep_ms(100);
	say("b8 owner exits");
	_exit(0);
}

/* process_mrelease (the OOM reaper's work) on a killed owner */
int b6(int argc, char **argv)
{
	volatile int *f = shared();
	int rounds = argc > 0 ? atoi(argv[0]) : 3;
	for (int i = 0; i < rounds; i++) {
		f[0] = 0;
		pid_t p = fork();
		if (!p) {
			struct vm v;
			struct runner t[1];
			prctl(PR_SET_NAME, "victim");
			tracing(0);
			vm_new(&v, 2048, 0, -1);
			vcpu_new(&v, 2048, 1, 1, PG);
			vcpu_go(&v, 0, 1);
			setreg(v.vcpu[0], XR(4), 1UL << 40);
			tracing(1);
			f[0] = 1;
			spawn(&t[0], &v, 0, 0, FOREVER);
			for (;;)
				pause();
		}
		pin(1);
		while (!f[0])
			sleep_ms(2);
		sleep_ms(20);
		int fd = syscall(SYS_pidfd_open, p, 0);
		say("b6.%d SIGKILL + process_mrelease(pid %d)", i, p);
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, 0, 0);
		long r = syscall(SYS_process_mrelease, fd, 0);
		say("b6.%d process_mrelease -> %s", i, result(r));
		waitpid(p, 0, 0);
		close(fd);
		say("b6.%d reaped", i);
		sleep_ms(20);
	}
	return 0;
}

/* a monitoring tool that reads smaps pins the mm; the last mmput, and so KVM's release, may be its */
int b9(int argc, char **argv)
{
	volatile int *f = shared();
	char b[64];
	int rounds = argc > 0 ? atoi(argv[0]) : 4;
	for (int i = 0; i < rounds; i++) {
		f[0] = f[1] = 0;
		pid_t p = fork();
		if (!p) {
			struct vm v;
			struct runner t[1];
			prctl(PR_SET_NAME, "victim");
			tracing(0);
			vm_new(&v, 4096, 0, -1);
			vcpu_new(&v, 4096, 1, 1, PG);
			vcpu_go(&v, 0, 1);
			setreg(v.vcpu[0], XR(4), 1UL << 40);
			tracing(1);
			spawn(&t[0], &v, 0, 0, FOREVER);
			f[0] = 1;
			for (;;)
				pause();
		}
		while (!f[0])
			sleep_ms(2);
		pid_t r = fork();
		if (!r) {
			prctl(PR_SET_NAME, "smapsreader");
			pin(1);
			sprintf(b, "/proc/%d/smaps", p);
			char *x = malloc(65536);
			long n = 0;
			for (;;) {
				int fd = open(b, O_RDONLY);
				if (fd < 0)
					break;
				long k = read(fd, x, 65536), k0 = k;
				while (k > 0)
					k = read(fd, x, 65536);
				close(fd);
				f[1] = 1;
				n++;
				if (k0 <= 0)
					break;
			}
			say("b9.%d reader: %ld passes over smaps, then the mm was gone", i, n);
			_exit(0);
		}
		while (!f[1])
			sleep_ms(1);
		pin(0);
		sleep_ms(5 + i);
		say("b9.%d SIGKILL pid %d while pid %d reads its smaps", i, p, r);
		kill(p, SIGKILL);
		waitpid(p, 0, 0);
		say("b9.%d victim reaped", i);
		waitpid(r, 0, 0);
		sleep_ms(20);
	}
	return 0;
}
