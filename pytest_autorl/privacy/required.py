"""Whether data has the fields that it must have; the values are not looked at beyond that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from pytest_autorl.errors import AutorlError, Blame

_INDEX: Final = re.compile(r"[0-9]{1,9}")


class MissingFieldsError(AutorlError):
    """Data lacks fields that it must have.

    Attributes:
        missing: Their names, as they were asked for.
    """

    blame: ClassVar[Blame] = "test"

    def __init__(
        self, what: str, *, device_id: str | None = None, do: str = "", missing: Iterable[str] = ()
    ) -> None:
        super().__init__(what, device_id=device_id, do=do)
        self.missing = tuple(missing)


def validate_required_fields(data: Mapping[str, Any], required: Iterable[str]) -> None:
    """Check that each field is there, is not None and no blank text.

    Args:
        required: Names; dots lead inside (``user.email``, ``cards.0.number``) where no key is spelled so.
    Raises: MissingFieldsError that names all that are missing.
    """
    names = [required] if isinstance(required, str) else list(required)
    missing = [name for name in names if not _is_there(data, name)]
    if missing:
        listed = ", ".join(missing)
        what = f"required field{'s are' if len(missing) > 1 else ' is'} missing or empty: {listed}"
        raise MissingFieldsError(what, do="fill them in", missing=missing)


def _is_there(data: Any, name: str) -> bool:
    if isinstance(data, Mapping) and name in data:
        return _is_filled(data[name])
    found = data
    for part in name.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, Sequence) and not isinstance(found, str | bytes) and _INDEX.fullmatch(part):
            if int(part) >= len(found):
                return False
            found = found[int(part)]
        else:
            return False
    return _is_filled(found)


def _is_filled(value: Any) -> bool:
    return value is not None and not (isinstance(value, str | bytes) and not value.strip())
