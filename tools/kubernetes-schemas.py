"""Writes schemas of Kubernetes, as PyPI's kubernetes-validate has them, for kubeconform: each with the
definitions that it refers to, because kubeconform reads no second file.

usage: kubernetes-schemas.py VERSION FOLDER KIND-GROUP-VERSION...
"""

import json
import pathlib
import sys

import kubernetes_validate

version, out, kinds = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
schemas = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{version}-local-strict"
definitions = json.loads((schemas / "_definitions.json").read_text())["$defs"]
out.mkdir(parents=True, exist_ok=True)
for kind in kinds:
    schema = json.loads((schemas / f"{kind}.json").read_text())
    schema["$defs"] = definitions
    (out / f"{kind}.json").write_text(json.dumps(schema).replace("/api/_definitions.json#", "#"))
