"""Small Parquet files and tars of records, by the libraries that people make them with.

    python tools/golden/records.py     # needs datasets, pyarrow, webdataset and Pillow

Writes crates/data-streams/tests/fixtures/records/: files of twelve pictures each, and expected.json with their pixels and
labels. Pictures are PNG, so that every decoder gives the same pixels.
"""

import io
import json
import pathlib
import tarfile

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import webdataset
from PIL import Image

OUT = pathlib.Path(__file__).parents[2] / "crates/data-streams/tests/fixtures/records"
COUNT, HEIGHT, WIDTH = 12, 4, 5
NAMES = ["ant", "bee", "cat"]

OUT.mkdir(parents=True, exist_ok=True)
for old in OUT.iterdir():
    old.unlink()
pixels = np.random.default_rng(0).integers(0, 256, (COUNT, HEIGHT, WIDTH, 3), dtype=np.uint8)
labels = [i * 2 % 3 for i in range(COUNT)]


def png(i: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels[i]).save(out, "png")
    return out.getvalue()


def by_datasets() -> None:
    """Two shards as `push_to_hub` makes them, and a set with two columns of classes."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    rows = {"image": [{"bytes": png(i), "path": f"{i}.png"} for i in range(COUNT)], "label": labels}
    whole = datasets.Dataset.from_dict(rows, features=features)
    for shard in range(2):
        part = whole.select(range(shard * 6, shard * 6 + 6))
        part.to_parquet(OUT / f"train-{shard:05}-of-00002.parquet")
    features = datasets.Features(
        {
            "img": datasets.Image(),
            "fine_label": datasets.ClassLabel(names=NAMES),
            "coarse_label": datasets.ClassLabel(names=["insect", "mammal"]),
        }
    )
    rows = {"img": rows["image"], "fine_label": labels, "coarse_label": [int(label == 2) for label in labels]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(OUT / "two_labels.parquet")


def table(image, label) -> pyarrow.Table:
    return pyarrow.table({"id": pyarrow.array(range(COUNT)), "image": image, "label": label})


def by_pyarrow() -> None:
    """The same pictures, written in other ways."""
    struct = pyarrow.array([{"bytes": png(i), "path": None} for i in range(COUNT)])
    plain = pyarrow.array([png(i) for i in range(COUNT)], pyarrow.binary())
    required = pyarrow.schema(
        [
            pyarrow.field("id", pyarrow.int64()),
            pyarrow.field("image", pyarrow.binary(), nullable=False),
            pyarrow.field("label", pyarrow.int32(), nullable=False),
        ]
    )
    names = pyarrow.array([NAMES[label] for label in labels])
    numbers = pyarrow.array(labels, pyarrow.int64())
    write = pyarrow.parquet.write_table
    write(table(struct, numbers), OUT / "gzip.parquet", compression="gzip", row_group_size=5)
    write(table(struct, names), OUT / "names.parquet", compression="none", data_page_version="2.0")
    write(table(plain, numbers), OUT / "v2.parquet", compression="snappy", data_page_version="2.0", data_page_size=300)
    write(table(plain, numbers.cast(pyarrow.int32())).cast(required), OUT / "required.parquet", use_dictionary=False)
    write(table(struct, numbers), OUT / "zstd.parquet", compression="zstd")
    holes = pyarrow.array([None if i == 7 else {"bytes": png(i), "path": None} for i in range(COUNT)])
    write(table(holes, numbers), OUT / "null_image.parquet")
    missing = pyarrow.array([None if i == 5 else label for i, label in enumerate(labels)])
    write(table(struct, missing), OUT / "null_label.parquet")
    write(table(struct, pyarrow.array([float(label) for label in labels])), OUT / "float_label.parquet")
    write(table(pyarrow.array([[png(i)] for i in range(COUNT)]), numbers), OUT / "list.parquet")
    delta = {"label": "DELTA_BINARY_PACKED"}
    write(table(struct, numbers), OUT / "delta.parquet", use_dictionary=["id"], column_encoding=delta)


def by_webdataset() -> None:
    """Two shards of the library's own writer, and tars with JSON, long names and what is no record."""
    for shard in range(2):
        with webdataset.TarWriter(str(OUT / f"train-{shard}.tar")) as sink:
            for i in range(shard * 6, shard * 6 + 6):
                sink.write({"__key__": f"{i:06}", "png": png(i), "cls": str(labels[i])})
    described = [({"label": labels[i], "name": NAMES[labels[i]]}, i) for i in range(COUNT)]

    def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = len(content), 1_700_000_000
        tar.addfile(info, io.BytesIO(content))

    with tarfile.open(OUT / "json.tar.gz", "w:gz") as tar:
        add(tar, "README.md", b"pictures")
        for meta, i in described:
            add(tar, f"./a.b/{i}.seg.png", b"no picture of the record")
            add(tar, f"./a.b/{i}.JPG", png(i))
            add(tar, f"./a.b/{i}.json", json.dumps(meta).encode())
    for form, name in [(tarfile.PAX_FORMAT, "long_pax.tar"), (tarfile.GNU_FORMAT, "long_gnu.tar")]:
        with tarfile.open(OUT / name, "w", format=form) as tar:
            for i in range(COUNT):
                key = "deep/" * 50 + f"{'é' if form == tarfile.PAX_FORMAT else 'e'}{i}"
                add(tar, f"{key}.png", png(i))
                add(tar, f"{key}.txt", (NAMES[labels[i]] + "\n").encode())
    for name, files in {
        "no_label.tar": {"0.png": png(0), "0.cls": b"1", "1.png": png(1), "2.png": png(2), "2.cls": b"0"},
        "no_picture.tar": {"0.png": png(0), "0.cls": b"1", "1.cls": b"1"},
        "nothing.tar": {"notes.txt": b"none"},
        "bad_json.tar": {"0.png": png(0), "0.json": b'{"label": [1]}'},
    }.items():
        with tarfile.open(OUT / name, "w") as tar:
            for file, content in files.items():
                add(tar, file, content)


by_datasets()
by_pyarrow()
by_webdataset()
made_with = {lib.__name__: lib.__version__ for lib in (datasets, pyarrow, webdataset)}
planes = pixels.transpose(0, 3, 1, 2).reshape(COUNT, -1).tolist()
expected = {"made_with": made_with, "shape": [3, HEIGHT, WIDTH], "labels": labels, "pixels": planes}
(OUT / "expected.json").write_text(json.dumps(expected) + "\n")
print(f"{sum(file.stat().st_size for file in OUT.iterdir())} bytes in {OUT}")
