"""The model of benchmarks/scaling.py against values computed by hand."""

import pytest


@pytest.fixture(scope="module")
def scaling(load_benchmark):
    return load_benchmark("scaling")


def test_time_of_a_ring(scaling):
    """Of 4: each sends 2 * 3 messages of a quarter, 1.5 times the bytes."""
    assert scaling.ring_seconds(8e6, 4, 1e9, 0) == pytest.approx(0.012)
    assert scaling.ring_seconds(0, 4, 1e9, 1e-3) == pytest.approx(0.006)
    assert scaling.ring_seconds(8e6, 4, 1e9, 1e-3) == pytest.approx(0.018)
    assert scaling.ring_seconds(8e6, 1, 1e9, 1e-3) == 0


def test_time_of_a_hierarchy(scaling):
    """Two nodes of 4: 1.5 times 8 MB at 10 GB/s, then 8 MB at 1 GB/s, and 6 messages
    of 1 ms within a node, 2 of 10 ms between them."""
    links = (1e10, 1e-3), (1e9, 1e-2)
    found = scaling.hierarchical_seconds(8e6, 8, 4, *links)
    assert found == pytest.approx(0.0012 + 0.006 + 0.008 + 0.02)
    with pytest.raises(ValueError, match="6 replicas .* nodes of 4"):
        scaling.hierarchical_seconds(8e6, 6, 4, *links)


def test_images_per_second_and_efficiency(scaling):
    """64 replicas of 32 images in 0.3 s and 0.1 s more: 5,120 a second, 3 of 4."""
    speed, efficiency = scaling.predict(32, 0.3, 0.1, 64)
    assert speed == pytest.approx(5120)
    assert efficiency == pytest.approx(0.75)


def test_bytes_are_those_of_the_registry(scaling):
    """4 bytes of each parameter: DenseNet-121 has 7,978,856; DCGAN's two networks
    18,855,040 and 17,232,768."""
    sizes = {name: work.gradient_bytes for name, work in scaling.WORKLOADS.items()}
    assert sizes["DenseNet121"] == 31_915_424
    assert sizes["DCGAN"] == 4 * 36_087_808
