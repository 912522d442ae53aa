"""The teacher as the reference runs it: transformers' generate on batches of prompts, padded on the left, without a shared prefix.

Input and output are those of bench/reference.py: one line with the workload, then one line per run. For "check", the program
prints the first tokens for the first prompts, generated without a penalty.
"""

import itertools
import json
import resource
import sys
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


class Teacher:
    def __init__(self, work):
        torch.set_num_threads(work["threads"])
        dtype = torch.bfloat16 if work["device"].startswith("cuda") else torch.float32
        if work["config"]:
            torch.set_default_dtype(dtype)
            with torch.device(work["device"]):
                self.model = LlamaForCausalLM(LlamaConfig(**work["config"])).eval()
        else:
            self.model = LlamaForCausalLM.from_pretrained(work["folder"], torch_dtype=dtype).to(work["device"]).eval()
        self.work, self.ends = work, work["ends"]

    @torch.inference_mode()
    def generate(self, rows, tokens, penalty):
        """Returns the generated tokens of each row up to the end token."""
        longest = max(map(len, rows))
        ids = torch.tensor([[self.ends[0]] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        place = self.model.device
        out = self.model.generate(
            ids.to(place), attention_mask=mask.to(place), do_sample=False, max_new_tokens=tokens, repetition_penalty=penalty,
            eos_token_id=self.ends, pad_token_id=self.ends[0],
        )[:, longest:].tolist()
        return [list(itertools.takewhile(lambda token: token not in self.ends, row)) for row in out]

    def all(self):
        rows, batch, amount = self.work["ids"], self.work["batch"], 0
        for at in range(0, len(rows), batch):
            generated = self.generate(rows[at : at + batch], self.work["tokens"], self.work["penalty"])
            amount += sum(map(len, generated))
        return amount


def main():
    work = json.loads(sys.stdin.readline())
    teacher = Teacher(work)
    for command in sys.stdin:
        if command.strip() == "ready":
            print("{}", flush=True)
            continue
        if command.strip() == "check":
            tokens = teacher.generate(work["ids"][: work["batch"]], work["checked"], 1.0)
            print(json.dumps({"tokens": [tokens]}), flush=True)
            continue
        cpu, started = cpu_seconds(), time.monotonic()
        amount = teacher.all()
        if teacher.model.device.type == "cuda":
            torch.cuda.synchronize()
        print(json.dumps({
            "seconds": time.monotonic() - started, "cpu": cpu_seconds() - cpu, "memory": peak_memory(), "amount": amount,
        }), flush=True)


main()
