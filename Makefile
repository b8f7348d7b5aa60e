# make demo   trains, evaluates, exports and uses a small DenseNet on real digits
# make studio uses small runs on a page in the browser; trains them where they are not
# make test   lint and tests, 12 to 22 minutes on two cores
# make test-all   the slow tests too
# With PYTHON=python3.13, .venv is made of that one.
RUN := .venv/bin/python
INSTALLED := .venv/.installed
DEMO := runs/demo
STUDIO := runs/studio
# Networks by themselves, so that no process grows beyond 3 GB; the files with the longest
# tests first, so that both processes end together. Each file is named once: pytest 8 leaves
# out all but the first of overlapping folders.
IN_PARALLEL := $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
TESTS := $(sort $(shell find tests -name 'test_*.py'))
LONG_NETWORKS := $(patsubst %,tests/applications/test_%.py,contract network_contract variants)
NETWORKS := $(filter tests/applications/%,$(TESTS))
LONG_REST := $(filter tests/trainers/%,$(TESTS)) $(filter tests/apps/%,$(TESTS))
OF_NETWORKS := $(LONG_NETWORKS) $(filter-out $(LONG_NETWORKS),$(NETWORKS))
OF_THE_REST := $(LONG_REST) $(filter-out $(NETWORKS) $(LONG_REST),$(TESTS))

.PHONY: demo studio test test-all
ifdef PYTHON
ifneq ($(shell $(PYTHON) -V 2>&1),$(shell $(RUN) -V 2>&1 || :))
.PHONY: $(INSTALLED)
endif
endif

$(INSTALLED): setup.cfg pyproject.toml .ci/make_venv
	@.ci/make_venv

demo: $(INSTALLED)
	@rm -rf $(DEMO)
	@$(RUN) apps/train_classifier.py --model=cifar_densenet_bc40_k12 \
	  --dataset=digits --epochs=15 --batch_size=64 --augmentation=pad_crop:1 \
	  --run_dir=$(DEMO)
	@$(RUN) apps/export_model.py --run_dir=$(DEMO) --export_dir=savedmodels \
	  --export_name=demo
	@$(RUN) apps/evaluate_classifier.py --saved_model=savedmodels/demo \
	  --dataset=digits --output_dir=$(DEMO)/evaluation
	@$(RUN) apps/save_images.py --dataset=digits --split=test --num_images=40 \
	  --output_dir=$(DEMO)/images
	@$(RUN) apps/predict.py --saved_model=savedmodels/demo \
	  --images=$(DEMO)/images/test/3,$(DEMO)/images/test/7 \
	  --json_file=$(DEMO)/predictions.json
	@echo "the run is in $(DEMO) (learning_curves.png, confusion_matrix.png," \
	  "metrics.csv, predictions.json), the exported model in savedmodels/demo"

$(STUDIO)/digits/last.h5: | $(INSTALLED)
	@$(RUN) apps/train_classifier.py --model=cifar_densenet_bc40_k12 \
	  --dataset=digits --epochs=3 --batch_size=64 --augmentation=pad_crop:1 \
	  --run_dir=$(@D) --resume

$(STUDIO)/dcgan/generator.h5: | $(INSTALLED)
	@$(RUN) apps/train_gan.py --model=dcgan32 --dataset=digits --image_size=8 \
	  --builder_args='{"generator": {"filters": [64, 32]}, "discriminator": {"filters": [32, 64]}}' \
	  --batch_size=32 --epochs=20 --learning_rate=0.001 --run_dir=$(@D) --resume

$(STUDIO)/pconv/last.h5: | $(INSTALLED)
	@$(RUN) apps/train_inpainter.py --model=pconv_unet --dataset=photographs \
	  --builder_args='{"network": {"filters": [16, 32]}}' --image_size=32 --batch_size=16 \
	  --perceptual_weight=0 --style_weight=0 --epochs=2 --run_dir=$(@D) --resume

studio: $(STUDIO)/digits/last.h5 $(STUDIO)/dcgan/generator.h5 $(STUDIO)/pconv/last.h5
	@$(RUN) apps/studio.py --runs=runs --open_browser

test: $(INSTALLED)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@$(IN_PARALLEL) $(OF_NETWORKS) -m "not slow"
	@$(IN_PARALLEL) $(OF_THE_REST) -m "not slow"

test-all: $(INSTALLED)
	@$(IN_PARALLEL) $(OF_NETWORKS)
	@$(IN_PARALLEL) $(OF_THE_REST)
