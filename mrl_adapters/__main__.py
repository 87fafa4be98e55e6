"""``python -m mrl_adapters``: the command line, where scripts are not on the path."""

from mrl_adapters.cli import main

if __name__ == "__main__":
    main()
