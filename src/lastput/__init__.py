"""lastput: run every interleaving of a kernel object's users; prove or show the oops."""

__version__ = "0.1.0"
