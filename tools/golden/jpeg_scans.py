"""Writes small JPEG files whose scans differ: units of six blocks with restarts, one component, progressive.

    venv/bin/python tools/golden/jpeg_scans.py  # crates/data-streams/tests/fixtures/jpeg/*.jpg (Pillow 13.0.0)
"""

from pathlib import Path

import numpy
from PIL import Image

OUT = Path(__file__).resolve().parents[2] / "crates/data-streams/tests/fixtures/jpeg"


def noise(channels: int) -> Image.Image:
    pixels = numpy.random.default_rng(0).integers(0, 256, (27, 35, channels)).astype(numpy.uint8)
    return Image.fromarray(pixels.squeeze())


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    noise(3).save(OUT / "restarts.jpg", quality=50, subsampling="4:2:0", restart_marker_blocks=2)
    noise(1).save(OUT / "grey.jpg", quality=50)
    noise(3).save(OUT / "progressive.jpg", quality=50, progressive=True)
