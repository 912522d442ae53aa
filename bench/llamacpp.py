"""The teacher as llama.cpp runs it: its own server in this process, so many slots at once, each keeping the prompt's common beginning.

In and out as reference.py: a line with the work, then a line for each time that it is to be done.
"""

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import xllamacpp


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory():
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

    def write(prompt):
        answer = server.handle_completions({
            "prompt": prompt["text"], "n_predict": prompt["tokens"], "temperature": 0, "repeat_penalty": prompt["penalty"],
            "cache_prompt": True,
        })
        return answer["usage"]["completion_tokens"]

    list(pool.map(write, work["prompts"][:6]))  # warms up
    for ask in sys.stdin:
        if ask.strip() == "ready":
            print("{}", flush=True)
            continue
        cpu, begun = used(), time.monotonic()
        amount = sum(pool.map(write, work["prompts"]))
        print(json.dumps({
            "seconds": time.monotonic() - begun, "cpu": used() - cpu, "memory": memory(), "amount": amount,
        }), flush=True)


main()
