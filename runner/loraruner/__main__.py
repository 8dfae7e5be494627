"""``python -m loraruner``: the same as the ``loraruner`` command."""

from loraruner.cli import main

if __name__ == "__main__":
    main()
