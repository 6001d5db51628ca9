"""Walking through a scenario by hand: `lastput explore`, as a local page or in the terminal.

In reading order: `steps` (what can be done next), `picture` (memory there), `session` (a path, back and
forth), `moments` (the next step worth a look), `nearest` (the shortest way to a violation, or to where an
expression is true), `finder` (that search, beside the walk), `walk` (a session with its searches), `view`
(all of it as JSON), `server` (the page), `tui` (the terminal; `tui_text`: what it shows).
"""
