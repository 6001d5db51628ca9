"""Is a recorded trace of a real kernel a behaviour of the model?

script   what the tasks of a trace did, as data: the calls that each of them made
stage    from a script to a `World`, in which one thread of the model performs each task's calls
"""
