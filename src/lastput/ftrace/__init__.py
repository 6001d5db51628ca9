"""Reading of ftrace's recordings: from a file to events in order of time. Knows nothing of KVM."""
