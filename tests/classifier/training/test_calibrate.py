"""What tells kinds of texts apart, and figures that do not flatter the texts they were fitted on."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from classifier.evaluation.measures import calibration_error
from classifier.network import Network
from classifier.training.batches import ABSENT
from classifier.training.calibrate import BARE, DESK, Calibration, bent, cross_fitted, fit
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


def test_distances_of_shifted_logits_are_bent_and_divided() -> None:
    """The bias is in units of the logits, before bend and temperature; the order stays."""
    topics, sentiments = Calibration(2.0, 4.0, (1.0, 0.0, -1.0), 3.0, 2.0).apply(
        torch.tensor([[2.0, 4.0, 3.0]]), torch.tensor([[3.0, 4.0, 7.0]]))
    assert topics[0].tolist() == pytest.approx([-7.0, 0.0, -2.0])
    assert sentiments[0].tolist() == pytest.approx([-2.5, -2.5, 0.0])


def drawn(log_odds: torch.Tensor, seed: int) -> torch.Tensor:
    """Return labels as likely as the odds say."""
    chance = torch.Generator().manual_seed(seed)
    return torch.multinomial(torch.softmax(log_odds, 1), 1, generator=chance).squeeze(1)


@torch.no_grad()
def test_answers_whose_odds_were_straightened_become_as_sure_as_they_should_be() -> None:
    """Sure ones were too doubtful and doubtful ones too sure, which no temperature mends: on fresh texts."""
    net = Network(nn.Identity(), SIZE, SIZE, conventions=1)
    net.topic_head.weight.copy_(torch.eye(SIZE))
    net.topic_head.bias.zero_()
    chance = torch.Generator().manual_seed(1)
    vectors = 1.5 * torch.randn(4000, SIZE, generator=chance)
    odds = bent(vectors, 2.0)
    said = Outputs(vectors, torch.zeros(4000, 3), vectors, drawn(odds, 2),
                   torch.full((4000,), ABSENT), torch.zeros(4000, dtype=torch.long))
    seen, fresh = said.where(torch.arange(4000) < 2000), said.where(torch.arange(4000) >= 2000)
    found = fit(net, seen, seen, seen)
    assert found.topic_bend / found.topic_temperature == pytest.approx(2.0, abs=0.5)
    assert found.sentiment_bend == pytest.approx(0.0, abs=0.01)
    mended, plain = (
        calibration_error(torch.softmax(each.apply(*net.served(fresh.vectors))[0], 1).numpy(),
                          fresh.topic_labels.numpy())
        for each in (found, Calibration(1.0, 1.0, (0.0, 0.0, 0.0))))
    assert mended < 0.04
    assert plain > 2 * mended


@torch.no_grad()
def test_how_sure_to_be_is_fitted_on_what_is_served(parts: tuple[Outputs, Outputs, Outputs]) -> None:
    """Posts that look like items are judged as both: neither kind's scale could be better, up or down."""
    net = network()
    desk, titles, posts = parts
    alike = posts._replace(vectors=posts.vectors - torch.tensor([0.0, 4.0, 0, 0, 0, 0]))
    desk, alike = (each._replace(topic_labels=drawn(sure * net.topic_head(each.vectors), 3))
                   for each, sure in ((desk, 2.0), (alike, 4.0)))
    found = fit(net, desk, titles, alike)

    def loss() -> float:
        return sum(float(functional.cross_entropy(
            found.apply(*net.served(each.vectors))[0], each.topic_labels)) for each in (desk, alike))

    least, factors = loss(), net.topic_factors.clone()
    for kind in ([POSTS], [TITLES, ITEMS]):
        for change in (0.7, 1.4):
            net.topic_factors[kind] = factors[kind] * change
            assert loss() > least
            net.topic_factors.copy_(factors)


@torch.no_grad()
@pytest.mark.parametrize("head", ["topic", "sentiment"])
def test_a_label_is_nearly_as_likely_as_it_is_frequent_in_a_kind_of_texts(head: str) -> None:
    """Desk and posts differ in what is common: so it is found for fresh texts too, but for the tether."""
    net = network()
    for each in (net.topic_head, net.sentiment_head):
        each.weight[:, 1] = 0.0  # what says the kind says no label
    frequent = {ITEMS: 1.0, POSTS: -1.0}

    def drawn_texts(kind: int, seed: int) -> Outputs:
        made = texts(2000, kind, seed)
        odds = [each.clone() for each in net.by_kind(made.vectors, made.kinds)[:2]]
        for each in odds:
            each[:, 0] += frequent[kind]
        return made._replace(topic_labels=drawn(odds[0], seed), sentiment_labels=drawn(odds[1], seed))

    fit_on, fresh = ({kind: drawn_texts(kind, seed + kind) for kind in (ITEMS, POSTS)} for seed in (10, 20))
    titles = fit_on[ITEMS]._replace(kinds=torch.zeros(2000, dtype=torch.long))
    before = {kind: said_of(net, Calibration(1.0, 1.0, (0.0, 0.0, 0.0)), fresh[kind], head)
              for kind in fresh}
    found = fit(net, fit_on[ITEMS], titles, fit_on[POSTS])
    for kind, made in fresh.items():
        likely_first, share = said_of(net, found, made, head)
        assert abs(before[kind][0] - share) > 0.15
        assert likely_first == pytest.approx(share, abs=0.08)


def said_of(net: Network, found: Calibration, made: Outputs, head: str) -> tuple[float, float]:
    """Return how likely the first label is in the mean, and how frequent it is."""
    heads = dict(zip(("topic", "sentiment"), found.apply(*net.served(made.vectors)), strict=True))
    labels = {"topic": made.topic_labels, "sentiment": made.sentiment_labels}[head]
    return (float(torch.softmax(heads[head], 1)[:, 0].mean()), float((labels == 0).float().mean()))
