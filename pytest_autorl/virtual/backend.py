"""The back-end of a virtual app: what a bank keeps on its servers.

It outlives the app: terminating or clearing the app and ending the session leave it alone; only a reset
seeds it anew. Devices that name the same back-end share one, hence the lock.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from typing import Any

Record = dict[str, Any]
#: A collection never grows past this: a test in a loop must not eat the server's memory.
MAX_RECORDS = 2000


class Backend:
    """Collections of records and single documents, seeded from the app model.

    Take `lock` around any read that must agree with a later change.
    """

    def __init__(self, seed: Mapping[str, Any]) -> None:
        self._seed = seed
        self.lock = threading.RLock()
        self.data: dict[str, Any] = copy.deepcopy(dict(seed))

    def reseed(self) -> None:
        """Back to what the model says."""
        with self.lock:
            self.data = copy.deepcopy(dict(self._seed))

    def collection(self, name: str) -> list[Record]:
        """The records of a collection; an unknown name is an empty one."""
        found = self.data.setdefault(name, [])
        if not isinstance(found, list):
            raise TypeError(f"back-end {name!r} is a document, not a collection")
        return found

    def add(self, name: str, record: Record, *, first: bool = False) -> Record:
        """Put a record into a collection (at its front with `first`); gives it an id when it has none.

        A full collection drops its oldest record.
        """
        with self.lock:
            records = self.collection(name)
            stored = {"id": self._next_id(name, records), **record}
            if len(records) >= MAX_RECORDS:
                records.pop(-1 if first else 0)
            records.insert(0 if first else len(records), stored)
            return stored

    def change(
        self, name: str, matches: Callable[[Record], bool], change: Callable[[Record], Mapping[str, Any]]
    ) -> int:
        """Update each matching record with what `change` returns for it. Returns how many matched."""
        with self.lock:
            found = [record for record in self.collection(name) if matches(record)]
            for record in found:
                record.update(change(record))
            return len(found)

    def remove(self, name: str, matches: Callable[[Record], bool]) -> int:
        """Remove the matching records. Returns how many went."""
        with self.lock:
            records = self.collection(name)
            kept = [record for record in records if not matches(record)]
            gone = len(records) - len(kept)
            records[:] = kept
            return gone

    @staticmethod
    def _next_id(name: str, records: list[Record]) -> str:
        taken = {str(record.get("id")) for record in records}
        number = len(records) + 1
        while f"{name}-{number}" in taken:
            number += 1
        return f"{name}-{number}"
