"""All SQL of the SQLite engine: the tables, and the rows in them. Connections and transactions: `sqlite.py`."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pytest_autorl.state.engine import (
    DeviceRow,
    HolderRow,
    JobRow,
    OutboxRow,
    Phase,
    RunRow,
    SessionRow,
    TicketRow,
    WorkRow,
)

#: Written into the file's header: "arl1". A database with another one is somebody else's.
APPLICATION_ID = 0x61726C31

#: One tuple of statements for each version of the schema, in order; never change one that was released.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE device (
            key TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL, since_at_s REAL NOT NULL,
            token INTEGER NOT NULL, port_count INTEGER NOT NULL, after TEXT NOT NULL, holder TEXT NOT NULL,
            ticket INTEGER NOT NULL, owner TEXT NOT NULL, purpose TEXT NOT NULL, need TEXT NOT NULL,
            granted_at_s REAL NOT NULL, expires_s REAL NOT NULL, port INTEGER NOT NULL,
            is_parked INTEGER NOT NULL, is_yielding INTEGER NOT NULL, sessions TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE ticket (
            number INTEGER PRIMARY KEY AUTOINCREMENT, holder TEXT NOT NULL, owner TEXT NOT NULL,
            purpose TEXT NOT NULL, need TEXT NOT NULL, candidates TEXT NOT NULL, wants INTEGER NOT NULL,
            asked_at_s REAL NOT NULL, deadline_s REAL NOT NULL, wake TEXT NOT NULL
        )""",
        """CREATE TABLE holder (
            id TEXT PRIMARY KEY, run TEXT NOT NULL, owner TEXT NOT NULL, pid INTEGER NOT NULL,
            boot_id TEXT NOT NULL, wake TEXT NOT NULL
        ) WITHOUT ROWID""",
        "CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE job (
            id TEXT PRIMARY KEY, status TEXT NOT NULL, claimed_by TEXT NOT NULL, holder TEXT NOT NULL,
            boot_id TEXT NOT NULL, token INTEGER NOT NULL, claimed_at_s REAL NOT NULL, expires_s REAL NOT NULL,
            cancel_requested TEXT NOT NULL, progress REAL NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE outbox (
            number INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL, key TEXT NOT NULL,
            kind TEXT NOT NULL, payload TEXT NOT NULL, created_at_s REAL NOT NULL, attempts INTEGER NOT NULL,
            next_at_s REAL NOT NULL, error TEXT NOT NULL, is_dead INTEGER NOT NULL,
            UNIQUE (destination, key)
        )""",
    ),
    (
        "ALTER TABLE device ADD COLUMN server TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE device ADD COLUMN slots INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE device ADD COLUMN health TEXT NOT NULL DEFAULT ''",
    ),
    (
        "CREATE TABLE suite (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used INTEGER NOT NULL)",
        """CREATE TABLE run (
            number INTEGER PRIMARY KEY AUTOINCREMENT, suite INTEGER NOT NULL, id TEXT NOT NULL,
            begun_at_s REAL NOT NULL, ended_at_s REAL NOT NULL, outcome TEXT NOT NULL, reports TEXT NOT NULL,
            facts TEXT NOT NULL
        )""",
        "CREATE INDEX run_suite ON run (suite)",
        """CREATE TABLE history (
            suite INTEGER NOT NULL, test TEXT NOT NULL, seen INTEGER NOT NULL, works_s BLOB NOT NULL,
            PRIMARY KEY (suite, test)
        ) WITHOUT ROWID""",
    ),
)

_DEVICE = ", ".join(DeviceRow._fields)
_PUT_DEVICE = f"INSERT OR REPLACE INTO device ({_DEVICE}) VALUES ({', '.join('?' * len(DeviceRow._fields))})"
_EMPTY = DeviceRow(key="", status="")
_TICKET = ", ".join(TicketRow._fields)
_HOLDER = ", ".join(HolderRow._fields)
_JOB = ", ".join(JobRow._fields)
_OUTBOX = ", ".join(OutboxRow._fields)
_USE_SUITE = """INSERT INTO suite (name, used) VALUES (?, (SELECT ifnull(max(used), 0) + 1 FROM suite))
    ON CONFLICT (name) DO UPDATE SET used = excluded.used"""
_OF_SUITE = "suite = (SELECT id FROM suite WHERE name = ?)"


def migrate(connection: sqlite3.Connection, version: int, migrations: Sequence[Sequence[str]]) -> None:
    """Bring the tables from `version` to the newest; within a transaction of the caller."""
    for statements in migrations[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


class SqliteBooks:
    """`Books` over a connection; the caller makes the transaction. Every cursor is read to its end at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._execute_many = connection.executemany
        #: The last token given here, with its device; None when none was.
        self.last: tuple[str, int] | None = None
        #: All who wait, as long as that has not changed: every rule asks for it, and mostly nobody does.
        self._tickets: list[TicketRow] | None = None
        #: Rows written in this transaction: mostly the next one wants what the last one has given back.
        self._devices: dict[str, DeviceRow] = {}

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._execute(sql, values).fetchall()

    def device(self, key: str) -> DeviceRow | None:
        """See `Books.device`."""
        if key in self._devices:
            return self._devices[key]
        rows = self._rows(f"SELECT {_DEVICE} FROM device WHERE key = ?", (key,))
        return _device(rows[0]) if rows else None

    def devices(self) -> list[DeviceRow]:
        """See `Books.devices`."""
        return [_device(row) for row in self._rows(f"SELECT {_DEVICE} FROM device ORDER BY key")]

    def devices_of(self, holder: str) -> list[DeviceRow]:
        """See `Books.devices_of`."""
        sql = f"SELECT {_DEVICE} FROM device WHERE holder = ? ORDER BY key"
        return [_device(row) for row in self._rows(sql, (holder,))]

    def phases(self) -> dict[str, Phase]:
        """See `Books.phases`."""
        rows = self._rows("SELECT key, status, holder, is_yielding, server, slots FROM device")
        return {
            key: Phase(status, bool(holder), bool(is_yielding), server, slots)
            for key, status, holder, is_yielding, server, slots in rows
        }

    def available(self) -> dict[str, bool]:
        """See `Books.available`."""
        rows = self._rows("SELECT key, slots > 0 FROM device WHERE status = 'available'")
        return {key: bool(is_limited) for key, is_limited in rows}

    def put_device(self, row: DeviceRow) -> None:
        """See `Books.put_device`."""
        sessions = json.dumps(row.sessions) if row.sessions else "[]"
        self._execute(_PUT_DEVICE, (*row[:-1], sessions))
        self._devices[row.key] = row

    def remove_device(self, key: str) -> None:
        """See `Books.remove_device`."""
        self._execute("DELETE FROM device WHERE key = ?", (key,))
        self._devices.pop(key, None)

    def ports_in_use(self) -> set[int]:
        """See `Books.ports_in_use`."""
        return {row[0] for row in self._rows("SELECT port FROM device WHERE port > 0")}

    def tickets(self) -> list[TicketRow]:
        """See `Books.tickets`."""
        if self._tickets is None:
            self._tickets = [
                _ticket(row) for row in self._rows(f"SELECT {_TICKET} FROM ticket ORDER BY number")
            ]
        return list(self._tickets)

    def add_ticket(self, row: TicketRow) -> int:
        """See `Books.add_ticket`."""
        self._tickets = None
        fields = row._replace(candidates=json.dumps(row.candidates))[1:]  # type: ignore[arg-type]
        columns = ", ".join(TicketRow._fields[1:])
        cursor = self._execute(f"INSERT INTO ticket ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", fields)
        return int(cursor.lastrowid or 0)

    def remove_ticket(self, number: int) -> None:
        """See `Books.remove_ticket`."""
        self._tickets = None
        self._execute("DELETE FROM ticket WHERE number = ?", (number,))

    def holders(self) -> list[HolderRow]:
        """See `Books.holders`."""
        return [HolderRow(*row) for row in self._rows(f"SELECT {_HOLDER} FROM holder ORDER BY id")]

    def put_holder(self, row: HolderRow) -> None:
        """See `Books.put_holder`."""
        self._execute(f"INSERT OR REPLACE INTO holder ({_HOLDER}) VALUES (?, ?, ?, ?, ?, ?)", row)

    def remove_holder(self, holder: str) -> None:
        """See `Books.remove_holder`."""
        self._execute("DELETE FROM holder WHERE id = ?", (holder,))

    def number(self, name: str) -> int:
        """See `Books.number`."""
        rows = self._rows("SELECT value FROM number WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0

    def set_number(self, name: str, value: int) -> None:
        """See `Books.set_number`."""
        self._execute("INSERT OR REPLACE INTO number (name, value) VALUES (?, ?)", (name, value))

    def note_token(self, key: str, token: int) -> None:
        """See `Books.note_token`."""
        self.last = (key, token)

    def job(self, job_id: str) -> JobRow | None:
        """See `Books.job`."""
        rows = self._rows(f"SELECT {_JOB} FROM job WHERE id = ?", (job_id,))
        return JobRow(*rows[0]) if rows else None

    def jobs(self) -> list[JobRow]:
        """See `Books.jobs`."""
        return [JobRow(*row) for row in self._rows(f"SELECT {_JOB} FROM job ORDER BY id")]

    def put_job(self, row: JobRow) -> None:
        """See `Books.put_job`."""
        self._execute(f"INSERT OR REPLACE INTO job ({_JOB}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def outbox(self, *, due_at_s: float, limit: int) -> list[OutboxRow]:
        """See `Books.outbox`."""
        sql = f"SELECT {_OUTBOX} FROM outbox WHERE NOT is_dead AND next_at_s <= ? ORDER BY number LIMIT ?"
        return [_outbox(row) for row in self._rows(sql, (due_at_s, limit))]

    def outbox_item(self, destination: str, key: str) -> OutboxRow | None:
        """See `Books.outbox_item`."""
        sql = f"SELECT {_OUTBOX} FROM outbox WHERE destination = ? AND key = ?"
        rows = self._rows(sql, (destination, key))
        return _outbox(rows[0]) if rows else None

    def outbox_row(self, number: int) -> OutboxRow | None:
        """See `Books.outbox_row`."""
        rows = self._rows(f"SELECT {_OUTBOX} FROM outbox WHERE number = ?", (number,))
        return _outbox(rows[0]) if rows else None

    def outbox_count(self) -> int:
        """See `Books.outbox_count`."""
        return int(self._rows("SELECT count(*) FROM outbox")[0][0])

    def outbox_oldest(self, kinds: Collection[str], limit: int) -> list[int]:
        """See `Books.outbox_oldest`."""
        marks = ", ".join("?" * len(kinds))
        sql = f"SELECT number FROM outbox WHERE kind IN ({marks}) ORDER BY number LIMIT ?"
        return [int(row[0]) for row in self._rows(sql, (*kinds, limit))]

    def add_outbox(self, row: OutboxRow) -> int:
        """See `Books.add_outbox`."""
        columns = ", ".join(OutboxRow._fields[1:])
        cursor = self._execute(f"INSERT INTO outbox ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row[1:])
        return int(cursor.lastrowid or 0)

    def put_outbox(self, row: OutboxRow) -> None:
        """See `Books.put_outbox`."""
        columns = ", ".join(f"{name} = ?" for name in OutboxRow._fields[1:])
        self._execute(f"UPDATE outbox SET {columns} WHERE number = ?", (*row[1:], row.number))

    def remove_outbox(self, numbers: Iterable[int]) -> None:
        """See `Books.remove_outbox`."""
        for number in numbers:
            self._execute("DELETE FROM outbox WHERE number = ?", (number,))

    def outbox_rows(self) -> list[OutboxRow]:
        """See `Books.outbox_rows`."""
        return [_outbox(row) for row in self._rows(f"SELECT {_OUTBOX} FROM outbox ORDER BY number")]

    def suites(self) -> list[str]:
        """See `Books.suites`."""
        return [row[0] for row in self._rows("SELECT name FROM suite ORDER BY used")]

    def remove_suite(self, suite: str) -> None:
        """See `Books.remove_suite`."""
        for table in ("run", "history"):
            self._execute(f"DELETE FROM {table} WHERE {_OF_SUITE}", (suite,))
        self._execute("DELETE FROM suite WHERE name = ?", (suite,))

    def runs(self, suite: str) -> list[RunRow]:
        """See `Books.runs`."""
        columns = ", ".join(RunRow._fields[2:])
        sql = f"SELECT id, {columns} FROM run WHERE {_OF_SUITE} ORDER BY number"
        return [RunRow(row[0], suite, *row[1:]) for row in self._rows(sql, (suite,))]

    def add_run(self, row: RunRow) -> int:
        """See `Books.add_run`."""
        columns = ", ".join(("suite", "id", *RunRow._fields[2:-1]))
        fields = (self._use(row.suite), row.id, *row[2:-1])
        cursor = self._execute(f"INSERT INTO run ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", fields)
        return int(cursor.lastrowid or 0)

    def remove_runs(self, numbers: Iterable[int]) -> None:
        """See `Books.remove_runs`."""
        self._execute_many("DELETE FROM run WHERE number = ?", [(number,) for number in numbers])

    def history(self, suite: str) -> list[WorkRow]:
        """See `Books.history`."""
        sql = f"SELECT test, seen, works_s FROM history WHERE {_OF_SUITE} ORDER BY test"
        return [WorkRow(test, seen, _floats(raw)) for test, seen, raw in self._rows(sql, (suite,))]

    def put_history(self, suite: str, rows: Iterable[WorkRow]) -> None:
        """See `Books.put_history`."""
        key = self._use(suite)
        self._execute_many(
            "INSERT OR REPLACE INTO history (suite, test, seen, works_s) VALUES (?, ?, ?, ?)",
            [(key, row.test, row.seen, struct.pack(f"<{len(row.works_s)}d", *row.works_s)) for row in rows],
        )

    def remove_history(self, suite: str, tests: Iterable[str]) -> None:
        """See `Books.remove_history`."""
        sql = f"DELETE FROM history WHERE {_OF_SUITE} AND test = ?"
        self._execute_many(sql, [(suite, test) for test in tests])

    def _use(self, suite: str) -> int:
        """The suite's key in the tables; it is the last used one from now on."""
        self._execute(_USE_SUITE, (suite,))
        return int(self._rows("SELECT id FROM suite WHERE name = ?", (suite,))[0][0])


def token_of(connection: sqlite3.Connection, key: str) -> int:
    """The last token that the device whose key begins so can have; 0 when there is none."""
    sql = """SELECT max(token) FROM (
        SELECT token FROM device WHERE substr(key, 1, ?) = ? UNION ALL SELECT value FROM number WHERE name = 'floor'
    )"""
    return int(connection.execute(sql, (len(key), key)).fetchall()[0][0] or 0)


def knows(connection: sqlite3.Connection, key: str) -> bool:
    """Whether there is a device whose key begins so; False in an empty file."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'device'").fetchall():
        return False
    sql = "SELECT 1 FROM device WHERE substr(key, 1, ?) = ? LIMIT 1"
    return bool(connection.execute(sql, (len(key), key)).fetchall())


def salvage(connection: sqlite3.Connection) -> tuple[int, list[DeviceRow]]:
    """What a damaged file still tells: the highest token, and the devices, in the order of their keys.

    Reads row by row and from both ends, so that one bad page costs what stands on it. Never raises for what cannot
    be read.
    """
    found: dict[str, DeviceRow] = {}
    columns = _DEVICE
    with contextlib.suppress(sqlite3.Error):
        columns = _columns(connection)
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.Error):
            for raw in connection.execute(f"SELECT {columns} FROM device ORDER BY key {order}"):
                with contextlib.suppress(ValueError, TypeError):  # what stands for sessions is none
                    row = _device(raw)
                    if _is_whole(row):
                        found[row.key] = row
    rows = sorted(found.values())
    return max((row.token for row in rows), default=0), rows


def _columns(connection: sqlite3.Connection) -> str:
    """What to select for a `DeviceRow`: in tables of an earlier version some columns are missing, and are empty."""
    there = {row[1] for row in connection.execute("PRAGMA table_info(device)").fetchall()}
    empty = {name: "''" if value == "" else "0" for name, value in _EMPTY._asdict().items()}
    return ", ".join(name if name in there else empty[name] for name in DeviceRow._fields)


def _is_whole(row: DeviceRow) -> bool:
    """Whether each field is of its type: SQLite reads garbage that has the form of a row."""
    texts = (text for session in row.sessions for text in session)
    return [*map(type, row)] == [*map(type, _EMPTY)] and all(isinstance(text, str) for text in texts)


def _device(row: tuple[Any, ...]) -> DeviceRow:
    is_parked, is_yielding, raw = row[-3:]
    sessions = () if raw == "[]" else tuple(SessionRow(*each) for each in json.loads(raw))
    return DeviceRow._make((*row[:-3], bool(is_parked), bool(is_yielding), sessions))


def _ticket(row: tuple[Any, ...]) -> TicketRow:
    found = TicketRow(*row)
    return found._replace(candidates=tuple(json.loads(found.candidates)))  # type: ignore[arg-type]


def _outbox(row: tuple[Any, ...]) -> OutboxRow:
    found = OutboxRow(*row)
    return found._replace(is_dead=bool(found.is_dead))


def _floats(raw: bytes) -> tuple[float, ...]:
    """Numbers of eight bytes each: exact, and a tenth of the time that JSON takes."""
    return struct.unpack(f"<{len(raw) // 8}d", raw)
