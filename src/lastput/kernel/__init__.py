"""Linux itself, written in the model language: locks, counts, lists, files, tasks, memory.

Names are the kernel's. A file named `*_types` declares memory only, as the kernel's own headers of
that name do, so that the functions may include each other's structs in any order:

    lock_types  atomic  refcount  hlist  list                what memory looks like
    fs_types  mm_types  sched
    preempt  spinlock  rwlock  mutex  rwsem  seqcount        how threads exclude ...
    srcu  rcu  rcu_segcblist  completion  wait  workqueue    ... and wait
    task_work  file  scm                                     files and their deferred last put
    fork  exec  exit  signal                                 processes
    mmu_notifier  sched_mm  page  gup  mmap                  address spaces, from use to death
    rmap  vmscan  madvise                                    what the rest of the system does to them
"""
