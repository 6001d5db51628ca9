# Runs in the emulated machine: makes the probes, performs the experiments that /lab/orders.sh lists, and
# sends what comes of each over the serial line, with its length and SHA-256.
T=/sys/kernel/tracing
L=/lab/kvmlab
O=/tmp/out
mkdir -p $O

up() { cut -d' ' -f1 /proc/uptime; }

send() {
	dmesg -n 1 # nothing of the kernel's in between
	for f in "$@"; do
		echo "===FILE ${f##*/} $(wc -c < $f) $(sha256sum < $f | cut -c1-64)"
		cat $f
		echo "===END"
	done
	dmesg -n 7
}

# ---- which functions are traced
rm -f $O/functions-missing.txt
$L mkfilter /lab/functions.txt /tmp/filter $O/functions-traced.txt $O/functions-missing.txt
$L mkfilter /lab/functions-deep.txt /tmp/filter-deep $O/functions-traced-deep.txt $O/functions-missing.txt
echo 0 > $T/tracing_on
echo nop > $T/current_tracer
echo 1 > $T/options/record-tgid
cat /tmp/filter > $T/set_ftrace_filter || echo "LAB failed: the functions to trace cannot be set"
echo "LAB functions: $(wc -l < $O/functions-traced.txt) traced, $(wc -l < $O/functions-missing.txt) not"

# ---- probes with arguments; where they are in their structs says the kernel's BTF
set -- $($L btf kvm.arch.mmu.pgt kvm.users_count kvm.mmu_notifier kvm.mmu_invalidate_seq \
	kvm.mmu_invalidate_in_progress kvm.mm mm_struct.mm_users mm_struct.mm_count \
	mmu_notifier_range.start mmu_notifier_range.end mmu_notifier_range.event)
PGT=$1 USERS=$2 MN=$3 SEQ=$4 INPROG=$5 KMM=$6 MMU=$7 MMC=$8 RS=$9
shift 9
RE=$1 REV=$2
cat > $O/offsets.txt <<END
kvm.arch.mmu.pgt=$PGT users_count=$USERS mmu_notifier=$MN mmu_invalidate_seq=$SEQ in_progress=$INPROG
mm=$KMM mm_users=$MMU mm_count=$MMC
END

: > $O/kprobes-failed.txt
kp() { echo "$*" >> $T/kprobe_events 2> /tmp/kperr || echo "$*: $(cat /tmp/kperr)" >> $O/kprobes-failed.txt; }

kp "p:lab/mm_release __mmu_notifier_release mm=%x0 mm_users=+$MMU(%x0):s32 mm_count=+$MMC(%x0):s32"
kp "p:lab/kvm_mn_release kvm_mmu_notifier_release mn=%x0 kvm_users=+$((USERS - MN))(%x0):s32"
kp "r:lab/kvm_mn_release_ret kvm_mmu_notifier_release"
kp "p:lab/flush_shadow_all kvm_arch_flush_shadow_all kvm=%x0 pgt=+$PGT(%x0):x64 users=+$USERS(%x0):s32 inprog=+$INPROG(%x0):s64"
kp "r:lab/flush_shadow_all_ret kvm_arch_flush_shadow_all"
kp "p:lab/free_pgd kvm_free_stage2_pgd mmu=%x0 pgt=+16(%x0):x64"
kp "r:lab/free_pgd_ret kvm_free_stage2_pgd"
kp "p:lab/pgt_destroy kvm_pgtable_stage2_destroy pgt=%x0"
kp "p:lab/age kvm_age_gfn kvm=%x0 start=+8(%x1):x64 end=+16(%x1):x64 pgt=+$PGT(%x0):x64"
kp "r:lab/age_ret kvm_age_gfn ret=\$retval:u8"
kp "p:lab/test_age kvm_test_age_gfn kvm=%x0 start=+8(%x1):x64 end=+16(%x1):x64 pgt=+$PGT(%x0):x64"
kp "r:lab/test_age_ret kvm_test_age_gfn ret=\$retval:u8"
kp "p:lab/set_spte kvm_set_spte_gfn kvm=%x0 start=+8(%x1):x64 pgt=+$PGT(%x0):x64"
kp "p:lab/unmap_gfn kvm_unmap_gfn_range kvm=%x0 start=+8(%x1):x64 end=+16(%x1):x64 pgt=+$PGT(%x0):x64 seq=+$SEQ(%x0):u64 inprog=+$INPROG(%x0):s64"
kp "p:lab/inv_start kvm_mmu_notifier_invalidate_range_start mn=%x0 start=+$RS(%x1):x64 end=+$RE(%x1):x64 event=+$REV(%x1):u32"
kp "p:lab/inv_end kvm_mmu_notifier_invalidate_range_end mn=%x0 start=+$RS(%x1):x64 end=+$RE(%x1):x64 seq=+$((SEQ - MN))(%x0):u64 inprog=+$((INPROG - MN))(%x0):s64"
kp "p:lab/clear_flush_young kvm_mmu_notifier_clear_flush_young mn=%x0 mm=%x1 start=%x2 end=%x3 users=+$((USERS - MN))(%x0):s32"
kp "p:lab/clear_young kvm_mmu_notifier_clear_young mn=%x0 mm=%x1 start=%x2 end=%x3"
kp "p:lab/test_young kvm_mmu_notifier_test_young mn=%x0 mm=%x1 addr=%x2"
kp "p:lab/put_kvm kvm_put_kvm kvm=%x0 users=+$USERS(%x0):s32"
kp "p:lab/destroy_vm kvm_destroy_vm kvm=%x0 mm=+$KMM(%x0):x64 pgt=+$PGT(%x0):x64 users=+$USERS(%x0):s32"
kp "r:lab/destroy_vm_ret kvm_destroy_vm"
kp "p:lab/unregister mmu_notifier_unregister mn=%x0 mm=%x1 mm_users=+$MMU(%x1):s32 mm_count=+$MMC(%x1):s32"
kp "r:lab/unregister_ret mmu_notifier_unregister"
kp "p:lab/guest_abort kvm_handle_guest_abort vcpu=%x0 kvm=+0(%x0):x64 seq=+$SEQ(+0(%x0)):u64 inprog=+$INPROG(+0(%x0)):s64"
kp "r:lab/guest_abort_ret kvm_handle_guest_abort ret=\$retval:s32"
kp "r:lab/stage2_map_ret kvm_pgtable_stage2_map ret=\$retval:s32"
kp "p:lab/pfn __gfn_to_pfn_memslot slot=%x0 gfn=%x1"
kp "p:lab/mmput mmput mm=%x0 mm_users=+$MMU(%x0):s32"
kp "p:lab/exit_mmap exit_mmap mm=%x0 mm_users=+$MMU(%x0):s32"
while read -r line; do kp "$line"; done < /lab/probes.txt
cp $T/kprobe_events $O/kprobe_events.txt
echo "LAB kprobes: $(wc -l < $O/kprobe_events.txt) made, $(wc -l < $O/kprobes-failed.txt) failed"

# ---- something to reclaim to
echo lz4 > /sys/block/zram0/comp_algorithm
echo 256M > /sys/block/zram0/disksize && mkswap /dev/zram0 > /dev/null && swapon /dev/zram0 ||
	echo "LAB failed: no swap"
LRU_GEN=$(cat /sys/kernel/mm/lru_gen/enabled) # as the kernel was built
case $LRU_GEN in 0x0000) LRU_GEN=n;; *) LRU_GEN=y;; esac
echo "LAB swap: $(tail -n +2 /proc/swaps | head -1); lru_gen=$LRU_GEN"

send $O/functions-traced.txt $O/functions-traced-deep.txt $O/functions-missing.txt $O/kprobe_events.txt \
	$O/kprobes-failed.txt $O/offsets.txt
echo "LAB ready uptime=$(up)"

events_on() { # with or without those of every entry into a guest
	echo 0 > $T/events/enable
	for e in kvm/kvm_age_hva kvm/kvm_test_age_hva kvm/kvm_unmap_hva_range kvm/kvm_set_spte_hva \
		kvm/kvm_guest_fault kvm/kvm_access_fault sched/sched_process_exit sched/sched_process_fork \
		sched/sched_process_exec signal/signal_generate signal/signal_deliver; do
		[ -e $T/events/$e/enable ] && echo 1 > $T/events/$e/enable
	done
	[ "$entries" = 1 ] && for e in kvm/kvm_userspace_exit kvm/kvm_mmio kvm/kvm_entry kvm/kvm_exit \
		syscalls/sys_exit_ioctl; do
		[ -e $T/events/$e/enable ] && echo 1 > $T/events/$e/enable
	done
	case $mode in *args*) echo 1 > $T/events/lab/enable;; esac
}

stacks() { # of the first two calls of what is most interesting
	for e in age test_age unmap_gfn set_spte flush_shadow_all destroy_vm; do
		[ -e $T/events/lab/$e/trigger ] && echo "$1" > $T/events/lab/$e/trigger
	done
}

tracer_on() {
	case $mode in
	*func*) echo function > $T/current_tracer;;
	*graph*)
		echo function_graph > $T/current_tracer
		for o in funcgraph-proc funcgraph-abstime funcgraph-tail; do echo 1 > $T/options/$o; done;;
	esac
}

# run name=NAME mode=MODE buffer=KB entries=0|1 lru=n|y|built meet=SPECS dat=0|1 -- EXPERIMENT [ARGUMENTS]
# MODE: func or graph, args, deep, stack, joined by +
run() {
	local name mode buffer entries lru meet dat begun ended rc lost
	while [ "$1" != -- ]; do local "$1"; shift; done
	shift
	echo $buffer > $T/buffer_size_kb
	case $lru in built) lru=$LRU_GEN;; esac
	echo $lru > /sys/kernel/mm/lru_gen/enabled
	events_on
	case $mode in *deep*) cat /tmp/filter-deep >> $T/set_ftrace_filter;; esac
	case $mode in *stack*) stacks stacktrace:2;; esac
	tracer_on
	begun=$(up)
	if [ -n "$meet" ]; then
		LAB_MEET="$meet" $L run "$@" > $O/$name.log 2>&1
	else
		$L run "$@" > $O/$name.log 2>&1
	fi
	rc=$?
	echo 0 > $T/tracing_on
	ended=$(up)
	cat $T/trace > $O/$name.trace.txt
	[ "$dat" = 1 ] && trace_dat $name
	lost=$(cat $T/per_cpu/cpu*/stats | awk '/^overrun|^dropped events/ {s += $NF} END {print s}')
	echo nop > $T/current_tracer
	echo 0 > $T/events/enable
	case $mode in *deep*) cat /tmp/filter > $T/set_ftrace_filter;; esac
	case $mode in *stack*) stacks '!stacktrace';; esac
	echo > $T/trace
	send $O/$name.*
	echo "LAB exp $name mode=$mode rc=$rc start=$begun end=$ended saved=$(up) lines=$(wc -l < $O/$name.trace.txt) overrun=$lost"
	rm -f $O/$name.*
}

trace_dat() { # the same buffer as trace-cmd writes it
	local tc="/lab/tc/ld-linux-aarch64.so.1 --library-path /lab/tc /lab/tc/trace-cmd"
	$tc extract -o /tmp/trace.dat > /dev/null 2>&1 && base64 /tmp/trace.dat > $O/$1.trace.dat.base64
	rm -f /tmp/trace.dat
}

. /lab/orders.sh
dmesg > $O/dmesg.txt
send $O/dmesg.txt
