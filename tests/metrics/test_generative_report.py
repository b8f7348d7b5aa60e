"""Reports: every score with its protocol, the floor, and what does not compare."""

import dataclasses
import json

import numpy as np
import pytest

from keras_cnns import metrics

PROTOCOL = metrics.Protocol(
    embedding="none",
    embedding_checksum="sha256:0",
    resize="none",
    image_shape="1x1x1",
    real_data="normal",
    num_real=300,
    num_generated=200,
    kid_subset_size=100,
    kid_num_subsets=20,
    inception_splits=2,
    num_neighbours=4,
    seed=3,
)


def _sets(seed=0, shift=1.0):
    random = np.random.default_rng(seed)
    real, other = random.normal(size=(300, 5)), random.normal(size=(200, 5))
    return real, other, random.normal(shift, 1, (200, 5))


def _report(protocol=PROTOCOL, shift=1.0, **probabilities):
    return metrics.evaluate_features(*_sets(shift=shift), protocol, **probabilities)


def test_scores_are_those_of_the_functions():
    real, other, generated = _sets()
    random = np.random.default_rng(1)
    answers, other_answers = random.dirichlet(np.ones(4), (2, 200))
    report = _report(
        generated_probabilities=answers, other_real_probabilities=other_answers
    )
    scale = metrics.median_distance(real)
    for scores, candidates, probabilities in (
        (report.scores, generated, answers),
        (report.floor, other, other_answers),
    ):
        kid = metrics.kernel_distance(real, candidates, 100, 20, 3)
        assert scores.fid == metrics.frechet_distance(real, candidates)
        assert (scores.kid, scores.kid_error) == (kid.mean, kid.standard_error)
        assert scores.mmd == metrics.mmd_rbf(real, candidates, scale)
        score, deviation = metrics.inception_score(probabilities, 2)
        assert scores.inception_score == score
        assert scores.inception_std == deviation
    assert report.scores.fid > 3 * report.floor.fid
    assert report.scores.kid > 10 * abs(report.floor.kid)
    assert report.scores.mmd > 10 * abs(report.floor.mmd)
    assert report.scores.precision < report.floor.precision


def test_the_larger_set_is_thinned_for_precision_and_recall():
    real, other, generated = _sets()
    equal = dataclasses.replace(PROTOCOL, num_real=200)
    report = metrics.evaluate_features(real[:200], other, generated, equal)
    expected = metrics.precision_recall(real[:200], generated, 4)
    assert (report.scores.precision, report.scores.recall) == expected
    seeds = range(20)
    random = np.random.default_rng(9)
    expected = [
        metrics.precision_recall(random.permutation(real)[:200], generated, 4)
        for _ in seeds
    ]
    found = [
        (scores.precision, scores.recall)
        for scores in (
            _report(dataclasses.replace(PROTOCOL, seed=s)).scores for s in seeds
        )
    ]
    assert np.std(found, axis=0).max() > 0  # seeds thin otherwise
    np.testing.assert_allclose(np.mean(found, 0), np.mean(expected, 0), atol=0.02)


def test_json_round_trip():
    for probabilities in ({}, _probabilities()):
        report = _report(**probabilities)
        text = json.dumps(report.to_json())
        assert metrics.GenerativeReport.from_json(json.loads(text)) == report
    assert metrics.Protocol.from_json(PROTOCOL.to_json()) == PROTOCOL
    fields = report.to_json()
    del fields["scores"]["fid"]
    with pytest.raises(ValueError, match="a Scores has the fields fid, .* got"):
        metrics.GenerativeReport.from_json(fields)
    with pytest.raises(ValueError, match="a Protocol has the fields"):
        metrics.Protocol.from_json({**PROTOCOL.to_json(), "else": 1})


def _probabilities():
    answers = np.random.default_rng(1).dirichlet(np.ones(4), (2, 200))
    return {
        "generated_probabilities": answers[0],
        "other_real_probabilities": answers[1],
    }


def test_compare():
    near, far = _report(shift=0.5, **_probabilities()), _report(**_probabilities())
    differences = metrics.compare(near, far)
    assert differences["fid"] == pytest.approx(far.scores.fid - near.scores.fid)
    assert differences["fid"] > 0 > differences["precision"]
    assert set(differences) == {
        "fid", "kid", "mmd", "precision", "recall", "inception_score",
    }  # fmt: skip
    assert metrics.compare(near, _report())["inception_score"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"embedding_checksum": "sha256:1"},
        {"resize": "bicubic"},
        {"num_generated": 150, "real_data": "other"},
        {"seed": 4},
    ],
)
def test_reports_of_different_protocols_do_not_compare(changes):
    report = _report()
    other = dataclasses.replace(
        report, protocol=dataclasses.replace(PROTOCOL, **changes)
    )
    with pytest.raises(ValueError, match="do not compare; they differ in") as error:
        metrics.compare(report, other)
    for name, value in changes.items():
        assert f"{name} ({getattr(PROTOCOL, name)!r}, {value!r})" in str(error.value)
    assert ("resize" in str(error.value)) == ("resize" in changes)


def test_few_examples_are_told(caplog):
    random = np.random.default_rng(0)
    protocol = dataclasses.replace(
        PROTOCOL, num_real=20, num_generated=20, kid_subset_size=10
    )
    with caplog.at_level("WARNING", logger="absl"):
        metrics.evaluate_features(*random.normal(size=(3, 20, 30)), protocol)
    assert "20 real and 20 generated examples are few for 30 features" in caplog.text


def test_bad_input():
    real, other, generated = _sets()
    with pytest.raises(ValueError, match="real holds 299 vectors, .* says 300"):
        metrics.evaluate_features(real[1:], other, generated, PROTOCOL)
    with pytest.raises(ValueError, match="other_real holds 300 vectors, .* says 200"):
        metrics.evaluate_features(real, real, generated, PROTOCOL)
    with pytest.raises(ValueError, match="real and other_real must .* 5 and 4"):
        metrics.evaluate_features(real, other[:, 1:], generated, PROTOCOL)
    with pytest.raises(ValueError, match="both other_real and generated, or of none"):
        _report(generated_probabilities=np.full((200, 2), 0.5))
    with pytest.raises(ValueError, match="150 probabilities do not belong to 200"):
        _report(
            generated_probabilities=np.full((150, 2), 0.5),
            other_real_probabilities=np.full((200, 2), 0.5),
        )
    for name, value in [("num_real", 1), ("num_neighbours", 0), ("seed", -1)]:
        with pytest.raises(ValueError, match=f"{name} must .* got {value}"):
            dataclasses.replace(PROTOCOL, **{name: value})
