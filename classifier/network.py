"""One encoder, mean pooling, two heads, and what single data sets call things.

With `backends.torching` and `training` the only code that imports torch.
"""

from typing import Any

import torch
from torch import Tensor, nn

FAMILIES_WITH_POOLER = {"bert", "roberta", "xlm-roberta"}


class Network(nn.Module):
    """Token ids in; logits of topics, logits of sentiments and the texts' vectors out.

    Data sets differ in what they call neutral: each *convention* has a correction of the
    sentiment head (weights, then a bias), and, since it may be surer of its topics and have them
    in other shares, a factor and shifts for the topics' logits. `kind` says how likely
    a text is of each convention's kind; the first is the desk's, which has no correction.
    What is served is their mean by that
    likelihood: a tweet is read as those who labelled tweets would, a headline as a desk would
    (a mixture of experts with the data set as the expert: Jacobs et al. 1991).
    """

    def __init__(self, encoder: nn.Module, size: int, topics: int, conventions: int = 0,
                 dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.topic_head = nn.Linear(size, topics)
        self.sentiment_head = nn.Linear(size, 3)
        self.kind = nn.Linear(size, 1 + conventions)
        self.conventions = nn.Parameter(torch.zeros(conventions, 3, size + 1))
        self.topic_factors = nn.Parameter(torch.ones(1 + conventions), requires_grad=False)
        self.topic_shifts = nn.Parameter(torch.zeros(1 + conventions, topics), requires_grad=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the two logits and the vectors: [texts, topics], [texts, 3], [texts, size]."""
        vectors = self.pooled(input_ids, attention_mask)
        return (*self.served(vectors), vectors)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the mean of each text's token vectors, shape [texts, size]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled: Tensor = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        return pooled

    def served(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return both logits as served: by all conventions, as likely as each is."""
        return self.by(vectors, torch.softmax(self.kind(vectors), 1))

    def by(self, vectors: Tensor, likely: Tensor) -> tuple[Tensor, Tensor]:
        """Return both logits by the conventions as likely as given: [texts, 1 + conventions]."""
        factors = (likely @ self.topic_factors).unsqueeze(1)
        topics = self.topic_head(vectors) * factors + likely @ self.topic_shifts
        sentiments = self.sentiment_head(vectors)
        count = len(self.conventions)
        if count:
            weights = self.conventions[:, :, :-1].flatten(0, 1)
            own = nn.functional.linear(vectors, weights, self.conventions[:, :, -1].flatten())
            shares = likely[:, 1:].unsqueeze(2) * own.reshape(-1, count, 3)
            sentiments = sentiments + shares.sum(1)
        return topics, sentiments

    def by_kind(self, vectors: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Return both logits, each text by the convention of its kind ([texts])."""
        sure = nn.functional.one_hot(kinds, 1 + len(self.conventions))
        return self.by(vectors, sure.to(vectors.dtype))


def without_pooler(config: Any) -> dict[str, bool]:
    """Return the option by which the BERT and RoBERTa families leave out their pooler."""
    return {"add_pooling_layer": False} if config.model_type in FAMILIES_WITH_POOLER else {}
