"""From a violation of a model to the same window on a real kernel.

`forced` runs a schedule of the model with one task held, `window` finds what to hold and until when, `kernel`
says what a kernel can trace and which experiment makes it run, `attempt` has the lab force it, `sight` looks
for the window in what was recorded.
"""
