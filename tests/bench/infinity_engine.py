"""The engine of infinity, for `bench_classifier.py`: run by a Python that has infinity-emb[torch].

    python infinity_engine.py MODEL float32|bfloat16

A line of standard input is a JSON list of texts; "done" is printed when all are embedded.
"""

import asyncio
import json
import sys

from infinity_emb import AsyncEmbeddingEngine, EngineArgs


async def main(model: str, kind: str) -> None:
    """Embed what comes until nothing comes."""
    given = EngineArgs(
        model_name_or_path=model, engine="torch", device="cpu", dtype=kind, batch_size=32,
        bettertransformer=False, compile=False, model_warmup=False,
    )
    engine = AsyncEmbeddingEngine.from_args(given)
    async with engine:
        for line in sys.stdin:
            await engine.embed(sentences=json.loads(line))
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
