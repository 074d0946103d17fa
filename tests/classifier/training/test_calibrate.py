"""What tells kinds of texts apart, and figures that do not flatter the texts they were fitted on."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from classifier.network import Network
from classifier.training.calibrate import BARE, DESK, Calibration, cross_fitted, fit
from classifier.training.outputs import Outputs

SIZE, TOPICS, TITLES, POSTS, ITEMS = 6, 4, 0, 1, 2


def network() -> Network:
    torch.manual_seed(5)
    return Network(nn.Identity(), SIZE, TOPICS, conventions=2)


def texts(count: int, kind: int, seed: int) -> Outputs:
    """Return texts whose second number says their kind, and whose labels chance says."""
    chance = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, SIZE, generator=chance)
    vectors[:, 1] += 4.0 * kind
    return Outputs(torch.zeros(count, TOPICS), torch.zeros(count, 3), vectors,
                   torch.randint(TOPICS, (count,), generator=chance),
                   torch.randint(3, (count,), generator=chance), torch.full((count,), kind))


@pytest.fixture
def parts() -> tuple[Outputs, Outputs, Outputs]:
    """Return a hundred items of the desk, two of them bare titles, their titles, and posts."""
    items, bare = texts(98, ITEMS, 1), texts(2, TITLES, 2)
    desk = Outputs(*(torch.cat(pair) for pair in zip(items, bare, strict=True)))
    return desk, texts(100, TITLES, 3), texts(150, POSTS, 4)


def likely(net: Network, text: Outputs) -> torch.Tensor:
    return torch.softmax(net.kind(text.vectors), 1)


@torch.no_grad()
def test_items_titles_and_posts_are_told_apart(parts: tuple[Outputs, Outputs, Outputs]) -> None:
    """New texts are taken for what they are; titles, which are rare, still far sooner than posts are."""
    net = network()
    fit(net, *parts)
    for kind in (ITEMS, POSTS):
        said = likely(net, texts(200, kind, 7)).argmax(1)
        assert (said == kind).float().mean() > 0.85
    title, post = (likely(net, texts(200, kind, 8))[:, TITLES].mean() for kind in (TITLES, POSTS))
    assert title > 5 * post


@torch.no_grad()
def test_bare_titles_are_as_likely_as_they_are_common(parts: tuple[Outputs, Outputs, Outputs]) -> None:
    """Where half of the desk's items have no summary, a title is taken for one more readily."""
    desk, titles, posts = parts
    rare, common = network(), network()
    fit(rare, desk, titles, posts)
    odd = torch.arange(100) % 2 == 1
    half = desk._replace(kinds=odd * ITEMS,
                         vectors=torch.where(odd[:, None], desk.vectors, titles.vectors))
    fit(common, half, titles, posts)
    new = texts(200, TITLES, 9)
    assert likely(common, new)[:, TITLES].mean() > likely(rare, new)[:, TITLES].mean() + 0.1


@torch.no_grad()
def test_the_desk_has_its_share_before_a_text_is_read(parts: tuple[Outputs, Outputs, Outputs]) -> None:
    """Where texts do not differ, the kinds are as likely as was said beforehand."""
    net = network()
    same = tuple(part._replace(vectors=torch.ones_like(part.vectors)) for part in parts)
    fit(net, *same)
    said = likely(net, same[0])[0]
    assert said[TITLES] + said[ITEMS] == pytest.approx(DESK, abs=0.01)
    assert said[TITLES] == pytest.approx(BARE * DESK, abs=0.002)


@torch.no_grad()
def test_a_kind_of_which_nothing_was_set_aside_does_no_harm(
        parts: tuple[Outputs, Outputs, Outputs]) -> None:
    """A set may be too small to have a text in the validation part."""
    torch.manual_seed(5)
    net = Network(nn.Identity(), SIZE, TOPICS, conventions=3)
    desk, titles, posts = parts
    fit(net, desk._replace(kinds=torch.where(desk.kinds == ITEMS, 3, 0)), titles, posts)
    said = likely(net, texts(200, POSTS, 7))
    assert said.isfinite().all()
    assert (said.argmax(1) == POSTS).float().mean() > 0.85


@torch.no_grad()
def test_the_desks_own_convention_corrects_nothing(
        parts: tuple[Outputs, Outputs, Outputs]) -> None:
    """An item with a summary and a title get one answer from one vector."""
    net = network()
    fit(net, *parts)
    vectors = parts[0].vectors
    for one, other in zip(net.by_kind(vectors, torch.full((100,), TITLES)),
                          net.by_kind(vectors, torch.full((100,), ITEMS)), strict=True):
        assert one.equal(other)


def test_training_leaves_the_desks_own_convention_at_zero(trained: object) -> None:
    """In an artifact too: its last correction is nothing, the others are something."""
    kept = load_file(f"{trained}/model.safetensors")["conventions"]
    assert not kept[-1].any()
    assert kept[0].any()


@torch.no_grad()
def test_no_text_is_judged_by_what_was_fitted_on_it(
        parts: tuple[Outputs, Outputs, Outputs]) -> None:
    """Other labels for a fifth of the texts change the answers to the other four fifths only."""
    desk, titles, posts = parts
    net = network()
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    fold = torch.arange(100) % 5 == 0
    other = torch.where(fold, torch.zeros(100, dtype=torch.long), desk.sentiment_labels)
    one = cross_fitted(net, desk, titles, posts).sentiments
    two = cross_fitted(net, desk._replace(sentiment_labels=other), titles, posts).sentiments
    assert one[fold].equal(two[fold])
    assert not one[~fold].equal(two[~fold])
    assert [] == [name for name, weight in net.state_dict().items() if not weight.equal(before[name])]


def test_logits_are_shifted_then_divided() -> None:
    """The bias is in units of the logits, before the temperature."""
    topics, sentiments = Calibration(2.0, 4.0, (1.0, 0.0, -1.0)).apply(
        torch.tensor([[2.0, 4.0]]), torch.tensor([[3.0, 4.0, 5.0]]))
    assert topics.tolist() == [[1.0, 2.0]]
    assert sentiments.tolist() == [[1.0, 1.0, 1.0]]
