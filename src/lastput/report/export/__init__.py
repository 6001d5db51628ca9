"""Results in the formats of other tools: one file per format, each a pure function of the results."""
