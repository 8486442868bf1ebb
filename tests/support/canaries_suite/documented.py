"""Examples in docstrings that are wrong."""


def printed() -> None:
    """
    >>> from planted import text
    >>> print(text("doctest"))
    nothing
    """


def raised() -> None:
    """
    >>> from planted import text
    >>> raise RuntimeError(text("doctest_error"))
    """
