"""Makes the two fonts the printed sheets are set in: `python scripts/sheet_fonts.py NotoSerifSC_400Regular.ttf`.

The file is the static TrueType instance in the npm package @expo-google-fonts/noto-serif-sc (0.4.3). Needs fonttools
(MIT), which the program itself does not. Every character of the font is kept: GB 2312 and the 通用规范汉字表's
characters beyond the first plane in `common`, the other 20,000 in `rare`, which is opened when a name needs it.
"""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

FONTS = Path(__file__).resolve().parents[1] / "ingest" / "sheets" / "fonts"
VERSION, COPYRIGHT, LICENCE, LICENCE_URL = 5, 0, 13, 14


def main(source: Path) -> None:
    known = set(TTFont(source).getBestCmap())
    common = {code for code in known if not is_han(code) or code > 0xFFFF or in_gb2312(code)}
    common -= {code for code in known if 0x2600 <= code < 0x2E00 or 0xE000 <= code < 0xF900}
    for name, codes in (("common", common), ("rare", known - common)):
        write(source, codes, name)


def is_han(code: int) -> bool:
    return 0x3400 <= code < 0xA000 or 0xF900 <= code < 0xFB00 or code >= 0x20000


def in_gb2312(code: int) -> bool:
    try:
        return bool(chr(code).encode("gb2312"))
    except UnicodeEncodeError:
        return False


def write(source: Path, codes: set[int], name: str) -> None:
    """The subset under a name of its own: two fonts of one name would be taken for one."""
    options = subset.Options(
        hinting=False,
        layout_features=[],
        glyph_names=False,
        notdef_outline=True,
        name_IDs=[COPYRIGHT, VERSION, LICENCE, LICENCE_URL],
    )
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "BASE", "STAT", "vhea", "vmtx", "gasp"]
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    family = f"Xinqiao Sheet {name.title()}"
    for place, said in ((1, family), (2, "Regular"), (3, family), (4, family), (6, family.replace(" ", ""))):
        font["name"].setName(said, place, 3, 1, 0x409)
    plain = FONTS / f"{name}.ttf"
    subset.save_font(font, str(plain), options)
    packed = FONTS / f"{name}.ttf.xz"
    packed.write_bytes(lzma.compress(plain.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    plain.unlink()
    print(f"{packed.name}: {len(codes)} characters, {packed.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
