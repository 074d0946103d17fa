"""Fewer channels between the two layers of a feed-forward: those go that the others make up for best.

Two thirds of an encoder's products are in its feed-forward layers. Removing a channel there, and
changing the second layer's weights so that its output stays as near as it can on training texts,
costs w^2 / [H^-1]_kk, with w the channel's weights and H the second moments of what the layer reads
(Hassibi & Stork 1993, optimal brain surgeon; for whole channels Kurtic et al. 2023, ZipLM). One by
one the cheapest goes. Then the layers are trained for a while to give texts the vectors they had.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifier.network import Network

from . import encoder
from .batches import Collator, epoch
from .data import Example
from .errors import RecipeError
from .loop import Progress, rate_at
from .outputs import outputs
from .reading import read_by
from .recipe import Recipe

DAMPING = 1e-3  # of the mean of the second moments
NARROWED = 3000  # about so many training texts say which channels can go
SPREAD = 1000  # and so many, how far a text's vector is from another's


def narrowed(network: Network, recipe: Recipe, examples: Sequence[Example], collate: Collator,
             progress: Progress) -> Network:
    """Return the network with the recipe's number of channels, healed; raises as `narrow` does."""
    made = copy.deepcopy(network)
    narrow(made, recipe.feed_forward, examples[::len(examples) // NARROWED + 1], collate)
    _heal(made, network, recipe, examples, collate, progress)
    return made


def narrow(network: Network, width: int, examples: Sequence[Example], collate: Collator) -> None:
    """Leave `width` channels in each feed-forward of the encoder, by what the examples show.

    Raises RecipeError where the encoder's layers are not built as BERT's, or not that wide.
    """
    pairs = [_pair(block, width) for block in encoder.blocks(network.encoder)]
    moments = [torch.zeros((second.in_features + 1,) * 2, dtype=torch.double) for _, second in pairs]

    def note(name: str, values: Tensor) -> None:
        rows = nn.functional.pad(values, (0, 1), value=1.0)  # the bias is a channel that is always one
        moments[int(name)] += rows.T @ rows

    seconds = {str(index): second for index, (_, second) in enumerate(pairs)}
    read_by(seconds, network, examples, collate, note)
    with torch.no_grad():
        for (first, second), seen in zip(pairs, moments, strict=True):
            _remove(first, second, width, seen / seen[-1, -1])
    network.encoder.config.intermediate_size = width  # type: ignore[union-attr]


def _heal(network: Network, whole: Network, recipe: Recipe, examples: Sequence[Example],
          collate: Collator, progress: Progress) -> None:
    """Train the encoder's layers for the recipe's share of an epoch to give texts the vectors they had."""
    batches = epoch(examples, recipe, 0, collate)
    batches = batches[:round(recipe.healing * len(batches))]
    spread = outputs(whole, examples[::len(examples) // SPREAD + 1], collate).vectors.std(0).clamp(min=1e-6)
    network.requires_grad_(requires_grad=False)
    layers = nn.ModuleList(encoder.blocks(network.encoder)).requires_grad_()
    optimizer = torch.optim.AdamW(layers.parameters(), weight_decay=0.0, fused=True)
    network.eval()
    whole.eval()
    for step, batch in enumerate(map(collate, batches)):
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            with torch.no_grad():
                wanted = whole.pooled(batch.input_ids, batch.attention_mask)
            found = network.pooled(batch.input_ids, batch.attention_mask)
        loss = functional.mse_loss(found / spread, wanted / spread)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = recipe.healing_rate * rate_at(step, len(batches), recipe.warmup)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        progress(step + 1, len(batches), loss.item())


def _pair(block: nn.Module, width: int) -> tuple[nn.Linear, nn.Linear]:
    try:
        first, second = block.get_submodule("intermediate.dense"), block.get_submodule("output.dense")
    except AttributeError:
        raise RecipeError("feed_forward: only layers built as BERT's can be narrowed") from None
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    if second.in_features < width:
        raise RecipeError(f"feed_forward: {width} channels are wanted of {second.in_features}")
    return first, second


def _remove(first: nn.Linear, second: nn.Linear, width: int, moments: Tensor) -> None:
    """Narrow a pair of layers to `width` channels; the bias is never removed, and takes its part."""
    damped = moments.clone()
    damped.diagonal().add_(moments.diagonal()[:-1].mean() * DAMPING)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    weights = torch.cat([second.weight.T, second.bias.unsqueeze(0)]).double()
    kept = torch.ones(second.in_features, dtype=torch.bool)
    for _ in range(second.in_features - width):
        cost = weights[:-1].square().sum(1) / inverse.diagonal()[:-1]
        channel = int(cost.masked_fill(~kept, torch.inf).argmin())
        kept[channel] = False
        gain = inverse[:, channel] / inverse[channel, channel]
        weights -= torch.outer(gain, weights[channel])
        inverse -= torch.outer(gain, inverse[channel])
    _set(first, first.weight[kept], first.bias[kept])
    _set(second, weights[:-1][kept].T, weights[-1])


def _set(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    """Give a layer other weights and their shape."""
    layer.out_features, layer.in_features = weight.shape
    layer.weight = nn.Parameter(weight.float().clone())
    layer.bias = nn.Parameter(bias.float().clone())
