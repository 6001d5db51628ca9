"""The native kernels of the search for loops. Each is linear in the states and steps that it visits.

Strongly connected components: R. E. Tarjan, "Depth-First Search and Linear Graph Algorithms", SIAM Journal on
Computing 1(2), 1972; with a stack of its own in place of recursion, and on the part of the graph that is
marked.
"""

# numba has no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from lastput.engine.native import native

FAR = np.uint32(0xFFFFFFFF)
"""Distance of a state that is not reached."""

_ONE = np.uint64(1)
_NONE = np.uint64(0)
_STATE_EVENT = 0xFFFF


@native
def gather(labels, made, offsets, enabled, threads):
    """The steps of a batch, grouped by state: where those of the next state begin goes into `offsets`, who
    can step into `enabled`, who takes each step into `threads`. offsets[0] is known.
    """
    for i in range(made):
        state = np.int64(labels[i] >> np.uint64(32))
        thread = (labels[i] >> np.uint64(16)) & np.uint64(0xFFFF)
        offsets[state + 1] += 1
        enabled[state] |= _ONE << thread
        threads[i] = np.uint8(thread)
    for state in range(len(enabled)):
        offsets[state + 1] += offsets[state]


@native
def note_broken(events, count, enabled):
    """Note in `enabled` who can step only into a bound of the model."""
    for i in range(count):
        thread = (events[i, 0] >> np.uint64(16)) & np.uint64(0xFFFF)
        if thread != np.uint64(_STATE_EVENT):
            enabled[np.int64(events[i, 0] >> np.uint64(32))] |= _ONE << thread


@native
def spread(offsets, targets, starts, depth, allowed, distance, parent):
    """Breadth-first search from several states, each of which begins at its own depth.

    What is taken next is the nearest of the queue and of the starts, so that the queue stays in order.
    `starts` are in the order of `depth`, as states in breadth-first order are. `distance` and `parent` are
    set for every state that is reached through `allowed` ones.
    """
    distance[:] = FAR
    queue = np.empty(len(distance), np.uint32)
    head = tail = taken = 0
    for k in range(len(starts)):  # no way through the others is shorter than a start's own
        distance[starts[k]] = depth[k]
        parent[starts[k]] = FAR
    while True:
        if taken < len(starts) and (head == tail or depth[taken] <= distance[queue[head]]):
            state = starts[taken]
            taken += 1
        elif head < tail:
            state = queue[head]
            head += 1
        else:
            return
        for i in range(offsets[state], offsets[state + 1]):
            target = targets[i]
            if allowed[target] and distance[target] == FAR:
                distance[target] = distance[state] + np.uint32(1)
                parent[target] = state
                queue[tail] = target
                tail += 1


@native
def components(offsets, targets, inside, found):
    """Strongly connected components of the states that are `inside`; returns how many there are.

    `found` is set to the number of each state's component, from 1; 0 outside.
    """
    count = len(inside)
    number = np.zeros(count, np.uint32)
    low = np.zeros(count, np.uint32)
    waiting = np.empty(count, np.uint32)
    path = np.empty(count, np.uint32)
    edge = np.empty(count, np.int64)
    found[:] = np.uint32(0)
    next_number = np.uint32(0)
    kept = 0
    made = np.uint32(0)
    for root in range(count):
        if not inside[root] or number[root]:
            continue
        depth = 0
        path[0], edge[0] = root, offsets[root]
        next_number += np.uint32(1)
        number[root] = low[root] = next_number
        waiting[kept] = root
        kept += 1
        while depth >= 0:
            state = path[depth]
            if edge[depth] < offsets[state + 1]:
                target = targets[edge[depth]]
                edge[depth] += 1
                if not inside[target]:
                    continue
                if number[target] == 0:
                    depth += 1
                    path[depth], edge[depth] = target, offsets[target]
                    next_number += np.uint32(1)
                    number[target] = low[target] = next_number
                    waiting[kept] = target
                    kept += 1
                elif found[target] == 0:
                    low[state] = min(low[state], number[target])
                continue
            if low[state] == number[state]:
                made += np.uint32(1)
                while True:
                    kept -= 1
                    found[waiting[kept]] = made
                    if waiting[kept] == state:
                        break
            depth -= 1
            if depth >= 0:
                low[path[depth]] = min(low[path[depth]], low[state])
    return int(made)


@native
def summarise(offsets, targets, threads, enabled, found, taken, able, unable):
    """For each component: who steps within it, who can step in some state of it, and who cannot in some."""
    for state in range(len(found)):
        own = found[state]
        if own == 0:
            continue
        able[own] |= enabled[state]
        unable[own] |= ~enabled[state]
        for i in range(offsets[state], offsets[state + 1]):
            if found[targets[i]] == own:
                taken[own] |= _ONE << np.uint64(threads[i])


@native
def nearest(offsets, targets, threads, enabled, inside, start, wanted, blocked, back, first, via):
    """Breadth-first from `start` among the states `inside`: the steps to what is nearest.

    That is a step of one of the threads `wanted`; with `blocked`, also a state in which one of them cannot
    step; or, with `back` not below 0, that state, after one step at least. `first` and `via` are scratch
    arrays of the size of the graph: who led to a state, by which step. Returns the steps, as indexes of
    `targets`, and True; or none, and False.
    """
    via[:] = -1
    queue = np.empty(len(inside), np.uint32)
    queue[0] = start
    first[start] = start
    head, tail = 0, 1
    while head < tail:
        state = queue[head]
        head += 1
        for i in range(offsets[state], offsets[state + 1]):
            target = targets[i]
            if not inside[target]:
                continue
            mine = _ONE << np.uint64(threads[i])
            hit = (mine & wanted) != _NONE or np.int64(target) == back
            if blocked and (~enabled[target] & wanted) != _NONE:
                hit = True
            if hit:
                length = 1
                here = state
                while here != start:
                    length += 1
                    here = first[here]
                steps = np.empty(length, np.int64)
                steps[length - 1] = i
                here = state
                for k in range(length - 2, -1, -1):
                    steps[k] = via[here]
                    here = first[here]
                return steps, True
            if via[target] < 0 and target != start:
                via[target] = i
                first[target] = state
                queue[tail] = target
                tail += 1
    return np.empty(0, np.int64), False
