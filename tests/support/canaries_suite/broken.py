"""A module that cannot be imported, and says why."""

from planted import text

print(text("collection_stdout"))
raise RuntimeError(text("collection_error"))
