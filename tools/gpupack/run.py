"""Runs the checks and measurements of `make gpu-pack` on a machine that has a GPU and a Python with torch.

    python3 run.py [--device cuda] [--out FOLDER] [--only NAME,...] [--scale 1.0]

Each part has a time limit of its own and a log in FOLDER; a part that fails does not end the others. FOLDER/result.json gets
what each part returned. Needs no network: the wheels beside this script complete the Python of the reference.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent

# Tests whose results are compared with the Python reference, and the search on the device against the search on the host.
GOLDEN = "Golden|MatchTheReference|MatchesTheReference|MatchesThePlainModel|MatchesCPU|TwentySteps|AdamW|Memory|Precision"


def parts(device, out, scale):
    """Returns the parts: name, command, folder, and time limit in seconds."""
    bench = [str(HERE / "bench" / "bench")]
    python = ["-python", sys.executable]
    seconds = max(5, int(600 * scale))
    size = "t5-small" if scale >= 1 else "t5-tiny"
    shape = "llama-2-7b" if scale >= 1 else "smollm2-135m"
    for program in sorted(HERE.glob("**/tests")):
        name = str(program.parent.relative_to(HERE)).replace("/", "-")
        yield f"test-{name}", [str(program), "-test.v", "-test.run", GOLDEN], program.parent, 120
    yield "student", bench + ["student", "-device", device, "-json", f"{out}/student.json"] + python, HERE, 300
    yield "teacher", bench + [
        "teacher", "-device", device, "-shape", shape, "-reviews", str(int(256 * scale) or 2), "-json", f"{out}/teacher.json",
    ] + python, HERE, 300
    yield "training", bench + [
        "train", "-device", device, "-size", size, "-rows", "256" if scale >= 1 else "8", "-seconds", str(seconds),
        "-json", f"{out}/training.json",
    ], HERE, seconds + 120


def environment(device, out):
    import torch

    wheels = out / "python"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps", "--no-index", "--target", str(wheels)]
    if subprocess.run(install + sorted(map(str, (HERE / "wheels").glob("*.whl")))).returncode:
        print("the wheels do not fit this Python: the reference's side uses what is installed", flush=True)
    library = str(pathlib.Path(torch.__file__).parent / "lib")
    libraries = [library] + [str(p) for p in pathlib.Path(torch.__file__).parent.parent.glob("nvidia/**/lib")]
    return torch.__version__, dict(
        os.environ, RDREC_ROOT=str(HERE), RDREC_TEST_DEVICE=device, RDREC_CACHE=str(out / "cache"), OMP_WAIT_POLICY="passive",
        LD_LIBRARY_PATH=":".join(libraries + [os.environ.get("LD_LIBRARY_PATH", "")]),
        PYTHONPATH=":".join([str(wheels), os.environ.get("PYTHONPATH", "")]),
    )


def run(command, folder, limit, env, log):
    """Runs a command and returns its exit code, 124 past the limit, and its time in seconds."""
    started = time.monotonic()
    with open(log, "wb") as file:
        try:
            code = subprocess.run(command, cwd=folder, env=env, stdout=file, stderr=subprocess.STDOUT, timeout=limit).returncode
        except subprocess.TimeoutExpired:
            code = 124
    return code, round(time.monotonic() - started, 1)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--device", default="cuda", help="device of all parts: cuda, cuda:N or cpu")
    arguments.add_argument("--out", default="gpu-result", help="folder of logs and result.json")
    arguments.add_argument("--only", default="", help="names of the parts to run, separated by commas; empty runs all")
    arguments.add_argument("--scale", type=float, default=1.0, help="share of the full sizes, below 1 for a rehearsal on a CPU")
    chosen = arguments.parse_args()
    out = pathlib.Path(chosen.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    version, env = environment(chosen.device, out)
    smi = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout if chosen.device != "cpu" else ""
    result = {"device": chosen.device, "gpu": smi.strip(), "machine": platform.machine(), "torch": version, "parts": {}}
    for name, command, folder, limit in parts(chosen.device, out, chosen.scale):
        if chosen.only and name not in chosen.only.split(","):
            continue
        code, seconds = run(command, folder, limit, env, out / f"{name}.log")
        part = {"exit_code": code, "seconds": seconds, "limit": limit}
        file = out / f"{name}.json"
        if file.exists():
            part["measured"] = json.loads(file.read_text())
        text = (out / f"{name}.log").read_text(errors="replace")
        if name.startswith("test-"):
            part |= {word.lower(): text.count(f"--- {word}: Test") for word in ("PASS", "FAIL", "SKIP")}
        if code:
            part["end"] = text[-2000:]
        result["parts"][name] = part
        print(f"{name}: exit code {code} after {seconds} s", flush=True)
        (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    return int(any(part["exit_code"] for part in result["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
