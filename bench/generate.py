"""The teacher as the reference runs it: transformers' generate, so many prompts at a time, padded on the left, each read as a whole.

In and out as reference.py: a line with the work, then a line for each time that it is to be done; for "check" the first tokens of the first
prompts are answered, chosen without a penalty.
"""

import itertools
import json
import resource
import sys
import time

import torch
from transformers import LlamaForCausalLM


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


class Teacher:
    def __init__(self, work):
        torch.set_num_threads(work["threads"])
        self.model = LlamaForCausalLM.from_pretrained(work["folder"], torch_dtype=torch.float32).eval()
        self.work, self.ends = work, work["ends"]

    @torch.inference_mode()
    def write(self, rows, tokens, penalty):
        """Answers the tokens written for each row, without the end and what follows it."""
        longest = max(map(len, rows))
        ids = torch.tensor([[self.ends[0]] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        out = self.model.generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=tokens, repetition_penalty=penalty,
            eos_token_id=self.ends, pad_token_id=self.ends[0],
        )[:, longest:].tolist()
        return [list(itertools.takewhile(lambda token: token not in self.ends, row)) for row in out]

    def all(self):
        rows, batch, amount = self.work["ids"], self.work["batch"], 0
        for at in range(0, len(rows), batch):
            written = self.write(rows[at : at + batch], self.work["tokens"], self.work["penalty"])
            amount += sum(map(len, written))
        return amount


def main():
    work = json.loads(sys.stdin.readline())
    teacher = Teacher(work)
    for ask in sys.stdin:
        if ask.strip() == "ready":
            print("{}", flush=True)
            continue
        if ask.strip() == "check":
            print(json.dumps({"tokens": [teacher.write(work["ids"][: work["batch"]], work["checked"], 1.0)]}), flush=True)
            continue
        cpu, begun = used(), time.monotonic()
        amount = teacher.all()
        print(json.dumps({
            "seconds": time.monotonic() - begun, "cpu": used() - cpu, "memory": memory(), "amount": amount,
        }), flush=True)


main()
