"""Creates the PyTorch files of this folder with Python's standard library only, in the layout of torch.save
(a zip of a protocol-2 pickle and raw storages): python3 make.py"""
import collections, io, pickle, struct, sys, types, zipfile


def module(name):
    m = types.ModuleType(name)
    sys.modules[name] = m
    return m


for name in ("torch", "torch._utils", "torch.nn", "torch.nn.modules", "torch.nn.modules.sparse", "torch.nn.modules.linear",
             "torch.nn.parameter", "model", "model.module", "transformers", "transformers.config"):
    module(name)


def define(module_name, name, base=object):
    cls = type(name, (base,), {"__module__": module_name, "__qualname__": name})
    setattr(sys.modules[module_name], name, cls)
    return cls


def function(module_name, name):
    def f(*args):
        return None
    f.__module__, f.__qualname__, f.__name__ = module_name, name, name
    setattr(sys.modules[module_name], name, f)
    return f


rebuild_tensor = function("torch._utils", "_rebuild_tensor_v2")
rebuild_parameter = function("torch._utils", "_rebuild_parameter")
device = function("torch", "device")
kinds = {k: define("torch", k + "Storage") for k in ("Float", "BFloat16", "Half", "Double", "Long")}
Solomon = define("model.module", "Solomon")
Embedding = define("torch.nn.modules.sparse", "Embedding")
Linear = define("torch.nn.modules.linear", "Linear")
Config = define("transformers.config", "T5Config")


class Storage:
    def __init__(self, kind, values):
        self.kind, self.values = kind, values

    def bytes(self):
        if self.kind == "BFloat16":
            return b"".join(struct.pack("<f", v)[2:] for v in self.values)
        return struct.pack("<%d%s" % (len(self.values), {"Float": "f", "Half": "e", "Double": "d", "Long": "q"}[self.kind]), *self.values)


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.args = (storage, offset, size, stride, False, collections.OrderedDict())

    def __reduce__(self):
        return rebuild_tensor, self.args


class Parameter:
    def __init__(self, data):
        self.data = data

    def __reduce__(self):
        return rebuild_parameter, (self.data, True, collections.OrderedDict())


class Device:
    def __reduce__(self):
        return device, ("cuda", 0)


def save(path, value):
    storages = []
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if isinstance(obj, Storage):
                if obj not in storages:
                    storages.append(obj)
                return "storage", kinds[obj.kind], str(storages.index(obj)), "cuda:0", len(obj.values)
    data = io.BytesIO()
    Pickler(data, protocol=2).dump(value)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        def write(name, content):
            z.writestr(zipfile.ZipInfo("archive/" + name), content)
        write("data.pkl", data.getvalue())
        for i, s in enumerate(storages):
            write("data/%d" % i, s.bytes())
        write("version", b"3\n")


def tensor(kind, values, *size):
    stride, n = [], 1
    for s in reversed(size):
        stride.insert(0, n)
        n *= s
    return Tensor(Storage(kind, values), 0, tuple(size), tuple(stride))


def instance(cls, **attributes):
    o = cls()
    o.__dict__.update(attributes)
    return o


def layer(cls, modules=(), **parameters):
    return instance(cls, training=True, _parameters=collections.OrderedDict(parameters), _buffers=collections.OrderedDict(),
                    _backward_hooks=collections.OrderedDict(), _modules=collections.OrderedDict(modules))


six = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
shared = Storage("Float", six)
save("statedict.bin", collections.OrderedDict([
    ("single", tensor("Float", six, 2, 3)),
    ("brain", tensor("BFloat16", six, 6)),
    ("half", tensor("Half", six, 3, 2)),
    ("double", tensor("Double", six, 6)),
    ("tied", Tensor(shared, 0, (2, 3), (3, 1))),
    ("transposed", Tensor(shared, 0, (3, 2), (1, 3))),
    ("tail", Tensor(shared, 4, (2,), (1,))),
    ("scalar", Tensor(shared, 5, (), ())),
]))
save("beyond.bin", {"w": Tensor(shared, 4, (3,), (1,))})

# A module as the reference saves it: torch.save(model), with the table shared by two modules.
table = Parameter(tensor("Float", six, 3, 2))
words = layer(Embedding, weight=table)
save("module.pt", instance(
    Solomon, training=False, _parameters=collections.OrderedDict(), _buffers=collections.OrderedDict(),
    _modules=collections.OrderedDict([
        ("shared", words),
        ("encoder", layer(Embedding, [("embed_tokens", words)])),
        ("lm_head", layer(Linear, weight=table, bias=None)),
        ("prompt_embeddings", layer(Embedding, weight=Parameter(tensor("Float", [7.0, 8.0], 1, 2)))),
    ]),
    config=instance(Config, d_model=2, feed_forward_proj="relu", dropout_rate=0.1, tie_word_embeddings=True, task_specific_params={"x": [1]}),
    prompt_offset=tensor("Long", [0, 1, 2], 3), model_device=Device(), names={"a", "b"}))

# A whole student, one block a stack: parameter number p (in the optimizer's order) has the values ((31 p + i) mod 97) / 97.
def names():
    yield "shared", (8, 4)
    for stack, last in ("encoder", 1), ("decoder", 2):
        layer0 = stack + ".block.0.layer.0."
        for m in "qkv":
            yield layer0 + "SelfAttention." + m, (4, 4)
        yield layer0 + "SelfAttention.o", (4, 4)
        yield layer0 + "SelfAttention.relative_attention_bias", (32, 2)
        yield layer0 + "layer_norm", (4,)
        if stack == "decoder":
            for m in "qkvo":
                yield "decoder.block.0.layer.1.EncDecAttention." + m, (4, 4)
            yield "decoder.block.0.layer.1.layer_norm", (4,)
        final = "%s.block.0.layer.%d." % (stack, last)
        yield final + "DenseReluDense.wi", (6, 4)
        yield final + "DenseReluDense.wo", (4, 6)
        yield final + "layer_norm", (4,)
        yield stack + ".final_layer_norm", (4,)
    yield "prompt_embeddings", (15, 4)
    yield "whole_word_embeddings", (512, 4)


root = instance(
    Solomon, training=True, _parameters=collections.OrderedDict(), _buffers=collections.OrderedDict(), _modules=collections.OrderedDict(),
    config=instance(Config, model_type="t5", vocab_size=8, d_model=4, d_kv=2, d_ff=6, num_layers=1, num_decoder_layers=1, num_heads=2,
                    feed_forward_proj="relu", dropout_rate=0.0, tie_word_embeddings=True), prompts_per_task=3, model_device=Device())
for p, (name, shape) in enumerate(names()):
    count = 1
    for s in shape:
        count *= s
    at = root
    for part in name.split("."):
        at = at.__dict__["_modules"].setdefault(part, layer(Linear))
    at.__dict__["_parameters"]["weight"] = Parameter(tensor("Float", [((31 * p + i) % 97) / 97 for i in range(count)], *shape))
save("../../t5/testdata/model.pt", root)
