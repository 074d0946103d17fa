"""Read an artifact's manifest and hold its files to it, before anything is loaded.

The manifest is `{"format": 1, "name", "max_tokens", "files": {name: {"sha256", "bytes"}},
"probes": [{"text", "topic", "sentiment"}]}`; probes are optional: texts with what the model
must say of them. Only JSON, ONNX and safetensors are ever loaded: nothing that can run code.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from wire.messages import SENTIMENTS, Sentiment

from .errors import ArtifactError

NAME = "manifest.json"
FORMAT = 1
SHIPPED = Path(__file__).parent / "artifact"
RESTORE = "restore the folder from where it came (git checkout, a copy) or train again"

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
T = TypeVar("T")


class File(msgspec.Struct, frozen=True):
    """What the manifest says of one file."""

    sha256: str
    bytes: Count


class Probe(msgspec.Struct, frozen=True):
    """A text, and the most probable topic and sentiment that the model must give it."""

    text: str
    topic: str
    sentiment: str


class Manifest(msgspec.Struct, frozen=True):
    """The content of manifest.json."""

    format: int
    name: str
    max_tokens: Annotated[int, msgspec.Meta(ge=2, le=65536)]
    files: dict[str, File]
    probes: tuple[Probe, ...] = ()


class Labels(msgspec.Struct, frozen=True):
    """The content of labels.json: labels in the order of the heads' outputs."""

    topics: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    sentiments: tuple[Sentiment, ...]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of calibration.json.

    Logits are shifted by the bias; to how far each is below the greatest, its square is added as much
    as the bend says; the sum is divided by the temperature.
    """

    topic_temperature: Positive = 1.0
    sentiment_temperature: Positive = 1.0
    sentiment_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)
    topic_bend: NotNegative = 0.0
    sentiment_bend: NotNegative = 0.0


@dataclass(frozen=True, slots=True)
class Artifact:
    """A checked folder. `digest` is the sha256 of its manifest, hence of everything in it."""

    folder: Path
    digest: str
    manifest: Manifest
    labels: Labels
    calibration: Calibration

    @property
    def name(self) -> str:
        """What the `model` field of a scored article says."""
        return f"{self.manifest.name}@{self.digest[:12]}"


def read(folder: Path) -> Artifact:
    """Read and check an artifact.

    Raises ArtifactError, naming the file, where one is missing, has another size or sha256,
    is no JSON of the agreed form, or where the labels are not in the agreed order.
    """
    path = folder / NAME
    if not folder.is_dir():
        raise ArtifactError(f"no model at {folder}", "give the folder of an artifact, or train one")
    manifest = _json(path, Manifest)
    if manifest.format != FORMAT:
        raise ArtifactError(
            f"{path}: format {manifest.format}; this build reads {FORMAT}", "update newsquake"
        )
    require(folder, manifest, ("labels.json", "calibration.json", "tokenizer.json"))
    for name, file in sorted(manifest.files.items()):
        _check(folder, name, file)
    labels = _json(folder / "labels.json", Labels)
    _check_labels(folder / "labels.json", labels)
    calibration = _json(folder / "calibration.json", Calibration)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Artifact(folder, digest, manifest, labels, calibration)


def require(folder: Path, manifest: Manifest, needed: Iterable[str]) -> None:
    """Raise ArtifactError where the manifest does not list a file that is needed."""
    for name in needed:
        if name not in manifest.files:
            raise ArtifactError(f"{folder / NAME} lists no {name}, which is needed", RESTORE)


def _json(path: Path, kind: type[T]) -> T:
    """Read a JSON file as a struct; raises ArtifactError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing", RESTORE) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}", RESTORE) from error


def _check(folder: Path, name: str, file: File) -> None:
    """Hold one file to its size and sha256; raises ArtifactError."""
    path = folder / name
    if Path(name).name != name:
        raise ArtifactError(f"{folder / NAME} names {name!r}, which is no plain file name", RESTORE)
    if not path.is_file():
        raise ArtifactError(f"{path} is missing", RESTORE)
    size = path.stat().st_size
    if size != file.bytes:
        raise ArtifactError(
            f"{path} has {size:,} bytes; its manifest says {file.bytes:,}", RESTORE
        )
    with path.open("rb") as content:
        actual = hashlib.file_digest(content, "sha256").hexdigest()
    if actual != file.sha256:
        raise ArtifactError(
            f"{path} is damaged: sha256 {actual[:12]}..., its manifest says {file.sha256[:12]}...",
            RESTORE,
        )


def _check_labels(path: Path, labels: Labels) -> None:
    """Refuse sentiments out of order, which no checksum notices, and topics that repeat."""
    if labels.sentiments != SENTIMENTS:
        raise ArtifactError(
            f"{path}: sentiments are {', '.join(labels.sentiments)}; "
            f"they must be {', '.join(SENTIMENTS)}, in this order",
            RESTORE,
        )
    if len(set(labels.topics)) != len(labels.topics) or "" in labels.topics:
        raise ArtifactError(f"{path}: topics are empty or repeat", RESTORE)
