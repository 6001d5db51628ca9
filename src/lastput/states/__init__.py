"""The whole state space of a scenario as data: every state that is reachable, and every step between them.

`reach.py` finds them with the native engine, `fields.py` reads the fields of objects out of packed states,
`space.py` puts both together; `parquet.py` and `dot.py` write them down.
"""
