"""python -m foils."""

from foils.cli import main

if __name__ == "__main__":
    main()
