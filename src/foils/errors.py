"""What can go wrong for a user, in one tree.

FoilsError
├── DataError      a file, a folder or a table is not what it should be
├── RecipeError    steps, options or columns do not fit together
├── MissingExtra   an optional package is not installed
└── JudgeError     a judge could not give verdicts
"""


class FoilsError(Exception):
    """Base of all errors meant for a user: one line saying what was wrong, what was found, what would work."""


class DataError(FoilsError):
    """A file, a folder or a table is not what it should be."""


class RecipeError(FoilsError):
    """Steps, options or columns do not fit together."""


class JudgeError(FoilsError):
    """A judge could not give verdicts."""


class MissingExtra(FoilsError):
    """An optional package is not installed.

    Args:
        package: the distribution that could not be imported.
        extra: the extra of foils that installs it.
        purpose: what the user asked for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed; run: pip install 'foils[{extra}]'")
