"""Progress properties: searching the graph of all states for a fair loop in which something never happens.

graph (states and steps as arrays) -> region (where the goal is still open) -> components (its strongly
connected parts) -> fair (those in which a fair run can stay) -> walk (the way there, and the loop).
`seek.py` is the front door.
"""
