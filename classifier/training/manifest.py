"""The manifest: what an artifact is called, and the size and sha256 of each of its files.

safetensors loads a flipped byte without complaint, so serving holds the files to this before
it loads them.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FORMAT = 1
NAME = "manifest.json"


def write_json(path: Path, content: Any) -> None:
    """Write JSON as people and diffs like it: indented, in order, with a newline at the end."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_manifest(folder: Path, name: str, max_tokens: int,
                   probes: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Cover every file of `folder` but the manifest itself, and write it; return its content.

    `probes` are texts with the topic and sentiment that the model must give them wherever it is
    loaded.
    """
    files = {}
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.name != NAME):
        content = path.read_bytes()
        files[path.name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest = {"format": FORMAT, "name": name, "max_tokens": max_tokens, "files": files,
                "probes": list(probes)}
    write_json(folder / NAME, manifest)
    return manifest
