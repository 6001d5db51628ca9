"""Is this check needed? Remove it and see.

removals   what can be removed from the functions of a model
guards     ... of it the checks
pairs      ... of it what is taken and given back: locks, read sections, references
reading    what names and conditions of a function mean
trials     each removal tried, and the verdict on it
"""
