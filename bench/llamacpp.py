"""The teacher as llama.cpp runs it: its server in this process, with several slots, each of which caches the prompts' shared prefix.

Input and output are those of bench/reference.py: one line with the workload, then one line per run.
"""

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import xllamacpp


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def serve(work):
    params = xllamacpp.CommonParams()
    params.model.path = work["model"]
    params.n_parallel = work["batch"]
    params.n_ctx = 1024 * work["batch"]
    params.cont_batching = params.cache_prompt = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = work["threads"]
    params.verbosity = -1
    return xllamacpp.Server(params)


def main():
    work = json.loads(sys.stdin.readline())
    server, pool = serve(work), ThreadPoolExecutor(work["batch"])

    def generate(prompt):
        reply = server.handle_completions({
            "prompt": prompt["text"], "n_predict": prompt["tokens"], "temperature": 0,
            "repeat_penalty": prompt["penalty"], "cache_prompt": True,
        })
        return reply["usage"]["completion_tokens"]

    list(pool.map(generate, work["prompts"][:6]))  # warm-up
    for command in sys.stdin:
        if command.strip() == "ready":
            print("{}", flush=True)
            continue
        cpu, started = cpu_seconds(), time.monotonic()
        amount = sum(pool.map(generate, work["prompts"]))
        print(json.dumps({
            "seconds": time.monotonic() - started, "cpu": cpu_seconds() - cpu, "memory": peak_memory(), "amount": amount,
        }), flush=True)


main()
