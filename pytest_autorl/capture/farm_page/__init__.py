"""``farm.html``: one page about a run, a lane per device. Offline: nothing is fetched.

It can be read without scripts: a document with figures, tables and a drawing of the lanes in SVG (`document`, `head`,
`tables`, `drawing`). Its script (the ``.js`` files, as `document` orders them) replaces that drawing by one that can be
searched and zoomed, from the attempts that the page carries as JSON (`packed`).
"""

from __future__ import annotations

from pytest_autorl.capture.farm_page.document import page, parts
from pytest_autorl.capture.farm_page.lane import Lane, Outage

__all__ = ["Lane", "Outage", "page", "parts"]
