/* A tiny VMM: raw ioctls, and twenty instructions of guest code. */
#include "lab.h"

/* The guest: EL1, MMU off. Touches its pages again and again, and ends each so many passes with an MMIO store.
 * x0: first page; x1: pages; x2: 1 to write, 0 to read; x3: where to store; x4: passes; x10: bytes between touches */
extern const char guest_start[], guest_end[];
asm(".pushsection .rodata\n.balign 8\n.globl guest_start, guest_end\n"
    "guest_start:\n"
    "	mov	x9, xzr\n"
    "0:	mov	x7, x4\n"
    "1:	mov	x5, x0\n"
    "	mov	x6, x1\n"
    "2:	cbz	x2, 3f\n"
    "	str	x9, [x5]\n"
    "	b	4f\n"
    "3:	ldr	x8, [x5]\n"
    "4:	add	x5, x5, x10\n"
    "	subs	x6, x6, #1\n"
    "	b.ne	2b\n"
    "	add	x9, x9, #1\n"
    "	subs	x7, x7, #1\n"
    "	b.ne	1b\n"
    "	str	x9, [x3]\n"
    "	b	0b\n"
    "guest_end:\n.popsection\n");

int vm_slot(struct vm *v, int slot, uint32_t flags, uint64_t gpa, size_t sz, void *p)
{
	struct kvm_userspace_memory_region r = {.slot = slot,
	                                        .flags = flags,
	                                        .guest_phys_addr = gpa,
	                                        .memory_size = sz,
	                                        .userspace_addr = (uint64_t)p};
	return ioctl(v->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

int setreg(int vcpu, uint64_t off, uint64_t val)
{
	struct kvm_one_reg r = {.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | (off / 4),
	                        .addr = (uint64_t)&val};
	return ioctl(vcpu, KVM_SET_ONE_REG, &r);
}

/* memfd >= 0: shared file memory; huge: 0 NOHUGEPAGE, 1 HUGEPAGE, 2 leave */
void vm_new(struct vm *v, size_t pages, int huge, int memfd)
{
	memset(v, 0, sizeof *v);
	v->msz = (pages + 1) * PG;
	if (huge == 1)
		v->msz = (v->msz + (2 << 20) - 1) & ~((2UL << 20) - 1);
	char *p;
	if (memfd >= 0) {
		if (ftruncate(memfd, v->msz))
			die("ftruncate");
		p = mmap(0, v->msz, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	} else {
		char *q = mmap(0, v->msz + (2 << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		p = (char *)(((uintptr_t)q + (2 << 20) - 1) & ~((2UL << 20) - 1));
		p = mmap(p, v->msz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	if (p == MAP_FAILED)
		die("mmap");
	v->mem = p;
	if (huge == 0)
		madvise(p, v->msz, MADV_NOHUGEPAGE);
	if (huge == 1)
		madvise(p, v->msz, MADV_HUGEPAGE);
	memcpy(p, guest_start, guest_end - guest_start);
	if ((v->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC)) < 0)
		die("/dev/kvm");
	if ((v->fd = ioctl(v->kvm, KVM_CREATE_VM, 0)) < 0)
		die("KVM_CREATE_VM");
	v->rsz = ioctl(v->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm_slot(v, 0, 0, GPA, v->msz, p))
		die("memslot");
}

void vcpu_new(struct vm *v, size_t pages, int write, uint64_t passes, uint64_t stride)
{
	struct kvm_vcpu_init in;
	int i = v->n++, fd;
	if ((fd = v->vcpu[i] = ioctl(v->fd, KVM_CREATE_VCPU, i)) < 0)
		die("KVM_CREATE_VCPU");
	if (ioctl(v->fd, KVM_ARM_PREFERRED_TARGET, &in))
		die("preferred");
	if (ioctl(fd, KVM_ARM_VCPU_INIT, &in))
		die("vcpu_init");
	v->run[i] = mmap(0, v->rsz, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (v->run[i] == MAP_FAILED)
		die("mmap run");
	uint64_t x[11] = {GPA + PG, pages, write, MMIO, passes};
	x[10] = stride;
	for (int r = 0; r < 11; r++)
		if (setreg(fd, XR(r), x[r]))
			die("set x");
	if (setreg(fd, offsetof(struct kvm_regs, regs.pc), GPA))
		die("set pc");
}

/* runs until n MMIO exits; returns 0, or -errno */
int vcpu_go(struct vm *v, int i, long n)
{
	while (n > 0) {
		if (ioctl(v->vcpu[i], KVM_RUN, 0) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (v->run[i]->exit_reason != KVM_EXIT_MMIO)
			return -1000 - v->run[i]->exit_reason;
		n--;
	}
	return 0;
}

static void *vthread(void *a)
{
	struct runner *t = a;
	char nm[16];
	sprintf(nm, "vcpu%d", t->i);
	prctl(PR_SET_NAME, nm);
	if (t->cpu >= 0)
		pin(t->cpu);
	t->rc = vcpu_go(t->v, t->i, t->n);
	t->done = 1;
	say("vcpu%d thread left: rc=%d", t->i, t->rc);
	return 0;
}

pthread_t spawn(struct runner *t, struct vm *v, int i, int cpu, long n)
{
	pthread_t p;
	*t = (struct runner){v, i, cpu, n, 0, 0};
	if (pthread_create(&p, 0, vthread, t))
		die("pthread");
	return p;
}

void probe_fds(const char *who, int vm, int vcpu)
{ /* what a process that is not the creator may still do with the fds */
	struct kvm_userspace_memory_region r = {
	    .slot = 1, .guest_phys_addr = 0xc0000000, .memory_size = PG, .userspace_addr = 0};
	uint64_t x;
	struct kvm_one_reg o = {.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE,
	                        .addr = (uint64_t)&x};
	if (vcpu >= 0) {
		say("%s: KVM_RUN -> %s", who, result(ioctl(vcpu, KVM_RUN, 0)));
		say("%s: KVM_GET_ONE_REG -> %s", who, result(ioctl(vcpu, KVM_GET_ONE_REG, &o)));
	}
	say("%s: KVM_CREATE_VCPU -> %s", who, result(ioctl(vm, KVM_CREATE_VCPU, 3)));
	say("%s: KVM_SET_USER_MEMORY_REGION -> %s", who, result(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r)));
	say("%s: KVM_CHECK_EXTENSION(vm) -> %s", who, result(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS)));
	if (vcpu >= 0) {
		size_t sz = PG;
		void *p = mmap(0, sz, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
		if (p == MAP_FAILED)
			say("%s: mmap(vcpu fd) failed %s", who, strerrorname_np(errno));
		else {
			say("%s: mmap(vcpu fd) works, exit_reason=%u", who,
			    ((struct kvm_run *)p)->exit_reason);
			munmap(p, sz);
		}
	}
}
