"""onnxruntime on processor cores: the default, without torch."""

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from classifier.errors import ArtifactError, MemoryExhaustedError
from classifier.manifest import RESTORE, Artifact

from .protocol import Floats, Ids, Logits

OUTPUTS = ["topic_logits", "sentiment_logits"]
VECTORS = "vectors"


class OnnxBackend:
    """One session; every call computes on the thread that makes it, and on no other.

    onnxruntime splits a product among its own threads by the product's shape, and with it the
    order of sums; so each batch has one thread, and `workers` batches run side by side. That
    also uses the cores better: nothing waits at the end of each operator.
    """

    # 8 rows of 24 tokens reach the best rate per core (121 texts per core second against 91
    # for one row); larger batches only leave a worker idle at the end.
    token_budget = 768

    def __init__(self, artifact: Artifact, name: str, file: str, threads: int) -> None:
        self.name = name
        self.workers = threads
        path = artifact.folder / file
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # patterns pay for one shape; here are many
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # a dozen pybind classes without a common root
            raise ArtifactError(f"{path} cannot be loaded: {error}", RESTORE) from error
        names = {output.name for output in self._session.get_outputs()}
        if not names.issuperset(OUTPUTS):
            raise ArtifactError(f"{path} has outputs {sorted(names)}, not {OUTPUTS}", RESTORE)
        self._outputs = [*OUTPUTS, *names & {VECTORS}]

    def forward(self, ids: Ids, mask: Ids) -> Logits:
        """Compute one batch on this thread; raises MemoryExhaustedError."""
        try:
            said = self._session.run(self._outputs, {"input_ids": ids, "attention_mask": mask})
        except (MemoryError, state.RuntimeException, state.Fail) as error:
            if isinstance(error, MemoryError) or "alloc" in str(error):
                raise MemoryExhaustedError from error
            raise
        topics, sentiments, *vectors = said
        return Logits(topics, sentiments, vectors[0] if vectors else _none(len(ids)))


def _none(rows: int) -> Floats:
    """Vectors of size 0, of an artifact that was made before there were any."""
    return np.empty((rows, 0), np.float32)
