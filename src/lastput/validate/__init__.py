"""Is a recorded trace of a real kernel a behaviour of the model?

script   what the tasks of a trace did, as data: the calls that each of them made
stage    from a script to a `World`, in which one thread of the model performs each task's calls
seen     what must happen in that world: events, with checks of their arguments
follow   whether it can happen so: a search for the steps that no tracer saw. Below it `names` and `emit`
         (what model functions tell of themselves), `cells`, `stacks`, `record` and `live` (one step of one
         thread, once as data), `order` and `state`, `describe` and `outcome` (what it came to)
"""
