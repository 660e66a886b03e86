"""Records of event files by TensorBoard's own library.

Writes crates/cldiff-cli/src/files/tensorboard/records.json, which the tests beside it compare with.
"""

import io
import json
import pathlib

import tensorboard
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

WALL_TIME = 1_700_000_000.5


def record(**fields):
    """The frame and the event in it, in hexadecimal."""
    out = io.BytesIO()
    event = event_pb2.Event(wall_time=WALL_TIME, **fields)
    RecordWriter(out).write(event.SerializeToString(deterministic=True))
    return out.getvalue().hex()


def scalars(**values):
    value = [summary_pb2.Summary.Value(tag=tag.replace("__", "/").replace("_", "-"), simple_value=number)
             for tag, number in values.items()]
    return summary_pb2.Summary(value=value)


start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
image = summary_pb2.Summary.Image(height=2, width=300, colorspace=4, encoded_image_string=bytes(range(256)))
records = {
    "made_with": f"tensorboard {tensorboard.__version__}",
    "version": record(file_version="brain.Event:2"),
    "start": record(step=41, session_log=start),
    "start_0": record(session_log=start),
    "scalars": record(step=300, summary=scalars(loss__training=0.25, fid__task_1=0.0)),
    "infinite": record(step=1 << 40, summary=scalars(loss__training=float("inf"))),
    "picture": record(
        step=7, summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="samples", image=image)])
    ),
}
path = pathlib.Path(__file__).parents[2] / "crates/cldiff-cli/src/files/tensorboard/records.json"
path.write_text(json.dumps(records, indent=1) + "\n")
