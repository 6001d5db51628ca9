/* a: in which order a VM, its vcpus and its memory go. */
#include "lab.h"

int a1(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	say("a1 run 3 passes over 32 pages");
	say("a1 rc=%d", vcpu_go(&v, 0, 3));
	say("a1 exit_group with all fds open");
	_exit(0);
}

int a2(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 2);
	say("a2 munmap kvm_run");
	munmap(v.run[0], v.rsz);
	say("a2 close vcpu fd");
	close(v.vcpu[0]);
	say("a2 close vm fd (last reference)");
	close(v.fd);
	say("a2 vm fd closed; mm still alive");
	munmap(v.mem, v.msz);
	say("a2 memory unmapped after the VM");
	sleep_ms(20);
	_exit(0);
}

int a3(int argc, char **argv)
{
	pid_t p = fork();
	if (!p) {
		struct vm v;
		struct runner t[2];
		vm_new(&v, 64, 0, -1);
		vcpu_new(&v, 64, 1, 1UL << 40, PG);
		vcpu_new(&v, 64, 1, 1UL << 40, PG);
		spawn(&t[0], &v, 0, 0, FOREVER);
		spawn(&t[1], &v, 1, 1, FOREVER);
		pause();
	}
	sleep_ms(400);
	say("a3 SIGKILL pid %d with 2 vCPUs in the guest", p);
	kill(p, SIGKILL);
	waitpid(p, 0, 0);
	say("a3 reaped");
	sleep_ms(20);
	return 0;
}

int a4(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 2);
	say("a4 execve, fds are O_CLOEXEC");
	execl("/proc/self/exe", "kvmlab", "nop", (char *)0);
	die("exec");
	return 1;
}

int a5(int argc, char **argv)
{
	struct vm v;
	char a[16], b[16];
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 2);
	fcntl(v.fd, F_SETFD, 0);
	fcntl(v.vcpu[0], F_SETFD, 0);
	sprintf(a, "%d", v.fd);
	sprintf(b, "%d", v.vcpu[0]);
	say("a5 execve keeping vm and vcpu fds");
	execl("/proc/self/exe", "kvmlab", "postexec", a, b, (char *)0);
	die("exec");
	return 1;
}

int a6(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 32, 0, -1);
	vcpu_new(&v, 32, 1, 1, PG);
	vcpu_go(&v, 0, 1);
	say("a6 close vm fd, vcpu fd stays");
	close(v.fd);
	say("a6 KVM_RUN still works: rc=%d", vcpu_go(&v, 0, 1));
	say("a6 munmap run + close vcpu fd (last reference)");
	munmap(v.run[0], v.rsz);
	close(v.vcpu[0]);
	say("a6 closed");
	sleep_ms(20);
	_exit(0);
}

/* a big stage-2, so that freeing it takes long enough to be seen from the other cpu */
int a7(int argc, char **argv)
{
	struct vm v;
	vm_new(&v, 16384, 0, -1);
	vcpu_new(&v, 16384, 1, 1, PG);
	tracing(0);
	vcpu_go(&v, 0, 1);
	tracing(1);
	say("a7 16384 4K pages faulted in (untraced); exit_group");
	_exit(0);
}
