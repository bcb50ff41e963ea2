"""Reads event files with TensorBoard's own reader; exits with 1 if something fails.

    pip install tensorboard
    python tools/check_event_file.py                 checks the golden files of the tests
    python tools/check_event_file.py --write         writes them again
    python tools/check_event_file.py RUN             lists what TensorBoard sees in a run's folder

The golden files are written by TensorBoard's own message classes and record writer, so that the tests
compare our writer with theirs byte for byte.
"""

import argparse
import pathlib
import struct
import sys
import zlib

from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

GOLDEN = pathlib.Path(__file__).parent.parent / "crates/tapetum-train/tests/event_files"
FAILURES = []


def check(what, seen, expected):
    holds = seen == expected
    print(f"{'ok  ' if holds else 'FAIL'} {what} {seen}")
    if not holds:
        FAILURES.append(what)


def photo(width, height):
    """A PNG file of one colour."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\x20\x40\x80" * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def scalars(wall_time, step, **values):
    values = [Summary.Value(tag=tag.replace("__", "/"), simple_value=v) for tag, v in values.items()]
    return Event(wall_time=wall_time, step=step, summary=Summary(value=values))


def image(wall_time, step, tag, png, width, height):
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
    value = Summary.Value(tag=tag, image=image)
    return Event(wall_time=wall_time, step=step, summary=Summary(value=[value]))


def write(folder, png):
    start = SessionLog(status=SessionLog.START)
    files = {
        1700000000: [
            Event(wall_time=1700000000.25, file_version="brain.Event:2"),
            Event(wall_time=1700000000.25, session_log=start),
            scalars(1700000001.0, 0, loss__exposure=0.5, loss__total=-1.25e-3, learning_rate=0.0),
            scalars(1700000002.5, 300, loss__total=float("inf")),
            image(1700000003.0, 300, "samples/1", png, 200, 3),
            scalars(1700000004.0, 301, loss__total=7.0),
        ],
        1700000100: [
            Event(wall_time=1700000100.0, file_version="brain.Event:2"),
            Event(wall_time=1700000100.0, step=301, session_log=start),
            scalars(1700000101.0, 301, loss__total=2.0),
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "photo.png").write_bytes(png)
    for seconds, events in files.items():
        with open(folder / f"events.out.tfevents.{seconds}.golden", "wb") as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString(deterministic=True))


def check_golden(folder, png):
    read = EventAccumulator(str(folder)).Reload()
    points = lambda tag: [(e.wall_time, e.step, e.value) for e in read.Scalars(tag)]
    expected = ["learning_rate", "loss/exposure", "loss/total"]
    check("curves", sorted(read.Tags()["scalars"]), expected)
    check("exposure", points("loss/exposure"), [(1700000001.0, 0, 0.5)])
    total = [(1700000001.0, 0, struct.unpack("f", struct.pack("f", -1.25e-3))[0])]
    total += [(1700000002.5, 300, float("inf")), (1700000101.0, 301, 2.0)]
    check("total without the lost step", points("loss/total"), total)
    # What the server reads with: it takes the first start for no restart.
    server = plugin_event_accumulator.EventAccumulator(str(folder)).Reload()
    steps = [(e.wall_time, e.step) for e in server.Tensors("loss/total")]
    check("total in the server", steps, [point[:2] for point in total])
    images = [(e.step, e.width, e.height) for e in read.Images("samples/1")]
    check("image", images, [(300, 200, 3)])
    check("its bytes", [e.encoded_image_string == png for e in read.Images("samples/1")], [True])
    file = folder / "events.out.tfevents.1700000000.golden"
    alone = EventAccumulator(str(file)).Reload()
    check("steps before the loss", [e.step for e in alone.Scalars("loss/total")], [0, 300, 301])


def show(folder):
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()
    tags = read.Tags()
    for tag in tags["scalars"]:
        points = read.Scalars(tag)
        steps = [point.step for point in points]
        print(f"{tag}: {len(steps)} points, steps {steps[0]} to {steps[-1]}, last {points[-1].value}")
        check(f"{tag} has its steps in order", steps == sorted(set(steps)), True)
    for tag in tags["images"]:
        for event in read.Images(tag):
            png = event.encoded_image_string
            stated = (event.width, event.height)
            check(f"{tag} at step {event.step}", struct.unpack(">II", png[16:24]), stated)
    check("curves were found", len(tags["scalars"]) > 0, True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=pathlib.Path, help="folder with event files")
    parser.add_argument("--write", action="store_true", help="write the golden files")
    arguments = parser.parse_args()
    png = photo(200, 3)
    if arguments.write:
        write(GOLDEN, png)
    if arguments.run:
        show(arguments.run)
    else:
        check_golden(GOLDEN, png)
    sys.exit(1 if FAILURES else 0)


if __name__ == "__main__":
    main()
