"""``python -m nogap`` does what the command ``nogap`` does."""

import sys

from nogap.cli import main

if __name__ == "__main__":
    sys.exit(main())
