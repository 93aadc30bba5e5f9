"""Cuts the pages' font down to what they write: `python -m deploy.dev.cut_font path/to/inter-latin-wght-normal.woff2`.

Writes static/vendor/inter-5.3.0-basic.woff2. The original is of the npm package @fontsource-variable/inter. Kept are the letters of western
Europe, the weights from 400 to 650, kerning and figures of one width; static/css/tokens.css names the letters and weights again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

TARGET: Final = Path(__file__).parents[2] / "static" / "vendor" / "inter-5.3.0-basic.woff2"
WEIGHTS: Final = (400, 650)
LETTERS: Final = frozenset(
    {
        *range(0x20, 0x7F),
        *range(0xA0, 0x100),
        0x131,
        0x152,
        0x153,
        0x2013,
        0x2014,
        0x2018,
        0x2019,
        0x201A,
        0x201C,
        0x201D,
    }
    | {0x201E, 0x2022, 0x2026, 0x2032, 0x2033, 0x2039, 0x203A, 0x20AC, 0x2122, 0x2191, 0x2193, 0x2212, 0xFEFF}
)


def main(original: Path) -> None:
    options = subset.Options()
    options.layout_features = ["kern", "ccmp", "locl", "tnum", "mark", "mkmk"]
    options.hinting = False
    font = TTFont(original)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=LETTERS)
    cutter.subset(font)
    font = instancer.instantiateVariableFont(font, {"wght": WEIGHTS})
    font.flavor = "woff2"
    font.save(TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size} of {original.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
