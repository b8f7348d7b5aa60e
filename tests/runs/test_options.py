"""Options: defaults, what a paper or a resumed run sets, and what is refused."""

import dataclasses
import json
import re

import pytest

from keras_cnns import commands, data, runs
from keras_cnns._checks import check_within
from keras_cnns.runs import Options, any_of, changed, one_of, option, required
from keras_cnns.runs.folder import check_unchanged
from keras_cnns.tasks import TASKS

PLACES = {"dataset": "digits", "run_dir": "nowhere"}


@dataclasses.dataclass(frozen=True)
class Oven(Options):
    """A class with a field of every trait."""

    dish: str = required("what is baked")
    heat: str = option("top", "where from", choices=("top", "bottom", "both"))
    degrees: float = option(180.0, "how hot", within="[50, inf)")
    minutes: int = option(0, "how long; 0: until done", within="[0, inf)")
    bell: bool = option(False, "whether it rings", needs=any_of("minutes"))
    steam: float = option(
        0.0, "litres of water", needs=(one_of("heat", "bottom", "both"), any_of("bell"))
    )
    trays: tuple = option(("one",), "which trays")
    flour: str = option("", "its kind", needs=one_of("leaven", "yeast", shown="dish"))
    glaze: str = option(
        "", "what on top", needs=any_of("is_sweet", shown="dish", hint="a cake")
    )

    @classmethod
    def derive(cls, values):
        return {
            "leaven": "yeast" if values["dish"] == "bread" else "none",
            "is_sweet": values["dish"] == "cake",
        }


@dataclasses.dataclass(frozen=True)
class FanOven(Oven):
    """The same with another default."""

    degrees: float = changed(Oven, "degrees", 160.0)

    @classmethod
    def find_defaults(cls, given):
        return {"minutes": 40, "bell": True} if given.get("dish") == "cake" else {}


def test_defaults_of_the_class_then_those_found_then_what_is_given():
    assert FanOven.resolve(dish="bread").degrees == 160
    found = FanOven.resolve(dish="cake", minutes=30)
    assert (found.minutes, found.bell, found.trays) == (30, True, ("one",))
    kept = dataclasses.fields(FanOven)[2].metadata
    assert (kept["help"], kept["within"]) == ("how hot", "[50, inf)")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.minutes = 20


def test_several_values_are_a_list_or_text_with_commas():
    for trays in (["one", "two"], ("one", "two"), "one, two"):
        assert Oven.resolve(dish="pie", trays=trays).trays == ("one", "two")
    assert Oven.resolve(dish="pie", trays="").trays == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dsh": "pie"}, "unknown option 'dsh'; there are dish, heat, degrees, "),
        ({}, "--dish is missing: what is baked"),
        ({"dish": ""}, "--dish is missing"),
        ({"heat": "left"}, "heat must be 'top' or 'bottom' or 'both', got 'left'"),
        ({"degrees": 20.0}, "degrees must be at least 50, got 20.0"),
        ({"degrees": float("nan")}, "degrees must be at least 50, got nan"),
        ({"minutes": -1}, "minutes must be at least 0, got -1"),
        (
            {"bell": True},
            "--bell=True has no effect with --minutes=0; leave it out, or set minutes",
        ),
        # Where a default is given by name, it has no more effect than any value.
        ({"bell": False}, "--bell=False has no effect with --minutes=0"),
        (
            {"steam": 1.0},
            "--steam=1.0 has no effect with --heat=top; leave it out, or take one of "
            "bottom, both",
        ),
        ({"steam": 1.0, "heat": "both"}, "no effect with --bell=False"),
        (
            {"flour": "rye"},
            "--flour=rye has no effect with --dish=pie, whose leaven is none; leave it "
            "out, or take one of yeast",
        ),
        (
            {"glaze": "sugar"},
            "--glaze=sugar has no effect with --dish=pie; leave it out, or give "
            "--dish a cake",
        ),
    ],
)
def test_what_is_refused_and_what_would_be_right(given, message):
    dish = {} if given in ({}, {"dsh": "pie"}) else {"dish": "pie"}
    with pytest.raises(ValueError) as refused:
        Oven.resolve(**{**dish, **given})
    assert str(refused.value).startswith(message) or message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("minutes", "3"),
        ("minutes", 2.5),
        ("minutes", True),
        ("degrees", "hot"),
        ("degrees", None),
        ("bell", 1),
        ("heat", 1),
        ("dish", 5),
        ("trays", 7),
    ],
)
def test_values_of_another_type_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value!r}"):
        Oven.resolve(**{"dish": "pie", name: value})


@pytest.mark.parametrize("name", ["run_dir", "model"])
def test_kinds_are_checked_before_defaults_are_looked_up(name):
    """In the run or the paper's row that they name."""
    given = {**PLACES, "model": "dcgan32", "resume": True, name: ["x"]}
    with pytest.raises(ValueError, match=f"{name} must be text, got"):
        TASKS["generation"].options_class.resolve(**given)


def test_long_values_are_cut_in_messages():
    for given in ({"minutes": "x" * 5000}, {"heat": "x" * 5000}, {"glaze": "x" * 5000}):
        with pytest.raises(ValueError) as refused:
            Oven.resolve(dish="pie", **given)
        assert len(str(refused.value)) < 400


def test_whole_numbers_are_numbers():
    assert Oven.resolve(dish="pie", degrees=200).degrees == 200


def test_options_are_accepted_where_they_have_an_effect():
    options = Oven.resolve(
        dish="bread", minutes=9, bell=True, heat="both", steam=0.5, flour="rye"
    )
    assert options.effective("steam", "flour", "glaze") == {
        "steam": 0.5,
        "flour": "rye",
    }
    assert json.dumps(options.to_json()) == json.dumps(
        {**dataclasses.asdict(options), "trays": ["one"]}
    )
    assert Oven.kinds()["trays"] is tuple and Oven.kinds()["steam"] is float


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"optimizer": "adam", "momentum": 0.8}, "--momentum=0.8.*adam.*rmsprop"),
        ({"optimizer": "rmsprop", "nesterov": False}, "--nesterov=False.*rmsprop"),
        ({"epsilon": 1.0}, "--epsilon=1.0.*sgd.*lamb"),
        ({"boundaries": "0.5"}, "--boundaries=0.5.*cosine.*step"),
        ({"schedule": "constant", "decay_rate": 0.5}, "--decay_rate=0.5.*constant"),
        ({"schedule": "halving", "decay_epochs": 2.0}, "--decay_epochs.*halving"),
        ({"recipe": "nin_cifar", "epsilon": 1.0}, "--epsilon=1.0.*sgd"),
        ({"optimizer": "adamw", "weight_decay_scope": "kernels"}, "kernels.*adamw"),
        ({"weight_decay": 0.0, "weight_decay_scope": "all"}, "weight_decay=0.0"),
        ({"warmup_requests": 2}, "--warmup_requests=2 has no effect.*export_dir"),
        ({"recipe": "secret"}, "'secret'.*densenet_cifar"),
        ({"optimizer": "sdg"}, "'sgd'.*'sdg'"),
        ({"schedule": "triangular"}, "'cosine'.*'triangular'"),
        ({"mixed_precision": "int8"}, "'float16'.*'int8'"),
        ({"distribution_strategy": "ring"}, "'one_device'.*'ring'"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0, got -1.0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"channels": 2}, "channels must be 0 or 1 or 3, got 2"),
        ({"rate_factors": "*/bias"}, r"rate_factors.*got '\*/bias' in"),
        ({"rate_factors": "*/bias:0"}, r"rate_factors.*got '\*/bias:0'"),
        ({"rate_factors": "a/*:1,a/*:2"}, r"rate_factors.*got 'a/\*:2' in 'a/\*:1,"),
        ({"optimizer": "lookahead", "rate_factors": "*:2"}, "--rate_factors=.*lamb"),
    ],
)
def test_classifiers_refuse_before_anything_is_opened(given, quoted):
    options = TASKS["classification"].options_class
    with pytest.raises(ValueError, match=quoted):
        options.resolve(model="resnet", **PLACES, **given)


@pytest.mark.parametrize(
    ("verb", "given", "quoted"),
    [
        # Flags of other algorithms, known by the model alone or by the trainer too
        (
            "train-gan",
            {"model": "wgan64", "penalty_weight": 3.0},
            "--penalty_weight=3.0 has no effect with --trainer=wgan; .*wgan_gp",
        ),
        (
            "train-gan",
            {"model": "wgan64", "trainer": "wgan_gp", "clip_value": 0.1},
            "--clip_value=0.1 has no effect with --trainer=wgan_gp",
        ),
        (
            "train-inpainter",
            {"model": "global_local", "style_weight": 1.0},
            "--style_weight=1.0 has no effect with --model=global_local.*; leave it "
            "out, or take one of .*lbam",
        ),
        ("refine-images", {"model": "simgan_foot"}, "'simgan_foot'.*simgan_hand"),
        ("train-gan", {"model": "dcgan7"}, "'dcgan7'.*dcgan64"),
        (
            "inpaint",
            {"input": "a", "mask": "b", "output": "c", "tile_size": 64},
            "--tile_size=64 has no effect with --method=patch_match; leave it out, or "
            "give --method a network",
        ),
        (
            "compare-inpainting",
            {"methods": "mean,nearest", "output_dir": "x", "which": "best"},
            "--which=best has no effect with --methods=mean,nearest; leave it out, or "
            "give --methods the folder of a run",
        ),
    ],
)
def test_what_follows_from_options_decides_too(verb, given, quoted):
    _, options, _ = commands.find_command(verb)
    names = {field.name for field in dataclasses.fields(options)}
    places = {**PLACES, "real_dataset": "digits"}
    places = {name: value for name, value in places.items() if name in names}
    with pytest.raises(ValueError, match=quoted):
        options.resolve(**places, **given)


def test_papers_and_recipes_fill_in_what_is_left_open():
    options = TASKS["generation"].options_class
    wgan = options.resolve(model="wgan64", learning_rate=1.0, **PLACES)
    assert (wgan.optimizer, wgan.momentum, wgan.discriminator_steps) == (
        "rmsprop", 0.0, 5,
    )  # fmt: skip
    assert (wgan.learning_rate, wgan.clip_value, wgan.epochs) == (1.0, 0.01, 10)
    penalized = options.resolve(model="wgan64", trainer="wgan_gp", **PLACES)
    assert (penalized.optimizer, penalized.beta_2) == ("adam", 0.9)
    options = TASKS["classification"].options_class
    merged = options.resolve(
        model="resnet", recipe="densenet_cifar", epochs=5, **PLACES
    )
    assert (merged.epochs, merged.batch_size) == (5, 64)
    assert merged.boundaries == "0.5,0.75"


def test_holes_of_a_paper_give_way_to_another_kind():
    options = TASKS["inpainting"].options_class
    paper = options.resolve(model="global_local", **PLACES)
    assert (paper.mask_kinds, paper.rectangle_sides) == ("rectangle", "0.375,0.5")
    other = options.resolve(model="global_local", mask_kinds="irregular", **PLACES)
    assert (other.mask_kinds, other.rectangle_sides) == ("irregular", "")


@pytest.fixture
def started(tmp_path):
    """A run of a GAN that was started with other values than its paper's."""
    options = TASKS["generation"].options_class.resolve(
        model="wgan64",
        dataset="digits",
        run_dir=str(tmp_path),
        epochs=7,
        momentum=0.3,
        enable_xla=True,
        checkpoint_interval=5,
        distribution_strategy="mirrored",
        data_dir="prepared",
        export_dir="exports",
    )
    feed = data.Preprocessing.for_range(8, 8, 1, "signed")
    config = runs.RunConfig({}, feed, ("a", "b"), {"number of examples": 40})
    run = runs.Run(str(tmp_path), "generation", options.to_json(), config)
    runs.write_record(run)
    return runs.read_run(str(tmp_path))


def _resume(run, **given):
    kind = TASKS["generation"].options_class
    return kind.resolve(run_dir=run.folder, resume=True, **given)


def test_a_resumed_run_keeps_what_is_not_given(started):
    options = _resume(started)
    assert (options.model, options.epochs, options.momentum) == ("wgan64", 7, 0.3)
    assert (options.enable_xla, options.checkpoint_interval) == (True, 5)
    assert (options.export_dir, options.data_dir) == ("exports", "prepared")
    assert (options.distribution_strategy, options.resume) == ("mirrored", True)
    check_unchanged(started, options, ("a", "b"), {"number of examples": 40})


def test_a_resumed_run_may_change_what_is_free_only(started):
    same = (("a", "b"), {"number of examples": 40})
    free = {"export_dir": "x", "checkpoint_interval": 0, "enable_xla": False}
    options = _resume(started, **free)
    assert {name: getattr(options, name) for name in free} == free
    check_unchanged(started, options, *same)
    with pytest.raises(ValueError) as refused:
        check_unchanged(started, _resume(started, epochs=9, momentum=0.0), *same)
    message = str(refused.value)
    assert "epochs was 7, is 9; momentum was 0.3, is 0.0" in message
    assert "another folder" in message and "learning_rate" not in message
    with pytest.raises(ValueError, match="examples was 40, is 41"):
        check_unchanged(
            started, _resume(started), ("a", "b"), {"number of examples": 41}
        )
    with pytest.raises(ValueError, match=r"classes of the data was .*'b'.*'c'"):
        check_unchanged(started, _resume(started), ("a", "c"), same[1])


def test_a_run_from_before_an_option_had_its_default(started):
    options = dict(started.options)
    del options["discriminator_learning_rate"], options["critic_warm_up"]
    older = dataclasses.replace(started, options=options)
    same = (("a", "b"), {"number of examples": 40})
    check_unchanged(older, _resume(started), *same)
    with pytest.raises(ValueError, match="critic_warm_up was False, is True"):
        check_unchanged(older, _resume(started, critic_warm_up=True), *same)


def test_a_recipe_wins_over_the_resumed_run_which_then_refuses_it(tmp_path):
    kind = TASKS["classification"].options_class
    places = {"dataset": "digits", "run_dir": str(tmp_path)}
    exported = {"export_dir": "exports", "warmup_requests": 4}
    options = kind.resolve(model="resnet", epochs=3, **exported, **places)
    feed = data.Preprocessing(8, 8, 1, (120.0,), (60.0,))
    config = runs.RunConfig({}, feed, ("a", "b"))
    runs.write_record(
        runs.Run(str(tmp_path), "classification", options.to_json(), config)
    )
    resumed = {"run_dir": str(tmp_path), "resume": True}
    assert kind.resolve(**resumed).epochs == 3
    assert kind.resolve(**resumed).warmup_requests == 4
    changed_options = kind.resolve(recipe="densenet_cifar", **resumed)
    assert changed_options.epochs == 300
    with pytest.raises(ValueError, match="epochs was 3, is 300"):
        check_unchanged(runs.read_run(str(tmp_path)), changed_options, ("a", "b"), {})


def test_a_run_of_another_task_is_not_resumed(started):
    kind = TASKS["refinement"].options_class
    with pytest.raises(ValueError, match="of generation; a run of refinement"):
        kind.resolve(run_dir=started.folder, resume=True)


@pytest.mark.parametrize("verb", commands.VERBS)
def test_every_number_has_a_range(verb):
    """And what is not finite is in none."""
    _, options, _ = commands.find_command(verb)
    kinds = options.kinds()
    for field in dataclasses.fields(options):
        if kinds[field.name] in (int, float):
            assert field.metadata["within"] or field.metadata["choices"], field.name


@pytest.mark.parametrize(
    ("interval", "inside", "outside", "message"),
    [
        ("[0, 1)", (0, 0.5), (-1e-9, 1, True, "0"), "in [0, 1)"),
        ("(0, 1]", (1e-9, 1), (0, 1.5), "in (0, 1]"),
        ("[2, inf)", (2, 2**31 - 1), (1, 2**31, 10**400), "at least 2"),
        ("(0, inf)", (1e30,), (0, float("inf"), float("nan")), "more than 0"),
    ],
)
def test_intervals(interval, inside, outside, message):
    for value in inside:
        check_within("x", value, interval)
    for value in outside:
        with pytest.raises(ValueError, match=re.escape(f"x must be {message}, got ")):
            check_within("x", value, interval)


def test_places_that_cannot_be_written_are_refused_before_anything(tmp_path):
    (tmp_path / "file").write_text("")
    options = TASKS["classification"].options_class
    given = {"model": "densenet121", "dataset": "digits", "run_dir": str(tmp_path)}
    for place, message in (
        ({"run_dir": "file"}, "run_dir=.*file must be a folder"),
        ({"run_dir": "file/run"}, "run_dir=.*file/run cannot be made: .*file is no f"),
        ({"run_dir": "run", "export_dir": "file"}, "export_dir=.* must be a folder"),
        ({"run_dir": "a\0b"}, "run_dir must be text"),
    ):
        place = {name: str(tmp_path / path) for name, path in place.items()}
        with pytest.raises(ValueError, match=message):
            options.resolve(**{**given, **place})
    _, predict, _ = commands.find_command("predict")
    with pytest.raises(ValueError, match="json_file=.* must be a file"):
        predict.resolve(run_dir="x", images="x", json_file=str(tmp_path))
