"""The student as the reference runs it: transformers' T5 with prompts and whole-word embeddings, in training and in beam search.

In: one line of JSON, a work (see work.go). Then, for each line that comes, the work is done once and one line of JSON goes out: seconds,
CPU-seconds, the greatest memory so far, and what came of it. What is slow here is slow on purpose: it is what is compared with.
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
        """Reads every row as often as it has beams. The decoder is shown padding too: the mask goes to the encoder alone."""
        count = self.config.prompts_per_task
        prompts = self.prompt_embeddings(batch["Prompts"][:, None] * count + torch.arange(count))
        words = self.shared(batch["Source"]) + self.whole_word_embeddings(batch["Whole"])
        mask = torch.cat([torch.ones(len(words), count, dtype=torch.long), batch["Mask"]], 1)
        return self.encoder(
            inputs_embeds=torch.cat([prompts, words], 1).repeat_interleave(copies, 0),
            attention_mask=mask.repeat_interleave(copies, 0),
            return_dict=True,
        )

    def loss(self, batch):
        return self(encoder_outputs=self.encode(batch), labels=batch["Target"]).loss

    def search(self, batch, beam):
        rows, beams, groups = len(batch["Source"]), beam["num_beams"], beam["num_beam_groups"]
        scorer = BeamSearchScorer(
            batch_size=rows, num_beams=beams, num_beam_groups=groups, num_beam_hyps_to_keep=beam["num_return_sequences"],
            device=torch.device("cpu"), do_early_stopping=True,
        )
        find = self.beam_search if groups == 1 else self.group_beam_search
        return find(
            torch.full((rows * beams, 1), self.config.decoder_start_token_id),
            scorer,
            logits_processor=LogitsProcessorList([MinLengthLogitsProcessor(beam["min_length"], self.config.eos_token_id)]),
            stopping_criteria=StoppingCriteriaList([MaxLengthCriteria(beam["max_length"])]),
            encoder_outputs=self.encode(batch, beams),
        )


class Count(TorchDispatchMode):
    """Counts the operations that are started while it counts."""

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


class Searching:
    def __init__(self, model, batch, work):
        self.model, self.batch, self.beam = model.eval(), batch, work["beam"]

    @torch.no_grad()
    def once(self, count=None):
        found = self.model.search(self.batch, self.beam).tolist()
        kept = self.beam["num_return_sequences"]
        return {"tokens": [[trim(ids) for ids in found[i:i + kept]] for i in range(0, len(found), kept)]}


def trim(ids):
    """What was generated, without start, end and padding."""
    ids = ids[1:]
    if 1 in ids:
        ids = ids[:ids.index(1)]
    return ids


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def tensors(batch):
    shape = {"Prompts": [-1], "Target": [batch["Size"], batch["TargetLen"]]}
    return {
        name: torch.tensor(batch[name]).view(shape.get(name, [batch["Size"], batch["SourceLen"]]))
        for name in ("Prompts", "Source", "Mask", "Whole", "Target")
    }


def main():
    work = json.loads(sys.stdin.readline())
    torch.set_num_threads(work["threads"])
    torch.manual_seed(1)
    model = Student.from_pretrained(work["model"])
    run = (Training if work["kind"] == "train" else Searching)(model, tensors(work["batch"]), work)
    for line in sys.stdin:
        cpu, begun, operations = used(), time.monotonic(), 0
        if line.strip() == "count":
            with Count() as count:
                out = run.once(count)
            operations = count.calls
        else:
            out = run.once()
        out |= {"seconds": time.monotonic() - begun, "cpu": used() - cpu, "memory": memory(), "operations": operations}
        print(json.dumps(out), flush=True)


main()
