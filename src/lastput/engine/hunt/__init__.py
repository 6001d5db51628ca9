"""Searches for when there are too many states: walks, bounded searches, deepening.

Each finds violations without visiting every state, and each says how far it got. They know as little of
kernels as the rest of the engine.
"""
