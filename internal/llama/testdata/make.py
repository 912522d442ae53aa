"""Creates this folder's models and goldens (see README.md): python make.py"""
import io, json, math, os, random, shutil, sys
import sentencepiece, tokenizers, torch, transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizerFast, PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
LLAMA3_WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CORPUS = """A user bought an item and said "it lathers well and leaves skin feeling soft and clean".
1. The user prefers soft and clean skin.
2. The item's attributes are lathering well and feeling soft.
Use two extremely short sentences to reply. The first one is about what the user prefers, the second one about the item's attributes.
I've used this for 12 years; they're the best, we'll buy 250 more and you'd love it! It doesn't smell.
The holder is a good size and even fits a thick bar of soap. Arrived opened and leaking all over the box.
""".splitlines()
TEXTS = [
    "", " ", "I love the smell of this body wash", "  two  blanks ", "It's 12345 and 1 of 250", "they'Re, WE'LL  and you'd", "line\nbreak\n\n  and\r\n\ttabs \n",
    "na\u00efve caf\u00e9 \u4e2d\u6587 \U0001f44d\U0001f3fd \u00bd\u0664", "</s><|im_end|><|eot_id|> [INST]", "!!!...\n\n\"what\"? (a-b)\n", "...love \u00a0\u3000wide", "x" * 40,
]
CHATS = [
    [("system", "Be brief."), ("user", " It is soft. ")],
    [("user", "one"), ("assistant", "two"), ("user", "three\n4")],
]
LLAMA2 = ("{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}"
          "{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
          "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
          "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
          "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
          "{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
TINYLLAMA = ("{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
             "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
             "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n"
             "{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}")
SMOLLM2 = ("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named "
           "SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
           "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
LLAMA3 = ("{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
          "+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")


def put(folder, name, value):
    with open(os.path.join(folder, name), "w") as f:
        json.dump(value, f, indent=None if name == "golden.json" else 1, separators=(",", ":") if name == "golden.json" else None)
        f.write("\n")


def fresh(name):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def piece_model():
    """Returns a SentencePiece model with Llama 2's settings."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=out, model_type="bpe", vocab_size=340, byte_fallback=True, character_coverage=1.0,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True, split_digits=True,
        allow_whitespace_only_pieces=True, minloglevel=2)
    return out.getvalue()


def byte_level(words, controls):
    """Returns a byte-level BPE tokenizer."""
    t = Tokenizer(models.BPE(ignore_merges=words is LLAMA3_WORDS))
    if words is LLAMA3_WORDS:
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(words), "isolated", False),
                                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=360 if words is LLAMA3_WORDS else 340, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[] if words is LLAMA3_WORDS else controls, show_progress=False)
    t.train_from_iterator(CORPUS, trainer)
    t.add_special_tokens([AddedToken(c, special=True, normalized=False) for c in controls])
    return t


def weights(config, seed):
    """Sets random weights, including norms, that are exact in bfloat16 and half precision."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn_like(p) * (0.1 if "norm" in name else 0.5 if "embed" in name else 1.5 / math.sqrt(p.shape[-1])) + (1 if "norm" in name else 0))
            p.copy_(p.to(torch.bfloat16).float().where(p.abs() > 1e-4, torch.zeros(())))
    return model


def rows(model, seed, lengths):
    """Returns random texts with the logits at their middle and their end."""
    random.seed(seed)
    out = []
    for n in lengths:
        ids = [random.randrange(model.config.vocab_size) for _ in range(n)]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double()
        out.append({"ids": ids, "logits": {str(at): [round(v, 5) for v in logits[at].tolist()] for at in (n // 2, n - 1)}})
    return out


def talk(tokenizer, begin):
    """Returns texts and conversations as tokens. Control tokens in a text are text, so that no text can act as the system."""
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    chats = [[{"role": role, "content": content} for role, content in chat] for chat in CHATS]
    return {
        "texts": [{"text": text, "ids": encode(text)} for text in TEXTS],
        "chats": [{"messages": chat, "ids": begin + tokenizer.apply_chat_template(chat, add_generation_prompt=True)} for chat in chats],
    }


def save(model, folder, dtype, shards=1):
    tensors = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight" or not model.config.tie_word_embeddings}
    names, files = list(tensors), {}
    if shards == 1:
        save_file(tensors, os.path.join(folder, "model.safetensors"), {"format": "pt"})
        return
    for i in range(shards):
        file = "model-%05d-of-%05d.safetensors" % (i + 1, shards)
        part = names[i * len(names) // shards:(i + 1) * len(names) // shards]
        save_file({k: tensors[k] for k in part}, os.path.join(folder, file), {"format": "pt"})
        files.update({k: file for k in part})
    put(folder, "model.safetensors.index.json", {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": files})


def hugging_face(name, config, seed, dtype, tokenizer, template, begin=(), shards=1, lengths=(9, 60)):
    folder = fresh(name)
    config = LlamaConfig(torch_dtype=str(dtype).split(".")[1], architectures=["LlamaForCausalLM"], **config)
    model = weights(config, seed)
    put(folder, "config.json", {k: v for k, v in config.to_dict().items() if k in (
        "architectures", "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
        "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling", "tie_word_embeddings", "vocab_size", "bos_token_id", "eos_token_id",
        "torch_dtype", "hidden_act", "attention_bias")})
    save(model, folder, dtype, shards)
    tokenizer.chat_template = template
    put(folder, "tokenizer_config.json", {"chat_template": template, "bos_token": tokenizer.bos_token, "eos_token": tokenizer.eos_token,
                                          "add_bos_token": bool(begin), "tokenizer_class": type(tokenizer).__name__})
    put(folder, "golden.json", {"rows": rows(model, seed, lengths), **talk(tokenizer, list(begin))})
    return model, folder


def meta(name, model, shards, dtype, pieces):
    """Writes the model in Meta's layout: RoPE rotates pairs of neighbors, and layers are split into model-parallel shards."""
    folder, c = fresh(name), model.config
    width = c.hidden_size // c.num_attention_heads
    turn = lambda w: w.view(-1, 2, width // 2, w.shape[1]).transpose(1, 2).reshape(w.shape)
    state, whole = model.state_dict(), {}
    whole["tok_embeddings.weight"], whole["norm.weight"], whole["output.weight"] = (
        state["model.embed_tokens.weight"], state["model.norm.weight"], state["lm_head.weight"])
    for i in range(c.num_hidden_layers):
        theirs, ours = "model.layers.%d." % i, "layers.%d." % i
        for k, v in {"self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk", "self_attn.v_proj": "attention.wv", "self_attn.o_proj": "attention.wo",
                     "mlp.gate_proj": "feed_forward.w1", "mlp.down_proj": "feed_forward.w2", "mlp.up_proj": "feed_forward.w3",
                     "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm"}.items():
            w = state[theirs + k + ".weight"]
            whole[ours + v + ".weight"] = turn(w) if k in ("self_attn.q_proj", "self_attn.k_proj") else w
    check(model, whole)
    axis = lambda k: None if "norm" in k else 1 if any(x in k for x in ("tok_embeddings", ".wo.", ".w2.")) else 0
    for n in range(shards):
        part = {k: (w if axis(k) is None else w.chunk(shards, axis(k))[n]).to(dtype).clone() for k, w in whole.items()}
        part["rope.freqs"] = 1 / 10000 ** (torch.arange(0, width, 2).float() / width)
        torch.save(part, os.path.join(folder, "consolidated.%02d.pth" % n))
    put(folder, "params.json", {"dim": c.hidden_size, "multiple_of": 32, "n_heads": c.num_attention_heads, "n_layers": c.num_hidden_layers,
                                "norm_eps": c.rms_norm_eps, "vocab_size": -1})
    with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
        f.write(pieces)


def check(model, w):
    """Runs Meta's forward pass, which must agree with transformers'."""
    c = model.config
    ids, heads, width = torch.arange(20), c.num_attention_heads, c.hidden_size // c.num_attention_heads
    norm = lambda x, k: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + c.rms_norm_eps) * w[k]
    angles = torch.outer(torch.arange(20).float(), 1 / 10000 ** (torch.arange(0, width, 2).float() / width))
    turns = torch.polar(torch.ones_like(angles), angles)[:, None]
    rope = lambda x: torch.view_as_real(torch.view_as_complex(x.reshape(20, heads, -1, 2)) * turns).flatten(2)
    x = w["tok_embeddings.weight"][ids]
    for i in range(c.num_hidden_layers):
        k = "layers.%d." % i
        h = norm(x, k + "attention_norm.weight")
        q, key, v = (h @ w[k + "attention.w%s.weight" % n].T for n in "qkv")
        q, key, v = (t.transpose(0, 1) for t in (rope(q.view(20, heads, width)), rope(key.view(20, heads, width)), v.view(20, heads, width)))
        scores = (q @ key.transpose(1, 2) / math.sqrt(width) + torch.full((20, 20), -math.inf).triu(1)).softmax(-1)
        x = x + (scores @ v).transpose(0, 1).reshape(20, -1) @ w[k + "attention.wo.weight"].T
        h = norm(x, k + "ffn_norm.weight")
        x = x + (torch.nn.functional.silu(h @ w[k + "feed_forward.w1.weight"].T) * (h @ w[k + "feed_forward.w3.weight"].T)) @ w[k + "feed_forward.w2.weight"].T
    logits = norm(x, "norm.weight") @ w["output.weight"].T
    with torch.no_grad():
        assert (model(ids[None]).logits[0] - logits).abs().max() < 1e-4


def main():
    print("torch", torch.__version__, "transformers", transformers.__version__, "tokenizers", tokenizers.__version__, "sentencepiece", sentencepiece.__version__)
    pieces = piece_model()
    path = os.path.join(HERE, "tokenizer.model")
    with open(path, "wb") as f:
        f.write(pieces)
    fast = lambda: LlamaTokenizerFast(vocab_file=path, legacy=True, add_bos_token=False, add_prefix_space=True)
    size = fast().vocab_size
    shape = lambda **k: dict(bos_token_id=1, eos_token_id=2, max_position_embeddings=256, vocab_size=size, tie_word_embeddings=False, **k)
    model, folder = hugging_face("hf-llama2", shape(
        hidden_size=32, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, rms_norm_eps=1e-5), 1, torch.bfloat16, fast(), LLAMA2, shards=2)
    shutil.copy(path, folder)
    meta("meta-llama2", model, 2, torch.bfloat16, pieces)
    tokenizer = fast()
    _, folder = hugging_face("hf-tinyllama", shape(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=2, rms_norm_eps=1e-5),
        2, torch.float16, tokenizer, TINYLLAMA, begin=[1])
    tokenizer.backend_tokenizer.save(os.path.join(folder, "tokenizer.json"))
    os.remove(path)
    controls = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    backend = byte_level(LLAMA3_WORDS, controls)
    begin, end, eot = (backend.token_to_id(c) for c in (controls[0], controls[1], controls[4]))
    _, folder = hugging_face("hf-llama3", dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-5,
        rope_theta=500000.0, max_position_embeddings=512, vocab_size=backend.get_vocab_size(), bos_token_id=begin, eos_token_id=[end, eot],
        tie_word_embeddings=False,
        rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}),
        3, torch.bfloat16, PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=controls[0], eos_token=controls[4]), LLAMA3, lengths=(9, 200))
    backend.save(os.path.join(folder, "tokenizer.json"))
    controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    backend = byte_level(None, controls)
    _, folder = hugging_face("hf-smollm2", dict(
        hidden_size=24, intermediate_size=64, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1, rms_norm_eps=1e-5, rope_theta=100000.0,
        max_position_embeddings=256, vocab_size=backend.get_vocab_size() + 4, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True),
        4, torch.float32, PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=controls[1], eos_token=controls[2]), SMOLLM2)
    backend.save(os.path.join(folder, "tokenizer.json"))


main()
