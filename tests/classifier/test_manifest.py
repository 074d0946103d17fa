"""An artifact that is not what its manifest says is refused, by name, with what to do."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from classifier.errors import ArtifactError
from classifier.manifest import read
from classifier.model import load
from tests.classifier import tiny


def refusal(folder) -> ArtifactError:
    """Return the error with which the folder is refused."""
    with pytest.raises(ArtifactError) as caught:
        load(folder, "onnx", threads=1)
    assert caught.value.hint
    return caught.value


def test_a_whole_artifact_is_named_by_its_name_and_digest(tiny_artifact):
    """The name on the wire tells two artifacts with the same name apart."""
    artifact = read(tiny_artifact)
    assert artifact.name == f"tiny-1@{artifact.digest[:12]}"
    assert artifact.labels.topics == tiny.TOPICS


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "labels.json", "config.json"])
def test_a_flipped_byte_is_refused(own_artifact, name):
    """One bit in the middle of any file is enough."""
    content = bytearray((own_artifact / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own_artifact / name).write_bytes(content)
    error = refusal(own_artifact)
    assert name in str(error)
    assert "damaged" in str(error)


def test_a_flipped_byte_in_weights_of_the_other_backend_is_refused_too(own_artifact):
    """safetensors would load it without complaint."""
    path = own_artifact / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert "model.safetensors" in str(refusal(own_artifact))


def test_a_truncated_file_is_refused(own_artifact):
    """Both sizes are in the message."""
    path = own_artifact / "model.onnx"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:1000])
    message = str(refusal(own_artifact))
    assert "model.onnx has 1,000 bytes" in message
    assert f"{size:,}" in message


@pytest.mark.parametrize("name", ["tokenizer.json", "model.onnx", "manifest.json"])
def test_a_missing_file_is_refused(own_artifact, name):
    """The message names it."""
    (own_artifact / name).unlink()
    assert f"{name} is missing" in str(refusal(own_artifact))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    """A wrong path is told from a broken artifact."""
    assert "no model at" in str(refusal(tmp_path / "nothing"))


def test_a_needed_file_that_the_manifest_does_not_list_is_refused(own_artifact):
    """A file that nothing vouches for is not loaded."""
    (own_artifact / "model.onnx").unlink()
    tiny.sign(own_artifact)
    assert "lists no model.onnx" in str(refusal(own_artifact))


def test_sentiments_out_of_order_are_refused(own_artifact):
    """The checksums agree, and every sentiment would be wrong."""
    swapped = {"topics": tiny.TOPICS, "sentiments": tiny.SENTIMENTS[::-1]}
    tiny.write(own_artifact / "labels.json", swapped)
    tiny.sign(own_artifact)
    assert "in this order" in str(refusal(own_artifact))


def test_swapped_topics_are_refused_by_the_probes(own_artifact, tiny_model):
    """The probes' answers were written with the weights; other labels give other answers."""
    texts = [probe["text"] for probe in tiny.PROBES]
    probes = tuple(
        {"text": text, "topic": max(scores.topics, key=scores.topics.get),
         "sentiment": max(scores.sentiments, key=scores.sentiments.get)}
        for text, scores in zip(texts, tiny_model.score(texts), strict=True)
    )
    tiny.sign(own_artifact, probes=probes)
    load(own_artifact, "onnx", threads=1).close()
    rotated = (*tiny.TOPICS[1:], tiny.TOPICS[0])
    tiny.write(own_artifact / "labels.json", {"topics": rotated, "sentiments": tiny.SENTIMENTS})
    tiny.sign(own_artifact, probes=probes)
    assert "exchanged" in str(refusal(own_artifact))


def test_too_few_labels_are_refused(own_artifact):
    """A head with more outputs than labels would drop some silently."""
    few = {"topics": tiny.TOPICS[:19], "sentiments": tiny.SENTIMENTS}
    tiny.write(own_artifact / "labels.json", few)
    tiny.sign(own_artifact)
    assert "fails its probes" in str(refusal(own_artifact))


def test_a_calibration_of_another_formula_is_refused(own_artifact):
    """What was fitted as a power would be read as no bend at all, and be too sure."""
    tiny.write(own_artifact / "calibration.json", {"topic_temperature": 1.2, "topic_power": 0.7})
    tiny.sign(own_artifact)
    refused = refusal(own_artifact)
    assert "calibration.json" in str(refused)
    assert "topic_power" in str(refused)
    assert "train again" in refused.hint


def test_weights_that_are_not_numbers_are_refused(own_artifact):
    """A diverged training run has a fine checksum."""
    path = own_artifact / "model.onnx"
    graph = onnx.load(path)
    for weight in graph.graph.initializer:
        if list(weight.dims) == [20]:
            spoiled = np.full(20, np.nan, np.float32)
            weight.CopyFrom(numpy_helper.from_array(spoiled, weight.name))
    onnx.save(graph, path)
    tiny.sign(own_artifact)
    assert "not a number" in str(refusal(own_artifact))


def test_a_file_that_is_no_model_is_refused(own_artifact):
    """Signed rubbish is still rubbish."""
    (own_artifact / "model.onnx").write_bytes(b"rubbish")
    tiny.sign(own_artifact)
    assert "model.onnx cannot be loaded" in str(refusal(own_artifact))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": 2}, "this build reads 1"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"files": {"../outside": {"sha256": "", "bytes": 0}}}, "lists no"),
    ],
)
def test_a_manifest_of_another_form_is_refused(own_artifact, change, expected):
    """It says what is wrong with it."""
    path = own_artifact / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert expected in str(refusal(own_artifact))


def test_a_file_outside_the_folder_is_refused(own_artifact):
    """A manifest cannot make us read elsewhere."""
    path = own_artifact / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../x"] = {"sha256": "", "bytes": 0}
    path.write_text(json.dumps(manifest))
    assert "no plain file name" in str(refusal(own_artifact))
