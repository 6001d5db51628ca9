"""Reductions: which steps need no alternative, found before the search and tested while it runs."""
