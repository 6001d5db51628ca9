"""`python -m lastput` is the `lastput` command."""

from lastput.cli.main import entry

if __name__ == "__main__":
    raise SystemExit(entry())
