"""A module that asks for another that is not there."""

import importlib

from planted import key

importlib.import_module(key("import_error"))
