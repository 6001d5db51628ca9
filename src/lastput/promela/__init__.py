"""Models in Promela, Spin's language, on lastput's engine: read, searched, and replayed by other code."""
