"""The student as the reference runs it: transformers' T5 with prompts and whole-word embeddings, in training and beam search.

The first line of the input is a workload in JSON (bench/work.go). For each further line, the program runs the workload once
and prints one line of JSON: seconds, CPU-seconds, peak memory, and the result. It is slow where the reference is slow, on
purpose: it is the baseline.
"""

import json
import resource
import sys
import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    BeamSearchScorer,
    LogitsProcessorList,
    MaxLengthCriteria,
    MinLengthLogitsProcessor,
    StoppingCriteriaList,
    T5ForConditionalGeneration,
)


class Student(T5ForConditionalGeneration):
    def __init__(self, config):
        super().__init__(config)
        self.prompt_embeddings = torch.nn.Embedding(config.task_num * config.prompts_per_task, config.d_model)
        self.whole_word_embeddings = torch.nn.Embedding(config.n_positions, config.d_model)

    def encode(self, batch, copies=1):
        """Encodes every row once per beam. Only the encoder gets the mask: the decoder attends to padding too."""
        count = self.config.prompts_per_task
        at = torch.arange(count, device=self.device)
        prompts = self.prompt_embeddings(batch["prompts"][:, None] * count + at)
        words = self.shared(batch["source"]) + self.whole_word_embeddings(batch["whole_words"])
        mask = torch.cat([torch.ones(len(words), count, dtype=torch.long, device=self.device), batch["mask"]], 1)
        return self.encoder(
            inputs_embeds=torch.cat([prompts, words], 1).repeat_interleave(copies, 0),
            attention_mask=mask.repeat_interleave(copies, 0),
            return_dict=True,
        )

    def loss(self, batch):
        return self(encoder_outputs=self.encode(batch), labels=batch["target"]).loss

    def search(self, batch, beam):
        rows, beams, groups = len(batch["source"]), beam["num_beams"], beam["num_beam_groups"]
        scorer = BeamSearchScorer(
            batch_size=rows, num_beams=beams, num_beam_groups=groups, num_beam_hyps_to_keep=beam["num_return_sequences"],
            device=self.device, do_early_stopping=True,
        )
        search = self.beam_search if groups == 1 else self.group_beam_search
        return search(
            torch.full((rows * beams, 1), self.config.decoder_start_token_id, device=self.device),
            scorer,
            logits_processor=LogitsProcessorList(
                [MinLengthLogitsProcessor(beam["min_length"], self.config.eos_token_id)]
            ),
            stopping_criteria=StoppingCriteriaList([MaxLengthCriteria(beam["max_length"])]),
            encoder_outputs=self.encode(batch, beams),
        )


class Count(TorchDispatchMode):
    """Counts operations while counting is set."""

    calls, counting = 0, True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += self.counting
        return func(*args, **(kwargs or {}))


class Training:
    def __init__(self, model, batch, work):
        self.model, self.batch = model.train(), batch
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = work["dropout"]
            elif hasattr(module, "dropout") and isinstance(module.dropout, float):
                module.dropout = work["dropout"]
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=work["rate"], weight_decay=0.01)

    def once(self, count=None):
        self.optimizer.zero_grad()
        loss = self.model.loss(self.batch)
        if count:
            count.counting = False
        loss.backward()
        if count:
            count.counting = True
        self.optimizer.step()
        return {"loss": loss.item()}


class Search:
    def __init__(self, model, batch, work):
        self.model, self.batch, self.beam = model.eval(), batch, work["beam"]

    @torch.no_grad()
    def once(self, count=None):
        found = self.model.search(self.batch, self.beam).tolist()
        kept = self.beam["num_return_sequences"]
        return {"tokens": [[trim(ids) for ids in found[i:i + kept]] for i in range(0, len(found), kept)]}


def trim(ids):
    """Returns the generated tokens without start, end and padding."""
    ids = ids[1:]
    if 1 in ids:
        ids = ids[:ids.index(1)]
    return ids


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def tensors(batch, device):
    shape = {"prompts": [-1], "target": [batch["size"], batch["target_len"]]}
    return {
        name: torch.tensor(batch[name], device=device).view(shape.get(name, [batch["size"], batch["source_len"]]))
        for name in ("prompts", "source", "mask", "whole_words", "target")
    }


def main():
    work = json.loads(sys.stdin.readline())
    torch.set_num_threads(work["threads"])
    torch.manual_seed(1)
    model = Student.from_pretrained(work["model"]).to(work["device"])
    run = (Training if work["type"] == "train" else Search)(model, tensors(work["batch"], work["device"]), work)
    for line in sys.stdin:
        cpu, started, operations = cpu_seconds(), time.monotonic(), 0
        if line.strip() == "count":
            with Count() as count:
                out = run.once(count)
            operations = count.calls
        else:
            out = run.once()
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        out |= {"seconds": time.monotonic() - started, "cpu": cpu_seconds() - cpu, "memory": peak_memory(), "operations": operations}
        print(json.dumps(out), flush=True)


main()
