"""`python -m irqframe`: the command line, where its script is not on the path."""

from irqframe.cli import main

if __name__ == "__main__":
    main()
