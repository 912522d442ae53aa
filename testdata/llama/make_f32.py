"""Writes a GGUF file again with all weights as float32 (see README.md). Run: python make_f32.py MODEL.gguf OUT.gguf"""
import sys, gguf, numpy as np
src, dst = sys.argv[1:]
r = gguf.GGUFReader(src)
w = gguf.GGUFWriter(dst, "llama")
for f in r.fields.values():
    if f.name.startswith("GGUF.") or f.name == "general.architecture": continue
    t = f.types[0]
    if t == gguf.GGUFValueType.ARRAY:
        w.add_array(f.name, f.contents())
    else:
        w.add_key_value(f.name, f.contents(), t)
for t in r.tensors:
    d = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
    w.add_tensor(t.name, d.reshape([int(x) for x in reversed(t.shape)]))
w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
