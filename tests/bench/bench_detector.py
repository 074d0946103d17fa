"""How well bursts are found: recall at one false alarm a week, with one threshold, and how quickly.

    python tests/bench/bench_detector.py [--seed 0] [--noisy] [--alone] [--background | --tweets]

On the simulated streams and the tweet volumes of the detection study, which lies beside the data
(`../shared/spikes`, or `spikes` beside NEWSQUAKE_DATA); without it, this says so and ends. Each rate's
40 topics are judged together, as a desk's are (they share the shape of the week); with `--alone`
each by itself. The first 16 set a threshold by themselves, the other 24 are measured, by that and by
what opens an incident at "once a week". `--background`: the streams have no bursts, and what is printed is
how often an incident of "once in N weeks" opened from the third week on, over how often it should.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np

from alerts import state
from alerts.counts import AT_ONCE, Judge, score
from alerts.detector import Detectors
from alerts.rules import Surge
from alerts.shape import Pool

CALIBRATING = 16
NOISY = {"ar_sd": 0.5, "ar_tau": 72, "alpha": 0.2, "phi": 1.6}


def study() -> ModuleType | None:
    """Return the study's harness, or None where it is absent."""
    data = Path(os.environ.get("NEWSQUAKE_DATA", "../shared/data"))
    folder = data.parent / "spikes"
    if not (folder / "evaluate.py").is_file():
        return None
    sys.path.insert(0, str(folder.resolve()))
    import evaluate

    return evaluate


def judged(counts: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Judge some topics together: weeks and scores, [topics, buckets]."""
    topics, buckets = counts.shape
    detectors, on = Detectors(state.fresh(topics), Pool()), np.ones(topics, bool)
    weeks, scores = np.zeros(counts.shape), np.zeros(counts.shape)
    for number in range(buckets):
        weeks[:, number] = detectors.step(start + number * 300, counts[:, number], on, on)
        sizes = detectors.rows["size"]
        scores[:, number] = [score(w, s) for w, s in zip(weeks[:, number], sizes, strict=True)]
    return weeks, scores


def synthetic(harness: ModuleType, seed: int, *, alone: bool) -> None:
    """Print a row for each rate, then recall by the one threshold that all rates keep."""
    kept, worst = [], 0.0
    for rate in harness.RATES:
        first, rest = harness.synth_sets(rate, CALIBRATING, 24, seed)
        topics = first + rest
        counts = np.stack([topic["n"] for topic in topics]).astype(np.int64)
        began = time.process_time()
        groups = [counts[k : k + 1] for k in range(len(counts))] if alone else [counts]
        said = [judged(group, harness.T_START) for group in groups]
        micros = (time.process_time() - began) / counts.size * 1e6
        weeks, scores = (list(np.concatenate(part)) for part in zip(*said, strict=True))
        found, hits = harness.measure([alarms(one, 1.0) for one in weeks[CALIBRATING:]], rest, 0.5)
        promised = harness.summarise(hits)
        own, _ = harness.calibrate(scores[:CALIBRATING], first)
        own_found, hits = harness.measure(scores[CALIBRATING:], rest, own)
        best = harness.summarise(hits)
        worst = max(worst, own)
        kept.append((rate, scores[CALIBRATING:], rest))
        print(f"{rate:>5} an hour: once a week: recall {promised['recall']:.3f}, false alarms {found:.2f},"
              f" delay {promised['med_delay']:.0f}; own threshold {own:.2f}: recall {best['recall']:.3f},"
              f" false alarms {own_found:.2f}; {micros:.1f} us an update", flush=True)
    for rate, scores, topics in kept:
        found, hits = harness.measure(scores, topics, worst)
        print(f"{rate:>5} an hour, one threshold {worst:.2f}: recall"
              f" {harness.summarise(hits)['recall']:.3f}, false alarms {found:.2f}", flush=True)


def alarms(weeks: np.ndarray, threshold: float) -> np.ndarray:
    """Return for each bucket of a key whether an incident is open (0 or 1), by a threshold in weeks."""
    surge, found = Surge(), np.zeros(len(weeks))
    for number in np.flatnonzero((weeks >= threshold) | np.append(False, weeks[:-1] >= threshold)).tolist():
        surge, _turn = surge.turn(float(weeks[number]), threshold, AT_ONCE, number * 300, 300, enough=True)
        found[number] = surge.on
    return found


def openings(weeks: np.ndarray, threshold: float) -> int:
    """Count the incidents of a key."""
    return int((np.diff(alarms(weeks, threshold), prepend=0.0) > 0).sum())


def background(harness: ModuleType, seed: int) -> None:
    """Print for each rate how often once in 1, 4 and 13 weeks came, over how often it should."""
    harness.P.update(gap_min=10**8, gap_mean=10**9)
    for rate in harness.RATES:
        first, rest = harness.synth_sets(rate, CALIBRATING, 24, seed)
        topics = first + rest
        weeks, _ = judged(np.stack([topic["n"] for topic in topics]).astype(np.int64), harness.T_START)
        later = weeks[:, 2 * harness.WEEK :]
        seen = later.size / harness.WEEK
        ratios = [sum(openings(one, n) for one in later) * n / seen for n in (1, 4, 13)]
        print(f"{rate:>5} an hour: " + " / ".join(f"{ratio:.2f}" for ratio in ratios), flush=True)


def tweets(harness: ModuleType) -> None:
    """Print the NAB score (standard profile) on the tweet volumes, and with the threshold of others."""
    files = {}
    windows = harness.nab_windows()
    for name, rows in harness.load_tweets().items():
        judge, said = Judge(300), []
        for at, count in rows:
            said.append(judge.step(at, {name: count})[name].score)
        inside, weight = harness.nab_rows([at for at, _ in rows], windows[name])
        files[name] = (np.array(said), inside, weight)
    wanted = sum(len(windows[name]) for name in files)
    every = list(files.values())
    thresholds, scores, nothing = harness.nab_sweep(every)
    best = int(scores.argmax())
    print(f"tweets: {harness.nab_normalise(scores[best], nothing, wanted, 'standard'):.1f}"
          f" at {thresholds[best]:.2f}")
    total = none = 0.0
    for number, one in enumerate(every):
        thresholds, scores, _ = harness.nab_sweep(every[:number] + every[number + 1 :])
        total += harness.nab_at([one], thresholds[int(scores.argmax())], "standard")
        none += harness.nab_sweep([one])[2]
    print(f"tweets, each with the threshold of the others:"
          f" {harness.nab_normalise(total, none, wanted, 'standard'):.1f}")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--noisy", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--background", action="store_true")
    parser.add_argument("--tweets", action="store_true")
    given = parser.parse_args()
    harness = study()
    if harness is None:
        print("skipped: no spikes/evaluate.py beside the data folder (NEWSQUAKE_DATA)")
        return
    if given.noisy:
        harness.P.update(NOISY)
    if given.tweets:
        tweets(harness)
    elif given.background:
        background(harness, given.seed)
    else:
        synthetic(harness, given.seed, alone=given.alone)


if __name__ == "__main__":
    main()
