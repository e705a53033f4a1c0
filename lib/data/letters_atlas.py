"""Draws the glyph atlas `letters.png` from the free fonts that matplotlib bundles: `python -m lib.data.letters_atlas`.

It was run once and its result is kept in the repository, so that the letters do not change when a font library does.
The fonts are DejaVu (Bitstream Vera licence), STIX (SIL Open Font Licence) and Computer Modern (BaKoMa; free use).
"""

import hashlib
import importlib.util
import string
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LETTERS = string.ascii_uppercase + string.ascii_lowercase
CELL = 32
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmss10", "cmti10", "cmtt10", "cmmi10"),
)


def atlas(font_folder: Path) -> Image.Image:
    """All glyphs, one row a font and one column a letter, white on black in cells of 32 x 32 pixels."""
    sheet = Image.new("L", (CELL * len(LETTERS), CELL * len(FONTS)))
    for row, name in enumerate(FONTS):
        font = ImageFont.truetype(font_folder / f"{name}.ttf", 128)
        for column, letter in enumerate(LETTERS):
            sheet.paste(glyph(letter, font), (CELL * column, CELL * row))
    return sheet


def glyph(letter: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One letter, its ink box scaled to 32 pixels on the longer side and centred in its cell."""
    left, top, right, bottom = font.getbbox(letter)
    ink = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(ink).text((-left, -top), letter, fill=255, font=font)
    ink = ink.crop(ink.getbbox())
    scale = CELL / max(ink.size)
    ink = ink.resize((max(1, round(ink.width * scale)), max(1, round(ink.height * scale))), Image.Resampling.BOX)
    cell = Image.new("L", (CELL, CELL))
    cell.paste(ink, ((CELL - ink.width) // 2, (CELL - ink.height) // 2))
    return cell


def main() -> None:
    """Write `letters.png` and print the checksum of its pixels, to be stated in `letters.py`."""
    specification = importlib.util.find_spec("matplotlib")
    if specification is None or specification.origin is None:
        raise ModuleNotFoundError("matplotlib is not installed; it brings the fonts")
    sheet = atlas(Path(specification.origin).parent / "mpl-data" / "fonts" / "ttf")
    target = Path(__file__).with_name("letters.png")
    sheet.save(target, optimize=True)
    checksum = hashlib.sha256(np.array(sheet).tobytes()).hexdigest()
    print(f"{target.name}: {target.stat().st_size} bytes, pixels sha256 {checksum}")


if __name__ == "__main__":
    main()
