"""The model scores any string, in order, and the same whoever shares the batch."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classifier.backends.choice import choose
from classifier.backends.protocol import Logits
from classifier.errors import BackendError, MemoryExhaustedError, ScoringError
from classifier.model import Model, load
from classifier.tokenizing import Tokenizing
from tests.classifier import tiny

ODD = [
    "", " ", "\x00", "a\x00b", "\ud83d", "\ud83d\ude00", "\U0001f600", "中央银行降息", "\n", "\ufeffx",
    "x" * 5000, "shares fall " * 1000, "\u202e\u2028\x85", "e\u0301" * 50, "[CLS] [SEP] [PAD]",
]
TEXTS = st.lists(
    st.sampled_from(ODD) | st.text(st.characters(), max_size=60)
    | st.lists(st.sampled_from(tiny.WORDS), max_size=70).map(" ".join),
    max_size=25,
)


def logits(model: Model, texts: list[str]) -> list[bytes]:
    """The raw bytes of each text's logits."""
    found = model.forward(model.prepare(texts))
    return [a.tobytes() + b.tobytes() for a, b in zip(found.topics, found.sentiments, strict=True)]


def mixes(model: Model, texts: list[str], seed: int, rounds: int) -> None:
    """Assert that each text has the same logits alone and in random company."""
    random = np.random.default_rng(seed)
    alone = {text: logits(model, [text])[0] for text in set(texts)}
    for _ in range(rounds):
        company = [texts[i] for i in random.integers(0, len(texts), random.integers(1, 40))]
        assert logits(model, company) == [alone[text] for text in company]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, seed=st.integers(0, 2**32))
def test_a_texts_scores_are_the_same_bytes_in_any_company(tiny_model, texts, seed):
    """Whatever else is in the batch, wherever the text stands in it."""
    if texts:
        mixes(tiny_model, texts, seed, rounds=2)


@pytest.mark.parametrize("backend", ["onnx", "onnx-int8"])
def test_the_shipped_model_gives_the_same_bytes_in_any_company(backend):
    """The same for the trained weights, in fp32 and in 8 bits, over all lengths that they read."""
    texts = [" ".join((*tiny.WORDS, "quarter", "2026") * 12)[:size] for size in range(1, 700, 23)]
    with load(None, backend, threads=2) as model:
        mixes(model, texts + ODD, seed=11, rounds=4)


def test_scores_do_not_depend_on_the_number_of_threads(tiny_artifact, tiny_model):
    """A machine with more cores says the same."""
    texts = [*ODD, "shares fall", "the bank kept its rate"]
    with load(tiny_artifact, "onnx", threads=1) as one, load(tiny_artifact, "onnx", threads=5) as five:
        assert logits(one, texts) == logits(five, texts) == logits(tiny_model, texts)


def test_threads_may_share_a_model(tiny_model):
    """Concurrent callers get the answers to their own texts."""
    texts = ["shares fall", "shares rise", "oil", *ODD]
    expected = tiny_model.score(texts)
    found = []
    callers = [
        threading.Thread(target=lambda: found.append(tiny_model.score(texts))) for _ in range(6)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [expected] * 6


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS)
def test_any_strings_are_scored_in_order_and_number(tiny_model, texts):
    """Probabilities sum to one, labels are in order, and each text gets its own answer."""
    scores = tiny_model.score(texts)
    assert len(scores) == len(texts)
    assert scores == [tiny_model.score([text])[0] for text in texts]
    for score in scores:
        assert tuple(score.topics) == tiny.TOPICS
        assert tuple(score.sentiments) == tiny.SENTIMENTS
        assert sum(score.topics.values()) == pytest.approx(1)
        assert sum(score.sentiments.values()) == pytest.approx(1)


def test_no_texts_give_no_scores(tiny_model):
    """An empty batch is no error."""
    assert tiny_model.score([]) == []


def test_truncation_is_flagged(tiny_model):
    """A text that fits is not flagged, one token more is, and so is one cut by characters."""
    fits = " ".join(["oil"] * 62)
    scores = tiny_model.score([fits, fits + " oil", "", " " * 5000 + "oil", "oil" + " " * 5000])
    assert [score.truncated for score in scores] == [False, True, False, True, False]
    assert [score.tokens for score in scores] == [64, 64, 2, 2, 3]


@pytest.mark.parametrize("text", ["shares fall " * 900_000, "x" * 10_000_000, " " * 10_000_000])
def test_ten_megabytes_do_not_make_the_tokenizer_crawl(tiny_model, text):
    """A text is cut before it is tokenised."""
    begun = time.process_time()
    (score,) = tiny_model.score([text])
    assert time.process_time() - begun < 2
    assert score.truncated is not text.isspace()


def test_a_text_scores_as_its_beginning_does(tiny_model):
    """What lies behind the cut changes nothing."""
    beginning = "shares fall " * 400
    one, two = tiny_model.score([beginning + "rise" * 10_000, beginning + "oil" * 99_999])
    assert one == two


def test_torch_and_onnxruntime_agree(tiny_artifact, tiny_model):
    """Two libraries and two files give the same probabilities to a thousandth."""
    texts = [*ODD, "shares fall", "the bank kept its rate", " ".join(tiny.WORDS * 4)]
    with load(tiny_artifact, "torch-cpu", threads=1) as torch_model:
        assert torch_model.backend_name == "torch-cpu"
        assert torch_model.name == tiny_model.name
        for ours, theirs in zip(tiny_model.score(texts), torch_model.score(texts), strict=True):
            assert list(ours.topics.values()) == pytest.approx(list(theirs.topics.values()), abs=1e-3)
            assert list(ours.sentiments.values()) == pytest.approx(
                list(theirs.sentiments.values()), abs=1e-3
            )
            assert ours.truncated == theirs.truncated


def test_cuda_agrees_with_the_processor(tiny_artifact, tiny_model):
    """bfloat16 in the encoder moves a probability by a few hundredths at most."""
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    texts = [*ODD, "shares fall", "the bank kept its rate", " ".join(tiny.WORDS * 4)] * 50
    with load(tiny_artifact, "torch-cuda") as cuda_model:
        for ours, theirs in zip(tiny_model.score(texts), cuda_model.score(texts), strict=True):
            assert list(ours.topics.values()) == pytest.approx(list(theirs.topics.values()), abs=0.05)
            assert list(ours.sentiments.values()) == pytest.approx(
                list(theirs.sentiments.values()), abs=0.05)


def test_cuda_is_refused_where_there_is_none(tiny_artifact):
    """With a hint, and never by falling back in silence."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert choose("auto", ("model.onnx",)).backend == "onnx"
    assert choose("auto", ("model.onnx", "model.int8.onnx")).backend == "onnx-int8"
    with pytest.raises(BackendError, match="no CUDA device"):
        load(tiny_artifact, "torch-cuda")


def test_the_default_path_imports_no_torch(tiny_artifact):
    """The base install has none: only the choice of `auto` may look for it."""
    script = (
        "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None\n"
        "from pathlib import Path; from classifier.model import load; import classifier.stage\n"
        "import classifier.lines\n"
        f"print(len(load(Path({str(tiny_artifact)!r}), 'onnx').score(['a', 'b'])))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2"


class Small:
    """A backend that runs out of memory above so many rows, and answers with the first id."""

    name, workers, token_budget = "small", 1, 10_000

    def __init__(self, rows: int, *, bad: int | None = None) -> None:
        self.rows, self.bad = rows, bad
        self.calls: list[int] = []

    def forward(self, ids, mask):
        self.calls.append(len(ids))
        if len(ids) > self.rows:
            raise MemoryExhaustedError
        value = ids[:, 1:2].astype(np.float32)
        if self.bad is not None:
            value[ids[:, 1:2] == self.bad] = np.nan
        return Logits(np.repeat(value, 20, 1), np.repeat(value, 3, 1), value)


def model_on(tiny_model: Model, backend: Small) -> Model:
    """The tiny artifact on another backend."""
    artifact = tiny_model.artifact
    return Model(artifact, Tokenizing(artifact.folder / "tokenizer.json", 64), backend)


def test_a_batch_that_does_not_fit_is_halved(tiny_model):
    """Until it fits; the answers stay in order."""
    backend = Small(rows=2)
    with model_on(tiny_model, backend) as model:
        found = model.forward(model.prepare(["oil", "bank", "of", "rate", "oil"]))
    alone = [tiny_model.prepare([word])[0].ids[1] for word in ("oil", "bank", "of", "rate", "oil")]
    assert found.topics[:, 0].tolist() == alone
    assert backend.calls[0] == 5


def test_one_text_that_does_not_fit_raises(tiny_model):
    """There is nothing left to halve."""
    with model_on(tiny_model, Small(rows=0)) as model, pytest.raises(MemoryExhaustedError):
        model.score(["oil"])


def bent(below: np.ndarray, bend: float) -> np.ndarray:
    return below + bend * below**2


def test_probabilities_are_what_calibration_says_of_the_logits(tiny_model):
    """The bias is added; distances below the greatest, bent and divided, are log odds."""
    logits = Logits(np.linspace(2.0, 0.0, 20, dtype=np.float32)[None],
                    np.array([[1.0, 2.0, 0.5]], np.float32),
                    np.zeros((1, 0), np.float32))
    (scores,) = tiny_model.interpret(logits, tiny_model.prepare(["a"]))
    for said, distances in ((scores.topics, bent(np.linspace(0.0, 2.0, 20), 0.5) / 1.25),
                            (scores.sentiments, bent(np.array([0.9, 0, 1.6]), 0.1) / 0.8)):
        expected = np.exp(-distances) / np.exp(-distances).sum()
        assert list(said.values()) == pytest.approx(expected, rel=1e-6)


def test_an_answer_that_is_no_number_raises(tiny_model):
    """It is never passed on as a probability."""
    bad = tiny_model.prepare(["oil"])[0].ids[1]
    with model_on(tiny_model, Small(rows=9, bad=bad)) as model:
        assert len(model.score(["bank"])) == 1
        with pytest.raises(ScoringError):
            model.score(["bank", "oil"])
