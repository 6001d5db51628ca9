"""The model as ordinary CPython: replay, debugger, brute-force oracle.

In reading order: `memory` and `pointer` (one access), `machine` (every intrinsic), `setup` (a scenario
becomes a World); `names`, `infer`, `instrument`, `program` (model functions rewritten); `scheduler`
(threads and steps); `judge` (a state as a whole), `constants`, `liveness`, `state` (when two states
are one), `explore` (the oracle); `trace`, `replay`, `debug`.
"""
