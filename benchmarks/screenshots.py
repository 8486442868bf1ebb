"""What it costs to mask a screenshot: a phone's screen, beside what Pillow does by itself.

    python benchmarks/screenshots.py [--rounds 9] [--quick]

The picture has 1080x2400 pixels in RGB: rows of text as an app shows them, and a photograph below. Ten rectangles are
masked in it. The arms take turns; printed are the best time of each (processor time of the thread, so that others on
the machine count for little), the size of what it made, and how many times faster than `pillow` it was

  pillow   decoded, filled and encoded, as Pillow's defaults have it
  isal     ours, with the library of the extra `privacy`
  zlib     ours without it
  strip    a screen with nothing to mask: what is about the picture is left out

The same again for a screen of text alone, which Pillow encodes in half the time: without bounds. And `find`:
which of the elements of a page source are to be masked, asked of the project's redactor; 400 elements, ten of them.

Bounds, exit code 1 when one is missed: `isal` at least 4 times, `zlib` at least 2.5 times as fast as `pillow`; and all
give the same pixels. `--quick` shows in about 5 s that the script works; its figures prove nothing.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image, ImageChops, ImageDraw, ImageFont

from pytest_autorl.privacy.box import Box
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.png import masked
from pytest_autorl.privacy.redactor import Redactor
from pytest_autorl.privacy.screenshots import boxes_of
from pytest_autorl.privacy.uitree import read_tree

#: Bounds that the project promises.
WITH_ISAL, WITHOUT = 4.0, 2.5
SIZE = (1080, 2400)
WORDS = ("Account", "Balance", "1.250,00", "Transfer", "Rent", "March", "Groceries", "DE89 3704", "Settings")


def photo(width: int, height: int) -> Image.Image:
    """Clouds of several sizes with the grain of a sensor: as hard to compress as a photograph."""
    size, channels = (width, height), []
    for _ in "RGB":
        clouds = Image.new("L", size, 128)
        for coarse, strength in ((120, 60), (40, 40), (12, 25), (4, 12)):
            noise = Image.effect_noise((width // coarse + 2, height // coarse + 2), strength)
            clouds = Image.blend(clouds, noise.resize(size, Image.Resampling.BICUBIC), 0.4)
        channels.append(ImageChops.add(clouds, Image.effect_noise(size, 3), 1, -128))
    return Image.merge("RGB", channels)


def picture(*, has_photo: bool) -> bytes:
    """A screen as a device would send it."""
    luck = random.Random(7)
    image = Image.new("RGB", SIZE, (250, 250, 252))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=34)
    for y in range(20, 1860 if has_photo else 2380, 56):
        draw.text((30, y), "  ".join(luck.choices(WORDS, k=5)), fill=(30, 30, 36), font=font)
    if has_photo:
        image.paste(photo(1080, 500), (0, 1880))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def by_pillow(png: bytes, boxes: list[Box]) -> bytes:
    with Image.open(io.BytesIO(png)) as image:
        draw = ImageDraw.Draw(image)
        for box in boxes:
            draw.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=(0, 0, 0))
        out = io.BytesIO()
        image.save(out, "PNG")
    return out.getvalue()


@contextmanager
def without_isal() -> Iterator[None]:
    """The library is not installed."""
    before = sys.modules.get("isal")
    sys.modules["isal"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["isal"]
        if before is not None:
            sys.modules["isal"] = before


def by_zlib(png: bytes, boxes: list[Box]) -> bytes:
    with without_isal():
        return masked(png, boxes)


def source() -> str:
    """A list of a hundred rows, four elements each; every tenth row shows an e-mail address."""
    rows = "".join(
        f'<r class="android.widget.LinearLayout" bounds="[0,{24 * n}][1080,{24 * n + 24}]">'
        f'<a class="android.widget.TextView" text="Customer {n}" bounds="[0,{24 * n}][400,{24 * n + 24}]"/>'
        f'<b class="android.widget.TextView" text="{f"user{n}@example.com" if n % 10 == 0 else "no address"}"'
        f' bounds="[400,{24 * n}][800,{24 * n + 24}]"/>'
        f'<c class="android.widget.TextView" text="Balance {n}.50" bounds="[800,{24 * n}][1080,{24 * n + 24}]"/></r>'
        for n in range(100)
    )
    return f'<hierarchy width="1080" height="2400"><w bounds="[0,0][1080,2400]">{rows}</w></hierarchy>'


def timed_ms(step: Callable[[], object]) -> float:
    begun_s = time.thread_time()
    step()
    return (time.thread_time() - begun_s) * 1000


def measure(rounds: int) -> bool:
    """Whether the bounds hold."""
    boxes = [Box(30, 76 + 168 * n, 700, 120 + 168 * n) for n in range(10)]
    has_isal = is_installed("isal")
    is_fine = True
    for title, png in (("text and photo", picture(has_photo=True)), ("text alone", picture(has_photo=False))):
        ratios, is_same = compare(title, arms_of(png, boxes, has_isal), rounds)
        is_fine &= tell(f"{title}: the same pixels", is_same, is_same, "1 is yes")
        if title == "text and photo":
            is_fine &= tell(
                "zlib, times faster", ratios["zlib"], ratios["zlib"] >= WITHOUT, f"at least {WITHOUT:g}"
            )
            if has_isal:
                is_met = ratios["isal"] >= WITH_ISAL
                is_fine &= tell("isal, times faster", ratios["isal"], is_met, f"at least {WITH_ISAL:g}")
            else:
                print("isal is not installed: pip install pytest-autorl[privacy]")
    page, redactor = source(), Redactor()
    finding_ms = min(timed_ms(lambda: find(page, redactor)) for _ in range(rounds))
    print(f"{'find, ms':<32}{finding_ms:10.2f}")
    return is_fine


def find(page: str, redactor: Redactor) -> list[Box]:
    found = boxes_of(read_tree(page), SIZE, finds=redactor.finds, masking=Masking())
    assert len(found) == 10
    return found


def arms_of(png: bytes, boxes: list[Box], has_isal: bool) -> dict[str, Callable[[], bytes]]:
    arms: dict[str, Callable[[], bytes]] = {
        "pillow": lambda: by_pillow(png, boxes),
        "zlib": lambda: by_zlib(png, boxes),
        "strip": lambda: masked(png, []),
    }
    return {**arms, "isal": lambda: masked(png, boxes)} if has_isal else arms


def compare(title: str, arms: dict[str, Callable[[], bytes]], rounds: int) -> tuple[dict[str, float], bool]:
    """How many times faster than `pillow` each arm is, and whether all that mask give the same pixels."""
    made = {name: arm() for name, arm in arms.items()}
    pixels = {Image.open(io.BytesIO(body)).tobytes() for name, body in made.items() if name != "strip"}
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            taken[name].append(timed_ms(arm))
    best = {name: min(times) for name, times in taken.items()}
    ratios = {name: best["pillow"] / best[name] for name in best}
    print(f"{title:<20}{'best ms':>10}{'KiB':>8}{'x pillow':>10}")
    for name in taken:
        print(f"{name:<20}{best[name]:>10.1f}{len(made[name]) // 1024:>8}{ratios[name]:>10.1f}", flush=True)
    return ratios, len(pixels) == 1


def is_installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def tell(name: str, value: float, is_met: bool, bound: str) -> bool:
    """One verdict, which counts for the exit code."""
    print(f"{name:<32}{value:10.2f} ({bound})  {'ok' if is_met else 'MISSED'}")
    return is_met


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    return 0 if measure(2 if given.quick else given.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
