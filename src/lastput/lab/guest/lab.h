/* What the files of the capture lab's guest program share. */
#ifndef LAB_H
#define LAB_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/kvm.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PG 4096UL
#define GPA 0x80000000UL  /* where the guest's memory begins: its code, then its data */
#define MMIO 0x10000000UL /* no memory: a store to it ends KVM_RUN */
#define FOREVER (1L << 60)

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* say.c */
void say(const char *f, ...);		/* a line into the trace and to standard output */
void die(const char *what);		/* say errno, exit with 99 */
void sleep_ms(int n);
const char *result(long r);		/* of a system call, with errno's name */
void pin(int cpu);
int put(const char *path, const char *text);
void tracing(int on);
volatile int *shared(void);		/* a page that children share */
char *slurp(const char *path, size_t *length);

/* vmm.c */
struct vm {
	int kvm, fd, n, vcpu[4];	/* descriptors; n vcpus */
	struct kvm_run *run[4];
	size_t rsz;			/* size of a kvm_run mapping */
	char *mem;
	size_t msz;
};

struct runner {				/* a thread that runs a vcpu */
	struct vm *v;
	int i, cpu;			/* which vcpu; the CPU it is pinned to, or -1 */
	long n;				/* MMIO exits to run for */
	volatile int rc, done;
};

#define XR(n) (offsetof(struct kvm_regs, regs.regs) + 8 * (n))

int vm_slot(struct vm *v, int slot, uint32_t flags, uint64_t gpa, size_t size, void *p);
int setreg(int vcpu, uint64_t offset, uint64_t value);
void vm_new(struct vm *v, size_t pages, int huge, int memfd);
void vcpu_new(struct vm *v, size_t pages, int write, uint64_t passes, uint64_t stride);
int vcpu_go(struct vm *v, int i, long n);
pthread_t spawn(struct runner *t, struct vm *v, int i, int cpu, long n);
void probe_fds(const char *who, int vm, int vcpu);

/* btf.c, filter.c, hold.c */
int btf(int argc, char **argv);
int mkfilter(int argc, char **argv);
int hold_until(const char *spec);	/* whether it was attached */

/* the experiments: teardown.c, outlive.c, aging.c, invalidate.c */
typedef int experiment(int argc, char **argv);
experiment a1, a2, a3, a4, a5, a6, a7;
experiment b1, b2, b3, b4, b5, b6, b7, b8, b9;
experiment c1, c2, c3, c5, c6, c8;
experiment d1, d2, d3, d4, d5, d6, d7;

#endif
