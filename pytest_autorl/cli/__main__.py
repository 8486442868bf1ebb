"""``python -m pytest_autorl.cli``."""

from pytest_autorl.cli import main

main()
