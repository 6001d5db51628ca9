"""Users of mmu notifiers other than KVM, each as lean as the question that is asked about it:

driver    a device that mirrors a range, as the kernel's own test driver does (interval notifiers)
hmm       struct hmm of Linux 5.2 and its mirrors
odp       RDMA's memory regions that fault
mlx5_odp  ... and the children of implicit ones
amdkfd    ranges that a GPU shares with a process
hfi1      pages of a process that a network adapter keeps
sva       an IOMMU that walks the process's own page table
"""
