"""Reductions: fewer states or steps for the same verdict. Each is named in `plan.REDUCTIONS`."""
