"""A module that is skipped as a whole."""

import pytest
from planted import text

pytest.skip(text("skip_module"), allow_module_level=True)
