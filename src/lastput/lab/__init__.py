"""A capture lab: a real arm64 kernel with KVM, traced while small experiments run on it, under emulation.

Debian's kernels run in QEMU's own processor (TCG, no KVM and no rights on this machine are needed). In
processing order: `tools` (what this machine lacks), `apt` (packages, verified), `kernels` (which), `image`
(compiles the experiments of `guest/` and packs them), `experiments` (which there are), `machine` (QEMU),
`serial` (what the machine says), `judge` (whether that is a capture), `capture` (a folder of it).
"""
