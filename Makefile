# make demo   trains, evaluates, exports and uses a small DenseNet on real digits
# make test   lint and tests, 12 to 20 minutes on two cores
# make test-all   the slow tests too
PYTHON := .venv/bin/python
INSTALLED := .venv/.installed
DEMO := runs/demo
# Networks by themselves, so that no process grows beyond 3 GB; the files with the longest
# tests first, so that both processes end together. Each file is named once: pytest 8 leaves
# out all but the first of overlapping folders.
IN_PARALLEL := $(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
TESTS := $(sort $(shell find tests -name 'test_*.py'))
LONG_NETWORKS := $(patsubst %,tests/applications/test_%.py,contract network_contract variants)
NETWORKS := $(filter tests/applications/%,$(TESTS))
LONG_REST := $(filter tests/trainers/%,$(TESTS)) $(filter tests/apps/%,$(TESTS))
OF_NETWORKS := $(LONG_NETWORKS) $(filter-out $(LONG_NETWORKS),$(NETWORKS))
OF_THE_REST := $(LONG_REST) $(filter-out $(NETWORKS) $(LONG_REST),$(TESTS))

.PHONY: demo test test-all

$(INSTALLED): setup.cfg pyproject.toml .ci/make_venv
	@.ci/make_venv

demo: $(INSTALLED)
	@rm -rf $(DEMO)
	@$(PYTHON) apps/train_classifier.py --model=cifar_densenet_bc40_k12 \
	  --dataset=digits --epochs=15 --batch_size=64 --augmentation=pad_crop:1 \
	  --run_dir=$(DEMO)
	@$(PYTHON) apps/export_model.py --run_dir=$(DEMO) --export_dir=savedmodels \
	  --export_name=demo
	@$(PYTHON) apps/evaluate_classifier.py --saved_model=savedmodels/demo \
	  --dataset=digits --output_dir=$(DEMO)/evaluation
	@$(PYTHON) apps/save_images.py --dataset=digits --split=test --num_images=40 \
	  --output_dir=$(DEMO)/images
	@$(PYTHON) apps/predict.py --saved_model=savedmodels/demo \
	  --images=$(DEMO)/images/test/3,$(DEMO)/images/test/7 \
	  --json_file=$(DEMO)/predictions.json
	@echo "the run is in $(DEMO) (learning_curves.png, confusion_matrix.png," \
	  "metrics.csv, predictions.json), the exported model in savedmodels/demo"

test: $(INSTALLED)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@$(IN_PARALLEL) $(OF_NETWORKS) -m "not slow"
	@$(IN_PARALLEL) $(OF_THE_REST) -m "not slow"

test-all: $(INSTALLED)
	@$(IN_PARALLEL) $(OF_NETWORKS)
	@$(IN_PARALLEL) $(OF_THE_REST)
