"""Walking through a scenario by hand: `lastput explore`, as a local page or in the terminal.

In reading order: `steps` (what can be done next), `session` (a path, back and forth), `moments` (the
next step worth a look), `expression` (a condition over objects), `nearest` (the shortest way to one),
`finder` (that search, beside the walk), `view` (all of it as JSON), `server` (the page), `tui`.
"""
