"""Writes quants.json and tiny.gguf with the gguf package (see README.md). Run: python make_gguf.py FOLDER"""
import base64
import json
import sys
from pathlib import Path

import gguf
import numpy as np

TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
LATER = ["Q5_0", "Q5_1", "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS"]  # after the others, whose random bytes stay


def halves(block, rng, spans):
    """Puts sane half-precision scales where random bytes would give infinities."""
    for start in spans:
        block[start : start + 2] = np.frombuffer(np.float16(rng.normal(0, 0.1)).tobytes(), np.uint8)


SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
          "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0]}


def blocks(name, rng, count):
    kind = gguf.GGMLQuantizationType[name]
    values, size = gguf.GGML_QUANT_SIZES[kind]
    if name in ("F32", "F16", "BF16"):
        plain = rng.normal(0, 1, count * 8).astype(np.float32)
        raw = gguf.quants.quantize(plain, kind).view(np.uint8)
    else:
        raw = rng.integers(0, 256, (count, size), dtype=np.uint8)
        for block in raw:
            halves(block, rng, SCALES[name])
        raw = raw.reshape(-1)
    return kind, raw


def main(folder):
    rng = np.random.default_rng(7)
    out = {}
    for name in TYPES + LATER:
        kind, raw = blocks(name, rng, 3)
        floats = gguf.quants.dequantize(raw, kind).reshape(-1).astype(np.float32)
        out[name] = {"raw": base64.b64encode(raw.tobytes()).decode(), "values": [float(str(x)) for x in floats]}
    (folder / "quants.json").write_text(json.dumps(out))

    writer = gguf.GGUFWriter(folder / "tiny.gguf", "llama")
    writer.add_uint8("a.uint8", 200)
    writer.add_int8("a.int8", -3)
    writer.add_uint16("a.uint16", 60000)
    writer.add_int16("a.int16", -30000)
    writer.add_uint32("a.uint32", 4000000000)
    writer.add_int32("a.int32", -5)
    writer.add_uint64("a.uint64", 1 << 40)
    writer.add_int64("a.int64", -(1 << 40))
    writer.add_float32("a.float32", 0.5)
    writer.add_float64("a.float64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "prefers “soft” hair")
    writer.add_array("a.strings", ["one", "", "three"])
    writer.add_array("a.ints", [1, -2, 3])
    writer.add_array("a.floats", [0.5, -1.5])
    writer.add_tensor("plain", np.arange(6, dtype=np.float32).reshape(2, 3))
    quantised = gguf.quants.quantize(np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("quantised", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(Path(sys.argv[1]))
