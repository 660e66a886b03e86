"""Writes small batches of CIFAR-10 and CIFAR-100 as Python pickles them: two images each, whose pixel p of image i is
(7 p + 13 i) mod 251, with the keys of the published files.

    python2.7 tools/golden/cifar_pickles.py  # crates/data-streams/tests/fixtures/cifar/*-python2 (numpy 1.16.6)
    python3 tools/golden/cifar_pickles.py    # crates/data-streams/tests/fixtures/cifar/*-python3-* (numpy 2.4.6)

The published files are of Python 2 at protocol 2, whose strings are bytes. Python 3 writes bytes at protocol 2 by
`_codecs.encode`, and arrays at protocol 5 by `_frombuffer`.
"""

from __future__ import print_function

import os
import sys

import numpy

if sys.version_info[0] == 2:
    import cPickle as pickle

    FILES = [("cifar10-python2", 10, 2), ("cifar100-python2", 100, 2)]
else:
    import pickle

    FILES = [("cifar10-python3-2", 10, 2), ("cifar10-python3-4", 10, 4), ("cifar100-python3-5", 100, 5)]

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../crates/data-streams/tests/fixtures/cifar")


def batch(classes):
    pixel, image = numpy.arange(3072), numpy.arange(2)
    data = ((7 * pixel[None, :] + 13 * image[:, None]) % 251).astype(numpy.uint8)
    names = ["leptodactylus_pentadactylus_s_000004.png", "camion_s_000148.png"]
    if classes == 10:
        return {"batch_label": "training batch 1 of 5", "labels": [6, 9], "data": data, "filenames": names}
    labels = {"fine_labels": [19, 99], "coarse_labels": [11, 15]}
    return dict(labels, batch_label="training batch 1 of 1", data=data, filenames=names)


if __name__ == "__main__":
    if not os.path.isdir(OUT):
        os.makedirs(OUT)
    for name, classes, protocol in FILES:
        with open(os.path.join(OUT, name), "wb") as file:
            pickle.dump(batch(classes), file, protocol)
        print(name)
