r"""Shows what a classifier looks at in images, some seconds per image.

    python apps/inspect_classifier.py --run_dir=runs/digits --images=image.png,folder \
        --methods=saliency,guided_backpropagation,grad_cam --output_dir=inspected
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("inspect-classifier")
