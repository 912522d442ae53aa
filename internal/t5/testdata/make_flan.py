"""Makes flan/: a small T5 v1.1, as flan-T5 is, and what Hugging Face's transformers computes with it.

    python make_flan.py flan

Needs torch and transformers; internal/t5/testdata/flan/golden.json names the versions.
"""

import json
import sys

import torch
import transformers
from transformers import MT5ForConditionalGeneration, T5Config, T5ForConditionalGeneration

out = sys.argv[1]
torch.manual_seed(1)
config = T5Config(
    vocab_size=24, d_model=8, d_kv=6, d_ff=10, num_layers=2, num_decoder_layers=3, num_heads=3,
    feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0, initializer_factor=1.0)
model = T5ForConditionalGeneration(config)
with torch.no_grad():
    for name, p in model.named_parameters():
        if "layer_norm" in name:
            p.copy_(1 + 0.2 * torch.randn_like(p))
        if name == "lm_head.weight":
            p.mul_(0.3)
        p.copy_(p.to(torch.bfloat16))  # so that every reader has the same values
model.save_pretrained(out, safe_serialization=True)
model.eval()

ids = torch.tensor([[5, 9, 14, 3, 22, 1], [7, 7, 20, 1, 0, 0]])
mask = (ids != 0).long()
labels = torch.tensor([[4, 11, 1], [19, 2, 1]])
output = model(input_ids=ids, attention_mask=mask, labels=labels)
output.loss.backward()
with torch.no_grad():  # mT5 computes the same
    mt5 = MT5ForConditionalGeneration.from_pretrained(out).eval()
    assert torch.equal(mt5(input_ids=ids, attention_mask=mask, labels=labels).logits, output.logits)


def exact(x):
    return [exact(y) for y in x] if x.dim() else round(x.item(), 7)


golden = {
    "torch": torch.__version__, "transformers": transformers.__version__,
    "input_ids": ids.tolist(), "attention_mask": mask.tolist(), "labels": labels.tolist(),
    "encoder": exact(output.encoder_last_hidden_state[0]),
    "logits": exact(output.logits), "loss": exact(output.loss),
    "grad_norm": {name: exact(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None},
}
with open(out + "/golden.json", "w") as f:
    json.dump(golden, f, indent=0)
    f.write("\n")
