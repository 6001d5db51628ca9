"""`python -m lastput` is the `lastput` command."""

from lastput.cli.start import entry

if __name__ == "__main__":
    entry()
